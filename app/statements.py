"""Statements that are run for every group of requests, by libpq itself: it costs half of what psycopg's cursors do.

Parameters are texts, and columns come in PostgreSQL's binary formats. A transaction begins and ends in the same round
trips as its first and its last statement (libpq's pipeline mode:
https://www.postgresql.org/docs/current/libpq-pipeline-mode.html); where each statement is one, it is committed with it.
A call waits by `select`, so that other threads go on meanwhile, and under gevent other greenlets.
"""

import select
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

    def run(self, connection: Connection, *parameters: str | bytes, commits: bool = False) -> list[tuple[Any, ...]]:
        """Return the rows, in the connection's transaction, which has begun by then, and with `commits` is committed.

        With `autocommit` on the connection the statement is a transaction of its own.

        Raises:
            psycopg.Error: as psycopg's cursors do. The transaction, and the connection with it, is of no more use.
        """
        pgconn = connection.pgconn
        prepares = connection.prepare_threshold is not None
        if prepares:
            self._prepare(connection)
        values = [each.encode() if isinstance(each, str) else each for each in parameters]
        begins = pgconn.transaction_status == _IDLE and not connection.autocommit
        pgconn.enter_pipeline_mode()
        if begins:
            pgconn.send_query_params(b"BEGIN", None)
        if prepares:
            pgconn.send_query_prepared(self._name, values, result_format=_BINARY)
        else:
            pgconn.send_query_params(self._text, values, result_format=_BINARY)
        if commits:
            pgconn.send_query_params(b"COMMIT", None)
        pgconn.pipeline_sync()
        results = answers(pgconn)
        pgconn.exit_pipeline_mode()
        for result in results:
            checked(pgconn, result)
        return self._rows(results[1 if begins else 0])

    def _rows(self, result: pq.abc.PGresult) -> list[tuple[Any, ...]]:
        get = result.get_value
        return [
            tuple([None if (value := get(row, column)) is None else made(value) for column, made in self._columns])
            for row in range(result.ntuples)
        ]

    def _prepare(self, connection: Connection) -> None:
        prepared = _prepared.setdefault(connection, set())
        if self._name not in prepared:
            pgconn = connection.pgconn
            pgconn.enter_pipeline_mode()
            pgconn.send_prepare(self._name, self._text)
            pgconn.pipeline_sync()
            [result] = answers(pgconn)
            pgconn.exit_pipeline_mode()
            checked(pgconn, result)
            prepared.add(self._name)


def commit(connection: Connection) -> None:
    """The transaction is committed, if one has begun. Raises psycopg.Error."""
    pgconn = connection.pgconn
    if pgconn.transaction_status != _IDLE:
        checked(pgconn, pgconn.exec_(b"COMMIT"))


def answers(pgconn: pq.abc.PGconn) -> list[pq.abc.PGresult]:
    """Return what the server says of each command up to the pipeline's end.

    Raises:
        psycopg.OperationalError: the connection broke.
    """
    results: list[pq.abc.PGresult] = []
    poll = select.poll()
    poll.register(pgconn.socket, select.POLLIN)
    while True:
        while pgconn.is_busy():
            poll.poll()  # To have libpq wait would keep all other threads waiting, too.
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:  # Which ends what is said of one command.
            if pgconn.status == pq.ConnStatus.BAD:  # No more comes, not even the pipeline's end.
                raise psycopg.OperationalError(pgconn.get_error_message())
            continue
        if result.status == pq.ExecStatus.PIPELINE_SYNC:
            return results
        results.append(result)


def checked(pgconn: pq.abc.PGconn, result: pq.abc.PGresult) -> None:
    """Return only if the server did what it was told. Raises psycopg.Error."""
    if result.status in _DONE:
        return
    if pgconn.status == pq.ConnStatus.BAD:  # The server has said nothing, so there is no kind of error.
        raise psycopg.OperationalError(pgconn.get_error_message())
    raise error_from_result(result)
