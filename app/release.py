"""What a release does before its processes start: migrate, make partitions ahead, publish the built-in rule sets.

Safe to run twice, on two machines at once, and while the code of the release before still serves.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.orm import Session

from app.database import Database
from app.models import audit, months, rulesets
from app.rules import builtin
from app.settings import Settings

MIGRATIONS = Path(__file__).parent.parent / "migrations"


def run(settings: Settings, database: Database) -> list[str]:
    """Bring the database up to what this code needs; return one line for each thing that was done."""
    before = revision(database)
    command.upgrade(alembic_config(settings), "head")
    done = [migrated(before, revision(database))]
    with database.transaction() as session:
        today, ahead = datetime.now(UTC).date(), settings.partition_months_ahead
        made = months.make_ahead(session.connection(), today=today, months=ahead)
        done += [f"partition {name} made" for name in made]
        for definition in builtin.definitions():
            done += publish(session, definition)
    return done


def migrated(before: str | None, after: str | None) -> str:
    """Return the line that says what the migrations did."""
    return f"database at {after}" if before == after else f"database migrated from {before or 'nothing'} to {after}"


def publish(session: Session, definition: Mapping[str, Any]) -> list[str]:
    """Publish a built-in rule set where its version is not published yet; return a line when there is one to read.

    Authors may publish further versions of a built-in rule set. One that has the number of the built-in one stays what
    it is, and the release goes on: verdicts have been given by it.

    Raises:
        RuleSetChanged: an earlier release has published another content under this number. Give it a new one.
    """
    name, version = definition["name"], definition["version"]
    ref = f"rule set {name}@{version}"
    rulesets.hold(session, name)
    there = rulesets.resolve(session, name, version)
    if there and there.published_by != rulesets.RELEASE:
        if there.content_hash == rulesets.content_hash(definition):
            return []
        return [f"{ref} not published: {there.published_by} has published another content under this number"]
    newest = rulesets.resolve(session, name, None)
    if not rulesets.publish(session, definition):
        return []
    details = {"version": version, "sha256": rulesets.content_hash(definition).hex()}
    audit.note(session, actor=rulesets.RELEASE, action="ruleset.publish", subject=f"ruleset:{name}", details=details)
    if newest and newest.published_by != rulesets.RELEASE and newest.version < version:
        return [f"{ref} published: the newest now, in place of {newest.ref} by {newest.published_by}"]
    return [f"{ref} published"]


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
