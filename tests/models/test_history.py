"""History: what a list costs, told by Postgres itself; the API's tests have what is in it."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from app.database import Database
from app.models import history
from app.models.base import new_id
from app.models.requests import State

#: Requests that have come to a good end, on top of the few that the tests look for.
MANY = 10_000
FEW = 3
#: Pending ones of all clients.
BACKLOG = 200


@pytest.fixture
def client_id(database: Database) -> UUID:
    """A client that has sent much, of which little is pending or failed, and that the first of all."""
    mine, other = new_id(), new_id()
    for sender, state, count in (
        (mine, State.FAILED, FEW),
        (mine, State.PENDING, FEW),
        (other, State.FAILED, FEW),
        (other, State.PENDING, BACKLOG - FEW),
        (mine, State.DONE, MANY),
        (other, State.DONE, MANY // 10),
    ):
        add(database, sender, state, count)
    with database.autocommit() as session:
        session.execute(text("ANALYZE validation_requests"))  # As autovacuum does.
    return mine


def add(database: Database, client_id: UUID, state: State, count: int) -> None:
    """Have so many requests of the client in this state."""
    sent = text(
        "INSERT INTO validation_requests (client_id, source, ruleset, items, state)"
        " SELECT :client_id, 'api', 'fx_rate@1', CAST('[{}]' AS jsonb), :state FROM generate_series(1, :count)"
    )
    with database.transaction() as session:
        session.execute(sent, {"client_id": client_id, "state": state, "count": count})


def looked_at(database: Database, client_id: UUID, state: State) -> tuple[int, int]:
    """Return how many requests in this state are found, and how many rows and entries Postgres looks at for it."""
    with database.engine.connect() as connection:
        query = history.wanted(client_id, state=state, ruleset=None, before=None, limit=51)
        compiled = query.compile(dialect=connection.dialect)
        told = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {compiled}", compiled.params).scalar_one()
    plan = told[0]["Plan"]
    return int(plan["Actual Rows"]), sum(rows_of(node) for node in nodes(plan) if "Scan" in node["Node Type"])


def nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the steps of a plan."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def rows_of(node: Mapping[str, Any]) -> int:
    """Return how many rows a step has looked at."""
    passed, removed = node["Actual Rows"], node.get("Rows Removed by Filter", 0)
    return int((passed + removed) * node["Actual Loops"])


def test_failed_requests_are_listed_without_a_look_at_the_others(database: Database, client_id: UUID) -> None:
    found, looked = looked_at(database, client_id, State.FAILED)

    assert found == looked == FEW


def test_pending_requests_are_listed_with_a_look_at_what_is_pending_only(database: Database, client_id: UUID) -> None:
    found, looked = looked_at(database, client_id, State.PENDING)

    assert found == FEW
    assert looked <= BACKLOG
