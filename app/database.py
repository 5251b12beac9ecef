"""The way to Postgres: one engine a process; `transaction()` and `autocommit()` are the only makers of sessions.

The engine connects at the first statement, so it may be made before a fork but not used before one.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, create_engine, event, exc
from sqlalchemy.orm import Session

from app import bare, json, statements
from app.errors import DatabaseAway
from app.settings import Settings

#: SQLSTATE classes that say "not now" rather than "not like this": connection lost, out of resources, serialization
#: and deadlock, operator intervention (shutdown, crash, idle transaction ended). PostgreSQL, appendix A.
AWAY_CLASSES = ("08", "53", "40", "57P", "25P03", "55P03")


class Database:
    """A pool of connections to Postgres and the transactions made on it."""

    def __init__(self, engine: Engine, *, prepares: bool) -> None:
        self.engine = engine
        self._autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._transactions = bare.Bare(engine, autocommit=False, prepares=prepares)
        self._singles = bare.Bare(engine, autocommit=True, prepares=prepares)
        ping_the_idle(engine)

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
                max_overflow=0,
                pool_timeout=settings.database_pool_timeout_ms / 1000,
                connect_args={
                    "application_name": f"rate-{name}",
                    "connect_timeout": 5,
                    "options": options,
                    "prepare_threshold": None,  # Only bare connections prepare.
                },
                json_serializer=json.text,
                json_deserializer=json.loads,
                # An error's text ends up in logs, where items have no place.
                hide_parameters=True,
            ),
            prepares=settings.database_prepare == "on",
        )

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Yield a session whose work is committed at the end, or rolled back when the block raises.

        Raises:
            DatabaseAway: Postgres cannot be reached or asked to come back; nothing was stored.
        """
        with away(), Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def begin(self) -> Iterator[bare.Connection]:
        """Yield a bare connection; what is done is committed at the end, or rolled back when the block raises.

        Raises:
            DatabaseAway: Postgres cannot be reached or asked to come back; nothing was stored.
        """
        with away(), self._transactions.one() as connection:
            yield connection
            statements.commit(connection)

    @contextmanager
    def single(self) -> Iterator[bare.Connection]:
        """Yield a bare connection on which every statement is a transaction of its own.

        Raises:
            DatabaseAway: Postgres cannot be reached or asked to come back.
        """
        with away(), self._singles.one() as connection:
            yield connection

    @contextmanager
    def autocommit(self) -> Iterator[Session]:
        """Yield a session in which every statement is a transaction of its own: one round trip in place of three.

        For reading, and for a write that is one statement.

        Raises:
            DatabaseAway: Postgres cannot be reached or asked to come back.
        """
        with away(), Session(self._autocommit, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Yield what `autocommit` does without the session around it, which costs more than a statement.

        Raises:
            DatabaseAway: Postgres cannot be reached or asked to come back.
        """
        with away(), self._autocommit.connect() as connection:
            yield connection

    def close(self) -> None:
        """Close every connection that is not in use."""
        self._transactions.close()
        self._singles.close()
        self.engine.dispose()


@contextmanager
def away() -> Iterator[None]:
    """Turn an outage of Postgres inside the block into DatabaseAway."""
    try:
        yield
    except (exc.DBAPIError, exc.TimeoutError, psycopg.Error) as error:
        if is_away(error):
            raise DatabaseAway("The database cannot be reached right now.") from error
        raise


def ping_the_idle(engine: Engine) -> None:
    """Have connections checked before use when they were idle for a while, and not otherwise: it costs a round trip."""

    def returned(_: Any, record: Any) -> None:
        record.info["idle_since"] = time.monotonic()

    def taken(connection: Any, record: Any, _: Any) -> None:
        idle_since = record.info.get("idle_since")
        if idle_since is None or time.monotonic() - idle_since < bare.TRUSTED_FOR_S:
            return
        try:
            engine.dialect.do_ping(connection)
        except Exception as error:
            # The pool drops this connection and takes another one.
            raise exc.DisconnectionError from error

    event.listen(engine, "checkin", returned)
    event.listen(engine, "checkout", taken)


def is_away(error: exc.DBAPIError | exc.TimeoutError | psycopg.Error) -> bool:
    """Return whether the same transaction may succeed a little later, unchanged."""
    if isinstance(error, exc.TimeoutError) or (isinstance(error, exc.DBAPIError) and error.connection_invalidated):
        return True
    state = getattr(error.orig if isinstance(error, exc.DBAPIError) else error, "sqlstate", None)
    if state is None:  # No answer from a server at all: it could not be reached.
        return isinstance(error, exc.OperationalError | psycopg.OperationalError)
    return bool(state.startswith(AWAY_CLASSES))
