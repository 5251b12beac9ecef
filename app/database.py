"""The way to Postgres: one engine a process, and `transaction()`, the only maker of sessions.

The engine connects at the first transaction, so it may be made before a fork but not used before one.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, create_engine, exc
from sqlalchemy.orm import Session

from app import json
from app.errors import DatabaseAway
from app.settings import Settings

#: SQLSTATE classes that say "not now" rather than "not like this": connection lost, out of resources, serialization
#: and deadlock, operator intervention (shutdown, crash, idle transaction ended). PostgreSQL, appendix A.
AWAY_CLASSES = ("08", "53", "40", "57P", "25P03", "55P03")


class Database:
    """A pool of connections to Postgres and the transactions made on it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def from_settings(cls, settings: Settings, *, name: str) -> "Database":
        """Return a database that has not connected yet. `name` shows up in `pg_stat_activity`."""
        options = " ".join(
            f"-c {setting}={value}"
            for setting, value in {
                "statement_timeout": settings.database_statement_timeout_ms,
                "idle_in_transaction_session_timeout": settings.database_idle_timeout_ms,
                "timezone": "UTC",
            }.items()
        )
        return cls(
            create_engine(
                settings.database_url,
                pool_size=settings.database_pool_size,
                max_overflow=settings.database_pool_overflow,
                pool_timeout=settings.database_pool_timeout_ms / 1000,
                pool_pre_ping=True,
                # An old pgbouncer in transaction mode knows nothing of prepared statements.
                connect_args={
                    "application_name": f"rate-{name}",
                    "connect_timeout": 5,
                    "options": options,
                    "prepare_threshold": None,
                },
                json_serializer=json.text,
                json_deserializer=json.loads,
                # An error's text ends up in logs, where items have no place.
                hide_parameters=True,
            )
        )

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Yield a session whose work is committed at the end, or rolled back when the block raises.

        Raises:
            DatabaseAway: Postgres cannot be reached or asked to come back; nothing was stored.
        """
        try:
            with Session(self.engine, expire_on_commit=False) as session, session.begin():
                yield session
        except (exc.DBAPIError, exc.TimeoutError) as error:
            if is_away(error):
                raise DatabaseAway("The database cannot be reached right now.") from error
            raise

    def close(self) -> None:
        """Close every connection that is not in use."""
        self.engine.dispose()


def is_away(error: exc.DBAPIError | exc.TimeoutError) -> bool:
    """Return whether the same transaction may succeed a little later, unchanged."""
    if isinstance(error, exc.TimeoutError) or error.connection_invalidated:
        return True
    state = getattr(error.orig, "sqlstate", None)
    if state is None:  # No answer from a server at all: it could not be reached.
        return isinstance(error, exc.OperationalError)
    return bool(state.startswith(AWAY_CLASSES))
