"""Statements: what libpq gives for them is what psycopg's cursors would give, in the same transaction."""

import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime
from unittest.mock import Mock
from uuid import UUID

import psycopg
import pytest
from psycopg import pq

from app.database import Database
from app.errors import DatabaseAway
from app.settings import Settings
from app.statements import Statement, answers, jsonb, moment, uuid

ID = UUID("0192f3a1-7c4e-7b90-8a3e-5d2c1b0a9f8e")
ALL = Statement(
    "all",
    """SELECT $1::uuid, $2::timestamptz, $3::jsonb, $4::text, NULL::uuid
    UNION ALL SELECT $1::uuid, '1999-12-31T23:59:59.999999Z', '[]', '', NULL""",
    *(uuid, moment, jsonb, bytes.decode, uuid),
)


@pytest.mark.parametrize("prepare", ["on", "off"])
def test_values_come_back_as_they_are(settings: Settings, prepare: str) -> None:
    database = Database.from_settings(replace(settings, database_prepare=prepare), name="test")  # type: ignore[arg-type]

    with database.begin() as connection:
        for _ in range(2):  # The second time it is prepared.
            first, second = ALL.run(
                connection, ID.hex, "2026-11-23 16:00:00.123456+07", b'{"a": [1.5, "\\u1ed3"]}', "ồ\\"
            )
        prepared = connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()

    database.close()
    assert first == (ID, datetime(2026, 11, 23, 9, 0, 0, 123456, UTC), {"a": [1.5, "ồ"]}, "ồ\\", None)
    assert second == (ID, datetime(1999, 12, 31, 23, 59, 59, 999999, UTC), [], "", None)
    assert prepared == (1 if prepare == "on" else 0,)


def test_a_transaction_begins_with_the_first_statement(database: Database) -> None:
    now = Statement("now", "SELECT now()", moment)

    with database.begin() as connection:
        first, second = now.run(connection), now.run(connection)
        third = connection.execute("SELECT now()").fetchall()
    with database.begin() as connection:
        later = now.run(connection)

    assert first == second == third < later


@pytest.mark.parametrize("prepare", ["on", "off"])
def test_the_last_statement_ends_the_transaction(settings: Settings, prepare: str) -> None:
    database = Database.from_settings(replace(settings, database_prepare=prepare), name="test")  # type: ignore[arg-type]
    now = Statement("now", "SELECT now()", moment)

    with database.begin() as connection:
        first, last = now.run(connection), now.run(connection, commits=True)
        assert connection.info.transaction_status == pq.TransactionStatus.IDLE
        alone = now.run(connection, commits=True)

    database.close()
    assert first == last < alone


def test_where_each_statement_is_a_transaction_it_is_committed_with_it(database: Database) -> None:
    add = Statement("add", "INSERT INTO clients (id, name) VALUES (uuidv7(), $1) RETURNING name", bytes.decode)

    def lose() -> None:
        with database.single() as connection:
            add.run(connection, "kept")
            assert connection.info.transaction_status is pq.TransactionStatus.IDLE
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        lose()

    with database.begin() as connection:
        assert Statement("all", "SELECT name FROM clients", bytes.decode).run(connection) == [("kept",)]


def test_other_greenlets_go_on_while_one_waits_for_the_server(settings: Settings) -> None:
    program = """
from gevent import monkey; monkey.patch_all()
import sys, gevent
from app.database import Database
from app.settings import Settings
from app.statements import Statement
database = Database.from_settings(Settings(database_url=sys.argv[1], redis_url=sys.argv[2]), name="test")
sleep = Statement("sleep", "SELECT 1 FROM pg_sleep(0.5)", bytes)
with database.single() as connection:
    asleep = gevent.spawn(sleep.run, connection)
    turns = 0
    while not asleep.ready():
        gevent.sleep(0.01)
        turns += 1
print(turns)
"""
    command = [sys.executable, "-c", program, settings.database_url, settings.redis_url]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)

    assert int(ended.stdout) > 3


def test_what_fails_is_not_committed(database: Database) -> None:
    with database.single() as connection:
        connection.execute("CREATE TABLE numbers (number integer CHECK (number < 10))")
    add = Statement("add", "INSERT INTO numbers VALUES ($1::integer)")

    def add_both() -> None:
        with database.begin() as connection:
            add.run(connection, "1")
            add.run(connection, "10", commits=True)

    with pytest.raises(psycopg.errors.CheckViolation):
        add_both()
    with database.begin() as connection:
        add.run(connection, "2", commits=True)

    with database.single() as connection:
        assert connection.execute("SELECT number FROM numbers").fetchall() == [(2,)]


def test_a_server_that_hangs_up_in_the_midst_is_away(database: Database) -> None:
    end = Statement("end", "SELECT pg_terminate_backend(pg_backend_pid())")

    for commits in (False, True):
        with pytest.raises(DatabaseAway), database.begin() as connection:
            end.run(connection, commits=commits)


def test_a_connection_that_broke_is_not_waited_for(database: Database) -> None:
    with database.begin() as connection:
        broken = Mock(wraps=connection.pgconn, socket=connection.pgconn.socket, status=pq.ConnStatus.BAD)
        broken.is_busy.return_value, broken.get_result.return_value = False, None

        with pytest.raises(psycopg.OperationalError):
            answers(broken)


def test_other_threads_go_on_while_one_waits_for_the_server(database: Database) -> None:
    nap = Statement("nap", "SELECT pg_sleep(1)")
    over = threading.Event()

    def wait() -> None:
        with database.begin() as connection:
            nap.run(connection, commits=True)
        over.set()

    thread = threading.Thread(target=wait)
    thread.start()
    turns = 0
    while not over.wait(0.01):
        turns += 1
    thread.join()

    assert turns > 10


def test_an_error_is_of_its_own_kind(database: Database) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero), database.begin() as connection:
        Statement("wrong", "SELECT 1 / $1::integer").run(connection, "0")


def test_a_statement_that_is_none_is_an_error(database: Database) -> None:
    with pytest.raises(psycopg.errors.SyntaxError), database.begin() as connection:
        Statement("none", "SELECT FROM WHERE").run(connection)
