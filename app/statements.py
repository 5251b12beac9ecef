"""Statements that are run for every group of requests, by libpq itself: it costs half of what psycopg's cursors do.

Parameters are texts, and columns come in PostgreSQL's binary formats. What may surprise: a call blocks its thread in C,
which suits the threads of a worker and would hold up all greenlets of a web process.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import psycopg
from psycopg import pq
from psycopg.errors import error_from_result

from app import json

_BINARY = 1
_DONE = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)
_IDLE = pq.TransactionStatus.IDLE
#: Where PostgreSQL counts the microseconds of a timestamp from.
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)

Connection = psycopg.Connection[Any]

#: The names of what is prepared on a connection.
_prepared: WeakKeyDictionary[Connection, set[bytes]] = WeakKeyDictionary()


def uuid(value: bytes) -> UUID:
    """Return the id that is stored as these 16 bytes."""
    return UUID(bytes=value)


def moment(value: bytes) -> datetime:
    """Return the moment of a `timestamptz`."""
    return _EPOCH + timedelta(microseconds=int.from_bytes(value, "big", signed=True))


def jsonb(value: bytes) -> Any:
    """Return what a `jsonb` says. Its first byte is the format's version."""
    return json.loads(memoryview(value)[1:])


class Statement:
    """A statement with `$1`, `$2`, … for its parameters, and what makes a value of each of its columns.

    It is prepared when a connection first runs it, where the connection may prepare.
    """

    def __init__(self, name: str, text: str, *columns: Callable[[bytes], Any]) -> None:
        self._name = name.encode()
        self._text = text.encode()
        self._columns = tuple(enumerate(columns))

    def run(self, connection: Connection, *parameters: str | bytes) -> list[tuple[Any, ...]]:
        """Return the rows, in the connection's transaction, which has begun by then.

        Raises:
            psycopg.Error: as psycopg's cursors do.
        """
        pgconn = connection.pgconn
        if pgconn.transaction_status == _IDLE:
            checked(pgconn, pgconn.exec_(b"BEGIN"))
        values = [each.encode() if isinstance(each, str) else each for each in parameters]
        if connection.prepare_threshold is None:
            result = pgconn.exec_params(self._text, values, result_format=_BINARY)
        else:
            self._prepare(connection)
            result = pgconn.exec_prepared(self._name, values, result_format=_BINARY)
        checked(pgconn, result)
        get = result.get_value
        return [
            tuple([None if (value := get(row, column)) is None else made(value) for column, made in self._columns])
            for row in range(result.ntuples)
        ]

    def _prepare(self, connection: Connection) -> None:
        prepared = _prepared.setdefault(connection, set())
        if self._name not in prepared:
            checked(connection.pgconn, connection.pgconn.prepare(self._name, self._text))
            prepared.add(self._name)


def commit(connection: Connection) -> None:
    """The transaction is committed, if one has begun. Raises psycopg.Error."""
    pgconn = connection.pgconn
    if pgconn.transaction_status != _IDLE:
        checked(pgconn, pgconn.exec_(b"COMMIT"))


def checked(pgconn: pq.abc.PGconn, result: pq.abc.PGresult) -> None:
    """Return only if the server did what it was told. Raises psycopg.Error."""
    if result.status in _DONE:
        return
    if pgconn.status == pq.ConnStatus.BAD:  # The server has said nothing, so there is no kind of error.
        raise psycopg.OperationalError(pgconn.get_error_message())
    raise error_from_result(result)
