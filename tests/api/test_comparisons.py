"""Comparisons over HTTP: begun, followed, canceled, and never telling one client of another's requests."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from dramatiq import Message
from dramatiq.errors import ConnectionClosed
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from app import comparison
from app.api.comparisons import ComparisonPage, ComparisonShape, ComparisonState
from app.auth.scopes import Scope
from app.comparison import MOST_REQUESTS, Drafts
from app.database import Database
from app.models import access
from app.models.base import new_id
from app.platform import Platform
from tests.api.calls import bearer, problem, told
from tests.factories import issue_token
from tests.past import NAME, add_judged, begin_draft, definition, publish, rule

URL = f"/api/rulesets/{NAME}/comparisons"
BOTH = (Scope.RULESETS_WRITE, Scope.RULESETS_READ)


@pytest.fixture(autouse=True)
def clean(database: Database) -> Iterator[None]:
    """The rule set, its draft and its past are this test's own, and gone afterwards."""
    publish(database)
    begin_draft(database)
    yield
    with database.transaction() as session:
        session.execute(text("DELETE FROM comparisons"))
        session.execute(text("DELETE FROM ruleset_drafts WHERE name = 'toll'"))
        session.execute(text("DELETE FROM rulesets WHERE name = 'toll'"))
        session.execute(text("DELETE FROM validation_requests WHERE ruleset = 'toll@1'"))


@pytest.fixture
def author(database: Database) -> dict[str, str]:
    """The headers of a rule author."""
    return bearer(issue_token(database, client="author", scopes=BOTH))


@pytest.fixture
def author_id(database: Database) -> UUID:
    """The author's client."""
    with database.transaction() as session:
        return access.client(session, "author")


@pytest.fixture
def other(database: Database) -> dict[str, str]:
    """The headers of another rule author."""
    return bearer(issue_token(database, client="another author", scopes=BOTH))


@pytest.fixture
def platform(app: Flask) -> Platform:
    """The application's own platform."""
    return app.extensions["platform"]  # type: ignore[no-any-return]


def begin(client: FlaskClient, author: dict[str, str], requests: int = 1_000) -> dict[str, Any]:
    """Return the resource of a new comparison."""
    reply = client.post(URL, json={"requests": requests}, headers=author)
    assert reply.status_code == 202, reply.text
    return dict(told(reply))


def run(database: Database, begun: dict[str, Any]) -> None:
    """Do what workers do."""
    drafts, following = Drafts(), 0
    while following is not None:
        with database.transaction() as session:
            following = comparison.step(session, UUID(begun["id"]), following, drafts)  # type: ignore[assignment]


def test_a_comparison_is_begun_and_says_where_it_is(client: FlaskClient, author: dict[str, str]) -> None:
    reply = client.post(URL, json={"requests": 500}, headers=author)

    begun = told(reply)
    assert reply.status_code == 202
    assert int(reply.headers["Retry-After"]) > 0
    assert reply.headers["Location"] == begun["links"]["self"] == f"{URL}/{begun['id']}"
    assert (begun["state"], begun["requests"], begun["baseline"]) == ("pending", 500, "toll@1")
    assert begun["progress"] == {"seen": 0, "total": 500}
    assert told(client.get(begun["links"]["self"], headers=author))["state"] == "pending"


def test_a_call_that_is_sent_again_with_its_key_begins_nothing(
    client: FlaskClient, author: dict[str, str], platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyed = {**author, "Idempotency-Key": "k"}
    first = client.post(URL, json={"requests": 500}, headers=keyed)
    sent: list[Message[None]] = []
    monkeypatch.setattr(platform.broker, "enqueue", sent.append)

    second = client.post(URL, json={"requests": 500}, headers=keyed)

    assert (first.status_code, second.status_code) == (202, 202)
    assert told(second) == told(first)
    assert second.headers["Location"] == first.headers["Location"]
    assert second.headers["Idempotency-Replayed"] == "true"
    assert sent == []
    problem(client.post(URL, json={"requests": 501}, headers=keyed), 422, "idempotency_key_reused")


def test_its_message_is_sent_once_it_is_stored(
    client: FlaskClient, author: dict[str, str], platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Message[None]] = []
    monkeypatch.setattr(platform.broker, "enqueue", sent.append)

    begun = begin(client, author)

    [message] = sent
    assert message.args == (begun["id"], 0)


def test_while_redis_is_away_it_is_begun_all_the_same(
    client: FlaskClient, author: dict[str, str], platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise ConnectionClosed("away")  # type: ignore[no-untyped-call]  # theirs

    monkeypatch.setattr(platform.broker, "enqueue", away)

    assert begin(client, author)["state"] == "pending"


def test_a_finished_comparison_tells_which_rules_flip_how_many_verdicts(
    client: FlaskClient, author: dict[str, str], author_id: UUID, database: Database
) -> None:
    own = add_judged(database, 100, client_id=author_id)
    begun = begin(client, author)
    run(database, begun)

    done = told(client.get(begun["links"]["self"], headers=author))

    assert done["state"] == "done"
    assert done["progress"] == {"seen": 100, "total": 100}
    assert done["flips"] == {"to_invalid": 15, "to_valid": 1, "otherwise": 1}
    assert done["rules"] == [
        {"code": "rule.too_high", "to_invalid": 10, "to_valid": 0, "appears": 0, "disappears": 0},
        {"code": "rule.too_low", "to_invalid": 5, "to_valid": 0, "appears": 0, "disappears": 0},
        {"code": "rule.unlucky", "to_invalid": 0, "to_valid": 1, "appears": 0, "disappears": 0},
        {"code": "rule.round", "to_invalid": 0, "to_valid": 0, "appears": 1, "disappears": 0},
    ]
    assert (done["items"], done["errors"], done["judged_by"]) == (100, 0, {"toll@1": 100})
    assert "cancel" not in done["links"]
    assert len(done["examples"]) == 17
    assert {example["request_id"] for example in done["examples"]} <= set(map(str, own))


def test_what_is_answered_is_of_the_shape_that_is_described(
    client: FlaskClient, author: dict[str, str], author_id: UUID, database: Database
) -> None:
    add_judged(database, 100, client_id=author_id)
    begun = begin(client, author)
    assert ComparisonState().validate(begun) == {}
    run(database, begun)

    assert ComparisonShape().validate(told(client.get(begun["links"]["self"], headers=author))) == {}
    assert ComparisonPage().validate(told(client.get(URL, headers=author))) == {}


def test_where_a_comparison_is_told_again_only_once_it_has_moved(
    client: FlaskClient, database: Database, author: dict[str, str]
) -> None:
    add_judged(database, 100)
    begun = begin(client, author)
    first = client.get(begun["links"]["self"], headers=author)
    known = {**author, "If-None-Match": first.headers["ETag"]}

    unmoved = client.get(begun["links"]["self"], headers=known)
    run(database, begun)
    moved = client.get(begun["links"]["self"], headers=known)

    assert (unmoved.status_code, unmoved.data) == (304, b"")
    assert (moved.status_code, told(moved)["state"]) == (200, "done")


def test_counts_are_for_every_reader_and_examples_for_whoever_began_it(
    client: FlaskClient, author: dict[str, str], author_id: UUID, other: dict[str, str], database: Database
) -> None:
    add_judged(database, 100, client_id=author_id)
    begun = begin(client, author)
    run(database, begun)

    mine, theirs = (told(client.get(begun["links"]["self"], headers=headers)) for headers in (author, other))

    assert mine.pop("examples") != []
    assert theirs.pop("examples") == []
    assert mine == theirs


def test_what_others_sent_is_counted_and_never_shown(
    client: FlaskClient, author: dict[str, str], database: Database
) -> None:
    add_judged(database, 100, client_id=new_id())
    begun = begin(client, author)
    run(database, begun)

    done = told(client.get(begun["links"]["self"], headers=author))

    assert done["flips"]["to_invalid"] == 15
    assert done["examples"] == []


def test_there_is_one_at_a_time(client: FlaskClient, author: dict[str, str]) -> None:
    begin(client, author)

    problem(client.post(URL, json={"requests": 1}, headers=author), 409, "comparison_running")


def test_a_canceled_one_makes_room_for_another(client: FlaskClient, author: dict[str, str]) -> None:
    begun = begin(client, author)

    for _ in range(2):
        reply = client.post(begun["links"]["cancel"], headers=author)
        assert (reply.status_code, told(reply)["state"]) == (200, "canceled")

    assert begin(client, author)["id"] != begun["id"]


def test_what_is_over_cannot_be_canceled(client: FlaskClient, author: dict[str, str], database: Database) -> None:
    begun = begin(client, author)
    run(database, begun)

    problem(client.post(begun["links"]["cancel"], headers=author), 409, "comparison_ended")


def test_they_are_listed_newest_first_and_in_pages(
    client: FlaskClient, author: dict[str, str], database: Database
) -> None:
    ids: list[str] = []
    for _ in range(3):
        begun = begin(client, author)
        run(database, begun)
        ids.insert(0, begun["id"])

    first = told(client.get(f"{URL}?limit=2", headers=author))
    second = told(client.get(f"{URL}?limit=2&cursor={first['next']}", headers=author))

    assert [each["id"] for each in [*first["items"], *second["items"]]] == ids
    assert second["next"] is None
    assert told(client.get("/api/rulesets/no_such/comparisons", headers=author))["items"] == []


@pytest.mark.parametrize("requests", [0, -1, MOST_REQUESTS + 1, 1.5, "7", True, None])
def test_a_number_that_cannot_be_is_refused(client: FlaskClient, author: dict[str, str], requests: Any) -> None:
    refused = problem(client.post(URL, json={"requests": requests}, headers=author), 422, "invalid_request")

    assert [fault["pointer"] for fault in refused["errors"]] == ["/requests"]


def test_the_body_is_checked(client: FlaskClient, author: dict[str, str]) -> None:
    for body in ({}, {"requests": 1, "more": 1}, [1]):
        problem(client.post(URL, json=body, headers=author), 422, "invalid_request")


def test_what_is_not_there_is_not_found(client: FlaskClient, author: dict[str, str]) -> None:
    for name in ("toll_road", "No", "%00", "a" * 64):
        path = f"/api/rulesets/{name}/comparisons"
        known = client.post(path, json={"requests": 1}, headers=author)
        assert (known.status_code, known.mimetype) == (404, "application/problem+json")
    for comparison_id in (new_id(), "7", "{" + str(new_id()) + "}"):
        problem(client.get(f"{URL}/{comparison_id}", headers=author), 404, "comparison_not_found")
        problem(client.post(f"{URL}/{comparison_id}/cancel", headers=author), 404, "comparison_not_found")


def test_a_cursor_of_another_list_is_refused(client: FlaskClient, author: dict[str, str]) -> None:
    problem(client.get(f"{URL}?cursor=dG9sbA", headers=author), 422, "invalid_request")


def test_a_draft_that_does_not_compile_is_refused_with_line_and_column(
    client: FlaskClient, author: dict[str, str], database: Database
) -> None:
    with database.transaction() as session:
        session.execute(text("DELETE FROM ruleset_drafts WHERE name = 'toll'"))
    begin_draft(database, definition(rule("broken", "item.amount >>> 1")))

    refused = problem(client.post(URL, json={"requests": 1}, headers=author), 422, "ruleset_invalid")

    [fault] = refused["errors"]
    assert fault["pointer"] == "/rules/0/expr"
    assert set(fault["params"]) == {"line", "column"}


def test_to_begin_and_to_cancel_needs_the_scope_to_write(
    client: FlaskClient, author: dict[str, str], database: Database
) -> None:
    reader = bearer(issue_token(database, client="reader", scopes=(Scope.RULESETS_READ,)))
    writer = bearer(issue_token(database, client="writer", scopes=(Scope.RULESETS_WRITE,)))
    begun = begin(client, author)

    problem(client.post(URL, json={"requests": 1}, headers=reader), 403, "insufficient_scope")
    problem(client.post(begun["links"]["cancel"], headers=reader), 403, "insufficient_scope")
    problem(client.get(begun["links"]["self"], headers=writer), 403, "insufficient_scope")
    problem(client.get(URL, headers=writer), 403, "insufficient_scope")
