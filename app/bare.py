"""Bare connections: psycopg's own, for the few statements of every request. SQLAlchemy costs as much again as they do.

One for each thread that uses some at the same time. They are none of the engine's pool, and are kept.
"""

import select
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from sqlalchemy import Engine
from sqlalchemy.orm import Session

#: A connection that was idle for longer is looked at before it is used.
TRUSTED_FOR_S = 2.0

#: No statement is run so often that psycopg would prepare it by itself.
_ONLY_WHEN_SAID = 2**31

#: What is prepared has a list of ids for its parameter: how to find them does not depend on which they are, and to plan
#: it anew each time takes longer than to run it.
PLAN_ONCE = b"SET plan_cache_mode = force_generic_plan"

Connection = psycopg.Connection[Any]


class Bare:
    """Connections as the engine makes them.

    With `autocommit` each statement on them is a transaction. Where one `prepares`, statements of which it is said are
    prepared; on the engine's own connections none is, since others might have them forgotten there.
    """

    def __init__(self, engine: Engine, *, autocommit: bool, prepares: bool) -> None:
        self._engine = engine
        self._autocommit = autocommit
        self._prepare_threshold = _ONLY_WHEN_SAID if prepares else None
        #: Those that nobody uses now, and since when.
        self._kept: deque[tuple[Connection, float]] = deque()

    @contextmanager
    def one(self) -> Iterator[Connection]:
        """Yield a connection, closed when the block raises: whatever it has met, and prepared, goes with it."""
        connection = self._taken()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        self._kept.append((connection, time.monotonic()))

    def close(self) -> None:
        """Close every connection that is not in use."""
        while self._kept:
            self._kept.pop()[0].close()

    def _taken(self) -> Connection:
        with suppress(IndexError):
            while True:
                connection, since = self._kept.pop()
                # Where nothing was asked nothing is told, but that it is over.
                if time.monotonic() - since < TRUSTED_FOR_S or not readable(connection):
                    return connection
                connection.close()
        of_pool = self._engine.raw_connection()
        made: Any = of_pool.driver_connection
        of_pool.detach()
        made.autocommit = self._autocommit
        made.prepare_threshold = self._prepare_threshold
        if self._prepare_threshold is not None:
            made.pgconn.exec_(PLAN_ONCE)
        return made  # type: ignore[no-any-return]  # SQLAlchemy knows no driver's types.


def of(session: Session) -> Connection:
    """Return the bare connection under a session, in its transaction."""
    connection: Any = session.connection().connection.driver_connection
    return connection  # type: ignore[no-any-return]  # SQLAlchemy knows no driver's types.


def readable(connection: Connection) -> bool:
    """Return whether something comes from the server, or its end."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
