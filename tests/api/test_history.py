"""History: what a client has sent, all of it, nothing twice, whatever comes meanwhile."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import insert

from app.database import Database
from app.models import access
from app.models.base import new_id
from app.models.requests import Request, State
from tests.api.calls import bearer, problem, told
from tests.factories import issue_token

URL = "/api/validation/requests"
Own = tuple[dict[str, str], UUID]


@pytest.fixture
def own(database: Database) -> Own:
    """The headers of a client that nobody else is, and its id."""
    name = f"history-{new_id()}"
    auth = bearer(issue_token(database, client=name))
    with database.transaction() as session:
        return auth, access.client(session, name)


def add(database: Database, client_id: UUID, count: int = 1, **values: Any) -> list[str]:
    """Return the ids of so many new requests of the client, oldest first."""
    given = {"client_id": client_id, "source": "api", "ruleset": "fx_rate@1", "items": [1], "state": State.DONE}
    rows = [{**given, "id": new_id(), **values} for _ in range(count)]
    with database.transaction() as session:
        session.execute(insert(Request), rows)
    return [str(row["id"]) for row in rows]


def ids(page: dict[str, Any]) -> Sequence[str]:
    return [each["id"] for each in page["items"]]


def test_requests_are_listed_newest_first(client: FlaskClient, database: Database, own: Own) -> None:
    auth, client_id = own
    made = add(database, client_id, 3)

    page = told(client.get(URL, headers=auth))

    assert ids(page) == made[::-1]
    assert page["next"] is None
    for each in page["items"]:
        assert each == told(client.get(f"{URL}/{each['id']}", headers=auth))


def test_nothing_is_skipped_or_repeated_while_others_come(client: FlaskClient, database: Database, own: Own) -> None:
    auth, client_id = own
    there = add(database, client_id, 25)
    met: list[str] = []
    cursor: str | None = ""

    while cursor is not None:
        page = told(client.get(URL, query_string={"limit": 4, **({"cursor": cursor} if cursor else {})}, headers=auth))
        met += ids(page)
        cursor = page["next"]
        add(database, client_id, 3)

    assert met == there[::-1]


def test_requests_of_others_are_not_listed(
    client: FlaskClient, database: Database, own: Own, auth: dict[str, str]
) -> None:
    _, client_id = own
    made = add(database, client_id, 2)

    assert not set(made) & set(ids(told(client.get(URL, query_string={"limit": 1000}, headers=auth))))


def test_a_cursor_of_another_client_shows_nothing_of_it(
    client: FlaskClient, database: Database, own: Own, auth: dict[str, str]
) -> None:
    mine, client_id = own
    made = add(database, client_id, 3)
    cursor = told(client.get(URL, query_string={"limit": 1}, headers=mine))["next"]

    page = told(client.get(URL, query_string={"cursor": cursor}, headers=auth))

    assert not set(made) & set(ids(page))


def test_requests_are_found_by_state_and_rule_set(client: FlaskClient, database: Database, own: Own) -> None:
    auth, client_id = own
    [done] = add(database, client_id)
    [failed] = add(database, client_id, state=State.FAILED, reason="The rules broke down.")
    [newer] = add(database, client_id, ruleset="fx_rate@12")
    [other] = add(database, client_id, ruleset="fxxrate@1", state=State.FAILED, reason="So.")

    def found(**query: str) -> Sequence[str]:
        return ids(told(client.get(URL, query_string=query, headers=auth)))

    assert found(state="failed") == [other, failed]
    assert found(state="pending") == []
    assert found(ruleset="fx_rate") == [newer, failed, done]
    assert found(ruleset="fx_rate@1") == [failed, done]
    assert found(ruleset="fx_rate", state="done") == [newer, done]
    assert found(ruleset="fx_") == found(ruleset="%") == found(ruleset="fx_rate@") == []


def test_a_filter_holds_on_every_page(client: FlaskClient, database: Database, own: Own) -> None:
    auth, client_id = own
    for _ in range(3):
        add(database, client_id)
        add(database, client_id, ruleset="price_list@1")
    query = {"ruleset": "price_list", "limit": 2}

    first = told(client.get(URL, query_string=query, headers=auth))
    second = told(client.get(URL, query_string={**query, "cursor": first["next"]}, headers=auth))

    assert {each["ruleset"] for each in first["items"] + second["items"]} == {"price_list@1"}
    assert (len(first["items"]), len(second["items"]), second["next"]) == (2, 1, None)


@pytest.mark.parametrize("query", [{}, {"state": "failed"}, {"state": "done", "ruleset": "fx_rate"}])
def test_a_cursor_is_good_for_its_own_list_only(
    client: FlaskClient, database: Database, own: Own, query: dict[str, str]
) -> None:
    auth, client_id = own
    add(database, client_id, 2)
    cursor = told(client.get(URL, query_string={"state": "done", "limit": 1}, headers=auth))["next"]

    problem(client.get(URL, query_string={**query, "cursor": cursor}, headers=auth), 400, "cursor_mismatch")


@pytest.mark.parametrize("size", [1_001, 5_000])
def test_a_page_has_a_thousand_requests_at_most(client: FlaskClient, database: Database, own: Own, size: int) -> None:
    auth, client_id = own
    add(database, client_id, 1_001)

    page = told(client.get(URL, query_string={"limit": size}, headers=auth))

    assert len(page["items"]) == 1_000
    assert page["next"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("state", value) for value in ("", "DONE", "canceled", "a\x00b")),
        *(("ruleset", value) for value in ("", "a\x00b", "x" * 101)),
        *(("limit", value) for value in ("0", "-1", "many")),
        *(("cursor", value) for value in ("", "eA", "x" * 1_000)),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(
    client: FlaskClient, auth: dict[str, str], name: str, value: str
) -> None:
    [fault] = problem(client.get(URL, query_string={name: value}, headers=auth), 422, "invalid_request")["errors"]

    assert fault["params"] == {"parameter": name}
