"""What one client has, no other ever sees: not by its id, its cursor or its key; the answer is that of nothing there.

The routes are those of the application, whatever there are: one with a new kind of id fails here until it is said whose
things of that kind are.
"""

import re
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from app import comparison
from app.api.tokens import URL as TOKEN
from app.auth import guard, tokens
from app.auth.scopes import Scope
from app.comparison import Drafts
from app.database import Database
from app.models import access
from app.models.base import new_id
from tests.api.calls import GOOD_RATE, VALIDATE, bearer, submit, told
from tests.factories import issue_token
from tests.past import NAME, add_judged, begin_draft, publish

#: Ids of things that a client has. What there is for each is in `theirs`.
OWNED = frozenset({"request_id", "token_id"})
#: Ids of what belongs to the platform: whoever has the scope sees all of them. Of comparisons, what they say of single
#: requests is told to their maker alone, which their own tests prove.
SHARED = frozenset({"name", "version", "comparison_id", "code"})
#: Lists that say what everybody has done: for those who watch over the platform, by a scope of their own.
OVER_ALL = {"/api/audit": Scope.AUDIT_READ}

Auth = dict[str, str]


def client_of(database: Database) -> Auth:
    """Return the headers of a new client that may do everything."""
    return bearer(issue_token(database, client=f"client-{uuid4()}", scopes=list(Scope)))


@pytest.fixture
def owner(database: Database) -> Auth:
    """The headers of whoever has something."""
    return client_of(database)


@pytest.fixture
def other(database: Database) -> Auth:
    """The headers of somebody else, who may do everything too."""
    return client_of(database)


@pytest.fixture
def theirs(client: FlaskClient, owner: Auth) -> dict[str, str]:
    """What the owner has: an id of each kind."""
    made = told(client.post("/api/tokens", json={"name": "theirs", "scopes": ["validations:read"]}, headers=owner))
    return {"request_id": submit(client, owner)["id"], "token_id": made["id"]}


def placeholders(rule: Rule) -> set[str]:
    return set(rule.arguments)


def routes(app: Flask) -> list[tuple[str, str]]:
    """Return path and method of every route that leads to something that a client has."""
    return [
        (rule.rule, method)
        for rule in app.url_map.iter_rules()
        if placeholders(rule) & OWNED
        for method in sorted((rule.methods or set()) - {"OPTIONS"})
    ]


def filled(path: str, ids: dict[str, str]) -> str:
    """Return the path with the ids in the places of their names."""
    return re.sub(r"<(?:\w+:)?(\w+)>", lambda found: ids[found[1]], path)


def call(client: FlaskClient, method: str, path: str, auth: Auth) -> TestResponse:
    """Return the answer, whose body, should it have no end, is not waited for."""
    reply = client.open(path, method=method, headers=auth)
    if reply.mimetype == "text/event-stream":
        reply.close()
    return reply


def test_of_every_kind_of_id_it_is_known_whose_it_is(app: Flask) -> None:
    kinds = {name for rule in app.url_map.iter_rules() for name in placeholders(rule)}

    assert kinds - SHARED == OWNED


def test_nobody_reaches_what_another_client_has(
    app: Flask, client: FlaskClient, owner: Auth, other: Auth, theirs: dict[str, str]
) -> None:
    assert len(routes(app)) >= 6

    for path, method in routes(app):
        reply = call(client, method, filled(path, theirs), other)
        nothing = call(client, method, filled(path, {name: str(new_id()) for name in OWNED}), other)

        assert (reply.status_code, nothing.status_code) == (404, 404), f"{method} {path}"
        if method != "HEAD":
            assert alike(told(reply)) == alike(told(nothing)), f"{method} {path} tells that there is something"

    for path, method in sorted(routes(app), key=lambda route: route[1] == "DELETE"):
        assert call(client, method, filled(path, theirs), owner).status_code < 300, f"{method} {path}"


def alike(problem: dict[str, Any]) -> dict[str, Any]:
    """Return the problem but for what differs from request to request."""
    return {name: value for name, value in problem.items() if name != "request_id"}


def lists(app: Flask) -> list[str]:
    """Return the path of every list: what can be read, for a scope, without an id."""
    return [
        rule.rule
        for rule in app.url_map.iter_rules()
        if not rule.arguments
        and "GET" in (rule.methods or ())
        and isinstance(access := guard.access(app.view_functions[rule.endpoint]), Scope)
        and OVER_ALL.get(rule.rule) != access
    ]


def test_no_list_has_anything_of_another_client(
    app: Flask, client: FlaskClient, owner: Auth, other: Auth, theirs: dict[str, str]
) -> None:
    assert "/api/tokens" in lists(app)

    for path in lists(app):
        text = client.get(path, headers=other).text

        assert not [found for found in theirs.values() if found in text], path


def test_a_cursor_of_another_client_leads_to_nothing_of_that_client(
    app: Flask, client: FlaskClient, owner: Auth, other: Auth
) -> None:
    requests = [submit(client, owner)["id"] for _ in range(3)]
    body = {"name": "theirs", "scopes": ["validations:read"]}
    tokens = [told(client.post("/api/tokens", json=body, headers=owner))["id"] for _ in range(3)]
    tried = 0

    for path in lists(app):
        cursor = (client.get(path, query_string={"limit": 1}, headers=owner).get_json(silent=True) or {}).get("next")
        if cursor is None:
            continue
        reply = client.get(path, query_string={"limit": 50, "cursor": cursor}, headers=other)
        tried += 1

        assert reply.status_code < 500, path
        assert not [found for found in requests + tokens if found in reply.text], path
    assert tried


def test_a_key_that_another_client_has_used_is_free(
    client: FlaskClient, database: Database, owner: Auth, other: Auth
) -> None:
    key = {"Idempotency-Key": f"key-{uuid4()}"}
    mine = {"ruleset": "fx_rate", "item": GOOD_RATE}
    first = client.post(VALIDATE, json=mine, headers={**owner, **key})

    same = client.post(VALIDATE, json=mine, headers={**other, **key})
    another = client.post(VALIDATE, json={**mine, "item": {}}, headers={**client_of(database), **key})

    assert [reply.status_code for reply in (first, same, another)] == [202, 202, 202]
    assert len({told(reply)["id"] for reply in (first, same, another)}) == 3


def test_what_belongs_to_all_tells_nothing_of_another_client(
    app: Flask, client: FlaskClient, database: Database, owner: Auth, other: Auth, theirs: dict[str, str]
) -> None:
    me = whose(database, owner)
    publish(database)
    begin_draft(database)
    past = add_judged(database, 100, client_id=me)
    comparisons = f"/api/rulesets/{NAME}/comparisons"
    begun = told(client.post(comparisons, json={"requests": 1_000}, headers=owner))
    finish(database, UUID(begun["id"]))
    ids = theirs | {"name": NAME, "version": "1", "comparison_id": begun["id"], "code": "not_found"}
    private = {str(me), *theirs.values(), *map(str, past)}

    def seen(path: str, auth: Auth) -> set[str]:
        text = call(client, "GET", filled(path, ids), auth).text
        return {each for each in private if each in text}

    rules = [rule.rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())]
    readable = [path for path in rules if path not in OVER_ALL]
    assert seen(f"{comparisons}/<comparison_id>", owner), "the owner is shown no example"
    assert [path for path in readable if seen(path, other) - set(ids.values())] == []
    # What was asked for by its id may be named in the answer, but only where it is everybody's.
    assert [path for path in readable if "_id>" not in path and seen(path, other)] == []


def whose(database: Database, auth: Auth) -> UUID:
    """Return the client that these headers speak for."""
    with database.autocommit() as session:
        token = access.valid_token(session, tokens.digest(auth["Authorization"].removeprefix("Bearer ")))
        assert token is not None
        return token.client_id


def finish(database: Database, comparison_id: UUID) -> None:
    """Do what workers do for a comparison."""
    drafts, following = Drafts(), 0
    while following is not None:
        with database.transaction() as session:
            following = comparison.step(session, comparison_id, following, drafts)  # type: ignore[assignment]


def test_a_revoked_token_of_another_client_is_not_there_either(
    client: FlaskClient, owner: Auth, other: Auth, theirs: dict[str, str]
) -> None:
    url = TOKEN.format(theirs["token_id"])
    assert client.delete(url, headers=owner).status_code == 204

    assert client.get(url, headers=other).status_code == 404
    assert client.delete(url, headers=other).status_code == 404
