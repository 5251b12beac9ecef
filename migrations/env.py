"""How migrations run: one at a time over all machines, and never waiting long for a lock.

A migration that cannot get its lock within `LOCK_TIMEOUT` fails and can be run again; one that waited would make every
request behind it wait too.
"""

from alembic import context
from sqlalchemy import Connection, create_engine, text

from app.models import (  # noqa: F401 - so that Base knows their tables
    access,
    audit,
    comparisons,
    findings,
    idempotency,
    reference,
    requests,
    responses,
    rulesets,
)
from app.models.base import Base

LOCK_TIMEOUT = "3s"
#: Held from before the first migration to after the last. Any constant will do.
LOCK = 0x7261_7465_6D69


def run(connection: Connection) -> None:
    """Bring the database to the wanted revision, in one transaction, alone."""
    connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
    connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
    connection.commit()
    try:
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": LOCK})
        connection.commit()


if context.is_offline_mode():
    context.configure(dialect_name="postgresql", target_metadata=Base.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    engine = create_engine(context.config.get_main_option("sqlalchemy.url") or "")
    with engine.connect() as connection:
        run(connection)
    engine.dispose()
