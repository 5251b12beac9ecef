"""A client's own tokens over HTTP: made and shown once, listed, revoked, and never more than their maker."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from app.api.tokens import LONGEST_NAME, MOST_DAYS
from app.auth import tokens
from app.auth.scopes import Scope
from app.database import Database
from app.models.access import Token
from app.models.audit import AuditEntry
from tests.api.calls import bearer, problem, told
from tests.factories import issue_token
from tests.processes import wait_for

TOKENS = "/api/tokens"
NOBODYS = uuid4()
ADMIN = (Scope.TOKENS_ADMIN, Scope.VALIDATIONS_READ)


@pytest.fixture
def name() -> str:
    """The name of a client that has nothing yet."""
    return f"client-{uuid4()}"


@pytest.fixture
def admin(database: Database, name: str) -> dict[str, str]:
    """The headers of a caller who may make tokens that read validations, or make tokens."""
    return bearer(issue_token(database, client=name, scopes=ADMIN))


def create(client: FlaskClient, admin: dict[str, str], **more: Any) -> TestResponse:
    """Return the answer to a request for a token."""
    return client.post(TOKENS, json={"name": "for a test", "scopes": ["validations:read"], **more}, headers=admin)


def listed(client: FlaskClient, admin: dict[str, str]) -> list[dict[str, Any]]:
    """Return all tokens of the caller's client, page by page."""
    found: list[dict[str, Any]] = []
    page: dict[str, Any] = {"next": None}
    while not found or page["next"]:
        query = {"limit": "2", **({"cursor": page["next"]} if page["next"] else {})}
        page = told(client.get(TOKENS, query_string=query, headers=admin))
        found += page["items"]
    return found


def test_a_repeated_call_makes_one_token_and_does_not_show_its_secret_again(
    client: FlaskClient, admin: dict[str, str]
) -> None:
    keyed = {**admin, "Idempotency-Key": "lost-answer"}
    first = create(client, keyed)
    made = told(first)

    again = create(client, keyed)

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["Location"] == first.headers["Location"]
    assert told(again) == {name: value for name, value in made.items() if name != "token"}
    assert made["token"] not in again.text
    assert [each["id"] for each in listed(client, admin) if each["name"] == "for a test"] == [made["id"]]


def test_another_body_with_the_same_key_makes_no_token(client: FlaskClient, admin: dict[str, str]) -> None:
    keyed = {**admin, "Idempotency-Key": "another-body"}
    assert create(client, keyed).status_code == 201

    refused = create(client, keyed, name="another")

    problem(refused, 422, "idempotency_key_reused")
    assert "another" not in {each["name"] for each in listed(client, admin)}


def test_the_same_key_of_another_client_makes_another_token(
    client: FlaskClient, admin: dict[str, str], database: Database
) -> None:
    other = bearer(issue_token(database, client=f"client-{uuid4()}", scopes=ADMIN))

    made = [told(create(client, {**auth, "Idempotency-Key": "same"})) for auth in (admin, other)]

    assert all("token" in each for each in made)
    assert made[0]["id"] != made[1]["id"]


def test_a_token_is_made_and_works(client: FlaskClient, admin: dict[str, str]) -> None:
    reply = create(client, admin)

    assert reply.status_code == 201
    assert reply.headers["Cache-Control"] == "no-store"
    made = told(reply)
    assert reply.headers["Location"] == made["links"]["self"] == f"{TOKENS}/{made['id']}"
    assert tokens.is_sound(made["token"])
    assert made["ending"] == made["token"][-4:]
    assert (made["scopes"], made["expires_at"], made["revoked_at"]) == (["validations:read"], None, None)
    problem(client.get("/api/validation/requests/0", headers=bearer(made["token"])), 404, "request_not_found")


def test_a_token_is_shown_once_and_only_its_hash_is_kept(
    client: FlaskClient, admin: dict[str, str], database: Database
) -> None:
    made = told(create(client, admin))

    for path in (TOKENS, made["links"]["self"]):
        assert made["token"] not in client.get(path, headers=admin).text
    with database.transaction() as session:
        row = session.get_one(Token, UUID(made["id"]))
        assert row.digest == tokens.digest(made["token"])
        assert all(made["token"] not in str(value) for value in vars(row).values())


def test_a_token_never_gives_more_than_its_maker_has(client: FlaskClient, admin: dict[str, str]) -> None:
    for more in (["validations:write"], ["validations:read", "metrics:read"]):
        reply = create(client, admin, scopes=more)

        assert more[-1] in problem(reply, 403, "insufficient_scope")["detail"]
        assert f'scope="{more[-1]}"' in reply.headers["WWW-Authenticate"]
    assert len(listed(client, admin)) == 1


def test_a_token_may_make_tokens_when_its_maker_may_and_so_on_but_never_more(
    client: FlaskClient, admin: dict[str, str]
) -> None:
    second = bearer(told(create(client, admin, scopes=["tokens:admin"]))["token"])

    third = told(create(client, second, scopes=["tokens:admin"]))

    assert third["scopes"] == ["tokens:admin"]
    problem(create(client, second, scopes=["validations:read"]), 403, "insufficient_scope")


def test_a_token_without_the_scope_makes_none(client: FlaskClient, database: Database, name: str) -> None:
    others = bearer(issue_token(database, client=name, scopes=[each for each in Scope if each != Scope.TOKENS_ADMIN]))

    problem(create(client, others), 403, "insufficient_scope")


def test_a_token_expires_when_it_should(client: FlaskClient, admin: dict[str, str]) -> None:
    made = told(create(client, admin, expires_in_days=30))

    left = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=29) < left < timedelta(days=30)


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": "x" * (LONGEST_NAME + 1)}, "/name"),
        ({"name": 5}, "/name"),
        ({"scopes": []}, "/scopes"),
        ({"scopes": ["everything"]}, "/scopes/0"),
        ({"scopes": ["validations:read"] * (len(Scope) + 1)}, "/scopes"),
        ({"expires_in_days": 0}, "/expires_in_days"),
        ({"expires_in_days": MOST_DAYS + 1}, "/expires_in_days"),
        ({"expires_in_days": "5"}, "/expires_in_days"),
        ({"client_id": str(uuid4())}, "/client_id"),
        ({"token": tokens.make()}, "/token"),
    ],
)
def test_what_is_not_of_the_right_shape_makes_no_token(
    client: FlaskClient, admin: dict[str, str], more: dict[str, Any], pointer: str
) -> None:
    errors = problem(create(client, admin, **more), 422, "invalid_request")["errors"]

    assert [error["pointer"] for error in errors] == [pointer]
    assert len(listed(client, admin)) == 1


def test_the_longest_name_and_the_longest_life_are_allowed(client: FlaskClient, admin: dict[str, str]) -> None:
    assert create(client, admin, name="x" * LONGEST_NAME, expires_in_days=MOST_DAYS).status_code == 201


def test_tokens_are_listed_newest_first_page_by_page(client: FlaskClient, admin: dict[str, str]) -> None:
    made = [told(create(client, admin))["id"] for _ in range(4)]

    found = listed(client, admin)

    assert [token["id"] for token in found[:4]] == made[::-1]
    assert len(found) == 5, "the one that the caller itself has"


def test_a_list_neither_skips_nor_repeats_while_tokens_are_made(client: FlaskClient, admin: dict[str, str]) -> None:
    made = [told(create(client, admin))["id"] for _ in range(3)]
    first = told(client.get(f"{TOKENS}?limit=2", headers=admin))

    create(client, admin)
    second = told(client.get(f"{TOKENS}?limit=2&cursor={first['next']}", headers=admin))

    assert [token["id"] for token in first["items"] + second["items"]][:3] == made[::-1]


def test_a_cursor_that_nobody_handed_out_is_refused(client: FlaskClient, admin: dict[str, str]) -> None:
    for cursor in ("", "x", "bm9wZQ", "AA"):
        problem(client.get(TOKENS, query_string={"cursor": cursor}, headers=admin), 422, "invalid_request")


def test_a_revoked_token_is_refused_within_two_seconds(client: FlaskClient, admin: dict[str, str]) -> None:
    made = told(create(client, admin))
    works = bearer(made["token"])
    assert client.get("/api/validation/requests/0", headers=works).status_code == 404

    assert client.delete(made["links"]["self"], headers=admin).status_code == 204

    wait_for(
        lambda: client.get("/api/validation/requests/0", headers=works).status_code == 401,
        timeout_s=2,
        what="the refusal",
    )
    assert told(client.get(made["links"]["self"], headers=admin))["revoked_at"] is not None


def test_to_revoke_again_changes_nothing(client: FlaskClient, admin: dict[str, str]) -> None:
    url = told(create(client, admin))["links"]["self"]
    client.delete(url, headers=admin)
    revoked_at = told(client.get(url, headers=admin))["revoked_at"]

    assert client.delete(url, headers=admin).status_code == 204
    assert told(client.get(url, headers=admin))["revoked_at"] == revoked_at


def test_another_clients_tokens_are_not_there(client: FlaskClient, admin: dict[str, str], database: Database) -> None:
    made = told(create(client, admin))
    other = bearer(issue_token(database, client=f"other-{uuid4()}", scopes=ADMIN))

    problem(client.get(made["links"]["self"], headers=other), 404, "token_not_found")
    problem(client.delete(made["links"]["self"], headers=other), 404, "token_not_found")
    assert made["id"] not in client.get(TOKENS, headers=other).text
    assert client.get("/api/validation/requests/0", headers=bearer(made["token"])).status_code == 404


@pytest.mark.parametrize(
    "token_id", ["0", "x", str(NOBODYS), f"{{{NOBODYS}}}", NOBODYS.hex], ids=["0", "x", "id", "in braces", "no dashes"]
)
def test_a_token_that_there_is_not_is_not_found(client: FlaskClient, admin: dict[str, str], token_id: str) -> None:
    problem(client.get(f"{TOKENS}/{token_id}", headers=admin), 404, "token_not_found")
    problem(client.delete(f"{TOKENS}/{token_id}", headers=admin), 404, "token_not_found")


def test_the_audit_trail_tells_who_made_and_who_revoked_a_token(
    client: FlaskClient, admin: dict[str, str], database: Database
) -> None:
    made = told(create(client, admin))
    client.delete(made["links"]["self"], headers=admin)
    client.delete(made["links"]["self"], headers=admin)

    with database.transaction() as session:
        told_of = select(AuditEntry).where(AuditEntry.subject == f"token:{made['id']}").order_by(AuditEntry.id)
        entries = session.scalars(told_of).all()
        client_id = session.get_one(Token, UUID(made["id"])).client_id

    assert [entry.action for entry in entries] == ["token.create", "token.revoke"]
    assert {entry.actor for entry in entries} == {f"client:{client_id}"}
    assert all(made["token"] not in str(entry.details) for entry in entries)
