"""The matrix of scopes and routes: a token with one scope opens the routes of that scope and no other one.

Made of the application's own routes and scopes, so that it is whole whatever is added. `test_guard` has the guard's own
behaviour.
"""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

from app.auth import guard
from app.auth.guard import Public
from app.auth.scopes import Scope
from app.database import Database
from app.models.base import new_id
from tests.api.calls import bearer
from tests.auth.test_isolation import call, filled
from tests.factories import issue_token


def cells(app: Flask) -> list[tuple[Rule, str, Scope | Public]]:
    """Return every route, once for each of its methods, with what it asks for."""
    return [
        (rule, method, guard.access(app.view_functions[rule.endpoint]))
        for rule in app.url_map.iter_rules()
        for method in sorted((rule.methods or set()) - {"OPTIONS"})
    ]


def path(rule: Rule) -> str:
    """Return a path of the route that leads to nothing, so that no cell changes what the next one finds."""
    return filled(rule.rule, {name: str(new_id()) for name in rule.arguments})


def test_without_a_token_only_what_is_public_answers(app: Flask, client: FlaskClient) -> None:
    for rule, method, needed in cells(app):
        reply = call(client, method, path(rule), {})

        if isinstance(needed, Scope):
            assert reply.status_code == 401, f"{method} {rule}"
        elif rule.rule != "/oauth/token":  # Whoever comes there shows a secret in place of a token.
            assert reply.status_code not in (401, 403), f"{method} {rule}"


@pytest.mark.parametrize("held", list(Scope))
def test_a_scope_opens_its_own_routes_and_no_other(
    app: Flask, client: FlaskClient, database: Database, held: Scope
) -> None:
    auth = bearer(issue_token(database, scopes=[held]))
    opened = set()

    for rule, method, needed in cells(app):
        if isinstance(needed, Public):
            continue
        status = call(client, method, path(rule), auth).status_code

        if needed == held:
            assert status not in (401, 403), f"{method} {rule}"
            opened.add(rule.rule)
        else:
            assert status == 403, f"{method} {rule}"

    assert opened


def test_all_scopes_open_every_route(app: Flask, client: FlaskClient, database: Database) -> None:
    auth = bearer(issue_token(database, scopes=list(Scope)))

    for rule, method, needed in cells(app):
        if isinstance(needed, Scope):
            assert call(client, method, path(rule), auth).status_code not in (401, 403), f"{method} {rule}"
