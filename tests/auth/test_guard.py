from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from app.auth import guard, tokens
from app.auth.guard import Public, Unguarded
from app.auth.scopes import Scope
from app.database import Database
from app.models import access
from app.settings import Settings
from tests.api.calls import VALIDATE, bearer, problem
from tests.applications import application
from tests.factories import issue_token
from tests.processes import wait_for


def scoped(app: Flask) -> list[tuple[Rule, str, Scope]]:
    """Return every route that needs a scope, once for each method."""
    return [
        (rule, method, needed)
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"OPTIONS"})
        if isinstance(needed := guard.access(app.view_functions[rule.endpoint]), Scope)
    ]


def path(rule: Rule) -> str:
    return rule.rule.replace("<request_id>", "0")


def test_every_route_states_its_scope_or_why_it_has_none(app: Flask) -> None:
    for rule in app.url_map.iter_rules():
        stated = app.view_functions[rule.endpoint].__dict__.get("__access__")
        assert isinstance(stated, Scope | Public), f"{rule} states nothing"
        assert isinstance(stated, Scope) or stated.reason


def test_every_scope_is_that_of_a_route(app: Flask) -> None:
    assert {needed for _, _, needed in scoped(app)} == set(Scope)


def test_what_is_public_is_so_on_purpose(app: Flask) -> None:
    public = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if isinstance(guard.access(app.view_functions[rule.endpoint]), Public)
    }

    assert public == {
        *("/healthz", "/readyz", "/oauth/token", "/.well-known/jwks.json"),
        *("/api/openapi.json", "/api/docs", "/problems/<code>"),
    }


def test_no_route_answers_without_a_token(app: Flask, client: FlaskClient) -> None:
    for rule, method, _ in scoped(app):
        reply = client.open(path(rule), method=method)

        assert reply.status_code == 401, rule
        assert reply.headers["WWW-Authenticate"] == 'Bearer realm="rate-platform"'


def test_no_route_answers_a_token_with_all_scopes_but_its_own(
    app: Flask, client: FlaskClient, database: Database
) -> None:
    for rule, method, needed in scoped(app):
        token = issue_token(database, scopes=[scope for scope in Scope if scope != needed])

        reply = client.open(path(rule), method=method, headers=bearer(token))

        assert reply.status_code == 403, rule
        assert f'error="insufficient_scope", scope="{needed}"' in reply.headers["WWW-Authenticate"]
        if method != "HEAD":
            assert needed in problem(reply, 403, "insufficient_scope")["detail"]


def test_every_route_lets_its_own_scope_pass(app: Flask, client: FlaskClient, database: Database) -> None:
    for rule, method, needed in scoped(app):
        token = issue_token(database, scopes=[needed])

        assert client.open(path(rule), method=method, headers=bearer(token)).status_code not in (401, 403), rule


def test_a_token_without_any_scope_opens_nothing(app: Flask, client: FlaskClient, database: Database) -> None:
    token = issue_token(database, scopes=[])

    for rule, method, _ in scoped(app):
        assert client.open(path(rule), method=method, headers=bearer(token)).status_code == 403, rule


def test_either_header_carries_a_token(client: FlaskClient, database: Database) -> None:
    token = issue_token(database)

    for headers in (bearer(token), {"X-API-Key": token}, {"Authorization": f"bearer  {token}"}):
        problem(client.get("/api/validation/requests/0", headers=headers), 404, "request_not_found")


def test_an_expired_token_is_refused(client: FlaskClient, database: Database) -> None:
    token = issue_token(database, expires_at=datetime.now(UTC) - timedelta(seconds=1))

    reply = client.post(VALIDATE, headers=bearer(token))

    problem(reply, 401, "invalid_token")
    assert reply.headers["WWW-Authenticate"] == 'Bearer realm="rate-platform", error="invalid_token"'


def test_a_revoked_token_is_refused_within_two_seconds(client: FlaskClient, database: Database) -> None:
    token = issue_token(database)
    assert client.get("/api/validation/requests/0", headers=bearer(token)).status_code == 404

    with database.transaction() as session:
        row = access.valid_token(session, tokens.digest(token))
        assert row is not None
        assert access.revoke(session, row.id)

    def refused() -> bool:
        return client.get("/api/validation/requests/0", headers=bearer(token)).status_code == 401

    wait_for(refused, timeout_s=2, what="the refusal")
    problem(client.get("/api/validation/requests/0", headers=bearer(token)), 401, "invalid_token")


def test_a_token_that_was_never_issued_is_refused(client: FlaskClient) -> None:
    problem(client.post(VALIDATE, headers=bearer(tokens.make())), 401, "invalid_token")


@pytest.mark.parametrize("token", ["", "rpt_", "nonsense", "rpt_" + "é" * 36, "a b", "rpt_" + "0" * 36, "x" * 5000])
def test_what_is_not_a_token_is_refused_before_the_database_is_asked(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    for way in ("transaction", "autocommit"):
        monkeypatch.setattr(Database, way, lambda _: pytest.fail("the database was asked"))

    for headers in (bearer(token), {"X-API-Key": token}):
        problem(client.post(VALIDATE, headers=headers), 401, "invalid_token")


def test_another_scheme_is_as_good_as_no_token(client: FlaskClient, database: Database) -> None:
    token = issue_token(database)

    for header in (f"Basic {token}", token, ""):
        problem(client.post(VALIDATE, headers={"Authorization": header}), 401, "unauthenticated")


def test_a_token_in_the_url_is_refused_even_beside_a_good_one(client: FlaskClient, database: Database) -> None:
    token = issue_token(database)

    for headers in ({}, bearer(token)):
        reply = client.get(f"/api/validation/requests/0?access_token={token}", headers=headers)

        problem(reply, 400, "token_misplaced")
        assert 'error="invalid_request"' in reply.headers["WWW-Authenticate"]


def test_two_tokens_are_one_too_many(client: FlaskClient, database: Database) -> None:
    token = issue_token(database)

    problem(client.post(VALIDATE, headers={**bearer(token), "X-API-Key": token}), 400, "token_misplaced")


def test_a_view_that_states_nothing_is_never_called(settings: Settings) -> None:
    called: list[str] = []

    def forgotten() -> str:
        called.append("forgotten")
        return "secret"

    with application(settings) as app:
        app.add_url_rule("/forgotten", view_func=forgotten)

        problem(app.test_client().get("/forgotten"), 500, "internal_error")
        assert called == []
        with pytest.raises(Unguarded, match="neither @scope"):
            guard.verify(app)
