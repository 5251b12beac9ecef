"""What a release does before its processes start: migrate, make partitions ahead, publish the built-in rule sets.

Safe to run twice, on two machines at once, and while the code of the release before still serves.
"""

from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from app.database import Database
from app.models import months, rulesets
from app.rules import builtin
from app.settings import Settings

MIGRATIONS = Path(__file__).parent.parent / "migrations"


def run(settings: Settings, database: Database) -> list[str]:
    """Bring the database up to what this code needs; return one line for each thing that was done."""
    before = revision(database)
    command.upgrade(alembic_config(settings), "head")
    done = [f"database {before or 'empty'} -> {revision(database)}"]
    with database.transaction() as session:
        made = make_partitions(session.connection(), settings)
        done += [f"partition {name} made" for name in made]
        for definition in builtin.definitions():
            if rulesets.publish(session, definition):
                done.append(f"rule set {definition['name']}@{definition['version']} published")
    return done


def make_partitions(connection: Connection, settings: Settings) -> list[str]:
    """Make the partitions of this month and of those ahead that are missing; return their names."""
    return months.make_ahead(connection, today=datetime.now(UTC).date(), months=settings.partition_months_ahead)


def alembic_config(settings: Settings) -> Config:
    """Return Alembic's configuration for this database."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    # The option is read by ConfigParser, to which % means something.
    config.set_main_option("sqlalchemy.url", settings.database_url.replace("%", "%%"))
    return config


def revision(database: Database) -> str | None:
    """Return the revision the database is at, or None when it has never been migrated."""
    with database.transaction() as session:
        return MigrationContext.configure(session.connection()).get_current_revision()


def head() -> str | None:
    """Return the revision that this code needs."""
    return scripts().get_current_head()


def is_behind(database: Database) -> bool:
    """Return whether the database still lacks a migration that this code needs.

    One that a newer release has migrated is at a revision unknown here, and not behind: otherwise no process could
    start during a deploy, or after going back from one.
    """
    current = revision(database)
    earlier = {script.revision for script in scripts().walk_revisions()} - {head()}
    return current is None or current in earlier


def scripts() -> ScriptDirectory:
    """Return the migrations that this code has."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return ScriptDirectory.from_config(config)
