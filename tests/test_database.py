"""Bare connections: kept between transactions, replaced when Postgres has ended them, let go after a failure."""

from contextlib import closing
from dataclasses import replace

import pytest
from sqlalchemy import text

from app import bare
from app.database import Database
from app.errors import DatabaseAway
from app.settings import Settings
from app.statements import Statement


def backend(database: Database) -> int:
    """Return which process of Postgres serves the next bare transaction."""
    with database.begin() as connection:
        return connection.info.backend_pid


def end(database: Database, pid: int) -> None:
    """Have Postgres end a connection, and return when it has."""
    with database.transaction() as session:
        assert session.scalar(text("SELECT pg_terminate_backend(:pid, 20000)"), {"pid": pid})


def clients(database: Database) -> list[str]:
    """Return the names of the clients that there are."""
    with database.transaction() as session:
        return list(session.scalars(text("SELECT name FROM clients")))


def test_a_connection_is_kept_for_the_next_transaction(database: Database) -> None:
    assert backend(database) == backend(database)


def test_what_is_done_is_committed(database: Database) -> None:
    with database.begin() as connection:
        connection.execute("INSERT INTO clients (id, name) VALUES (uuidv7(), 'kept')")

    assert clients(database) == ["kept"]


def test_what_is_done_in_a_block_that_raises_is_not(database: Database) -> None:
    def lose() -> None:
        with database.begin() as connection:
            connection.execute("INSERT INTO clients (id, name) VALUES (uuidv7(), 'lost')")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        lose()

    assert clients(database) == []
    assert backend(database)


def test_a_connection_that_postgres_ended_meanwhile_is_replaced(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bare, "TRUSTED_FOR_S", 0.0)
    first = backend(database)

    end(database, first)

    assert backend(database) not in (0, first)


def test_each_statement_is_a_transaction_where_there_is_only_one(database: Database) -> None:
    def lose() -> None:
        with database.single() as connection:
            connection.execute("INSERT INTO clients (id, name) VALUES (uuidv7(), 'kept')")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        lose()

    assert clients(database) == ["kept"]


def test_a_connection_that_postgres_ends_in_a_transaction_says_that_it_is_away(database: Database) -> None:
    def meet_the_end() -> None:
        with database.begin() as connection:
            end(database, connection.info.backend_pid)
            Statement("one", "SELECT 1").run(connection)

    with pytest.raises(DatabaseAway):
        meet_the_end()

    assert backend(database)


def test_nothing_is_prepared_on_a_connection_of_the_pool(database: Database) -> None:
    with database.transaction() as session:
        Statement("one", "SELECT 1").run(bare.of(session))
        bare.of(session).execute("SELECT 2", prepare=True)

        assert session.scalar(text("SELECT count(*) FROM pg_prepared_statements")) == 0


def test_what_is_prepared_is_planned_once(database: Database) -> None:
    with database.begin() as connection:
        planned = Statement("how", "SHOW plan_cache_mode", bytes.decode).run(connection)

    assert planned == [("force_generic_plan",)]


def test_where_nothing_is_prepared_each_statement_is_planned_for_what_it_asks(settings: Settings) -> None:
    database = Database.from_settings(replace(settings, database_prepare="off"), name="test")
    with closing(database), database.begin() as connection:
        planned = Statement("how", "SHOW plan_cache_mode", bytes.decode).run(connection)

    assert planned == [("auto",)]
