"""The OWASP API Security Top 10 (2023), one test for each: the attack is made, and must fail.

Left out, because the part that it would be made on is not there: in the sixth (sensitive business flows), imports of a
million rows that make a person's click wait. What there is of its kind, comparing a draft with the past, is attacked.
Whole lists of attacks have files of their own beside this one: `test_isolation`, `test_jwts`, `test_oauth`.
"""

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.auth import guard, jwks, tokens
from app.auth.guard import public
from app.auth.jwks import Jwks
from app.auth.scopes import Scope
from app.database import Database
from app.errors import IssuerAway
from app.settings import Settings
from tests.api.authors import put, unused
from tests.api.calls import GOOD_RATE, VALIDATE, bearer, problem, submit, told
from tests.applications import application
from tests.auth.makers import new_key, signed, unsigned
from tests.auth.test_isolation import filled
from tests.factories import issue_token

Auth = dict[str, str]
#: An id of each kind, for paths that need one.
ANY = {"request_id": "0", "token_id": "0", "name": "fx_rate", "version": "1", "comparison_id": "0"}


@pytest.fixture
def everything(database: Database) -> Auth:
    """The headers of a client that may do everything."""
    return bearer(issue_token(database, client=f"client-{uuid4()}", scopes=list(Scope)))


def test_1_broken_object_level_authorization(client: FlaskClient, database: Database, everything: Auth) -> None:
    """Whoever knows the id of another client's request learns no more than that of one who made it up."""
    other = bearer(issue_token(database, client=f"client-{uuid4()}", scopes=list(Scope)))
    request_id = submit(client, everything)["id"]

    for path in ("", "/result", "/result?wait=1"):
        url = f"/api/validation/requests/{request_id}{path}"
        assert client.get(url, headers=everything).status_code < 300
        problem(client.get(url, headers=other), 404, "request_not_found")
    # The ids are not to be counted through: 74 bits of each are random (RFC 9562 §5.7).
    assert len({submit(client, everything)["id"][14:] for _ in range(5)}) == 5


def test_2_broken_authentication(client: FlaskClient, database: Database) -> None:
    """Tokens that are made up, changed, unsigned or signed by somebody else open nothing and tell nothing."""
    good = issue_token(database)
    stranger = new_key()
    claims = {"iss": "rate-platform", "aud": "rate-platform", "sub": "x", "client_id": "x", "jti": "1", "iat": 0}
    bad = [
        tokens.make(),
        good[:-1] + ("0" if good[-1] != "0" else "1"),
        good.swapcase(),
        good + good,
        unsigned({**claims, "exp": 2**33}),
        signed(stranger, {**claims, "exp": 2**33}),
        "null",
        "' OR 1=1 --",
    ]

    answers = [
        problem(client.get("/api/validation/requests/0", headers=bearer(each)), 401, "invalid_token") for each in bad
    ]
    in_url = client.get(f"/api/validation/requests/0?access_token={good}")

    assert not any(each in answer["detail"] for answer in answers for each in (good, *bad))
    problem(in_url, 400, "token_misplaced")
    assert client.get("/api/validation/requests/0", headers=bearer(good)).status_code == 404


def test_3_broken_object_property_level_authorization(client: FlaskClient, app: Flask, everything: Auth) -> None:
    """Nobody writes what is not his to write, and nobody is told more than the description says."""
    sent: dict[str, Any] = {"ruleset": "fx_rate", "item": GOOD_RATE}
    for field in ("id", "client_id", "state", "verdict", "created_at", "epoch"):
        reply = client.post(VALIDATE, json={**sent, field: "x"}, headers=everything)

        (error,) = problem(reply, 422, "invalid_request")["errors"]
        assert (error["pointer"], error["code"]) == (f"/{field}", "unknown_field")

    spec = told(client.get("/api/openapi.json"))["components"]["schemas"]
    accepted = told(client.post(VALIDATE, json=sent, headers=everything))
    assert set(accepted) <= set(spec["RequestState"]["properties"])
    assert set(told(client.get("/api/tokens", headers=everything))["items"][0]) <= set(spec["TokenShape"]["properties"])
    assert "digest" not in spec["TokenShape"]["properties"]


def test_4_unrestricted_resource_consumption(client: FlaskClient, settings: Settings, everything: Auth) -> None:
    """What is too large, too deep, too many or too long is refused before it costs anything."""
    most = settings.max_items
    deep: Any = 0
    for _ in range(settings.max_depth + 1):
        deep = [deep]
    sent: dict[str, Any] = {"ruleset": "fx_rate"}

    large = client.post(
        VALIDATE, data=b"[" + b" " * settings.max_body_bytes, headers=everything, content_type="application/json"
    )
    problem(large, 413, "body_too_large")
    problem(client.post(VALIDATE, json={**sent, "items": [1] * (most + 1)}, headers=everything), 422, "invalid_request")
    problem(client.post(VALIDATE, json={**sent, "item": deep}, headers=everything), 400, "bad_request")
    problem(client.get("/api/tokens?limit=9999999999", headers=everything), 422, "invalid_request")
    problem(client.get("/api/tokens", headers=bearer("eyJ" + "x" * 100_000)), 401, "invalid_token")
    assert client.post("/oauth/token", data={"scope": "x" * 10_000}).status_code == 404


def test_5_broken_function_level_authorization(app: Flask, client: FlaskClient, database: Database) -> None:
    """Whoever may only read validations does nothing else, whatever method he says that he uses."""
    reader = bearer(issue_token(database, scopes=[Scope.VALIDATIONS_READ]))
    disguises = {"X-HTTP-Method-Override": "GET", "X-Original-URL": "/healthz", "X-Forwarded-For": "127.0.0.1"}

    for rule in app.url_map.iter_rules():
        needed = guard.access(app.view_functions[rule.endpoint])
        for method in sorted((rule.methods or set()) - {"OPTIONS"}):
            if isinstance(needed, Scope) and needed != Scope.VALIDATIONS_READ:
                reply = client.open(filled(rule.rule, ANY), method=method, headers=reader | disguises)

                assert reply.status_code == 403, f"{method} {rule}"


def test_6_unrestricted_access_to_sensitive_business_flows(client: FlaskClient, everything: Auth) -> None:
    """Whoever may start a heavy job does not start a hundred of them: a rule set has one comparison at a time."""
    name = unused()
    assert put(client, everything, name).status_code == 201
    url = f"/api/rulesets/{name}/comparisons"

    replies = [client.post(url, json={"requests": 1}, headers=everything) for _ in range(5)]

    assert [reply.status_code for reply in replies] == [202, 409, 409, 409, 409]


def test_7_server_side_request_forgery(client: FlaskClient, everything: Auth) -> None:
    """No address in a schema, a rule, an item or a token is ever gone to."""
    knocks: list[str] = []

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            knocks.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    door = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    threading.Thread(target=door.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    url = f"http://127.0.0.1:{door.server_port}"
    try:
        for schema in ({"$ref": f"{url}/ref"}, {"$schema": f"{url}/schema"}, {"$dynamicRef": f"{url}/dynamic"}):
            name = unused()
            put(client, everything, name, schema=schema)
            client.post(f"/api/rulesets/{name}/draft/check", headers=everything)
            assert client.post(f"/api/rulesets/{name}/draft/publish", headers=everything).status_code >= 400
        submit(client, everything, item={"$ref": f"{url}/item", "source": f"{url}/source"})
        pointing = signed(new_key(), {"iss": url, "sub": "x"}, jku=f"{url}/jku", x5u=f"{url}/x5u")
        problem(client.get("/api/tokens", headers=bearer(pointing)), 401, "invalid_token")
    finally:
        door.shutdown()
        door.server_close()

    assert knocks == []


def test_8_security_misconfiguration(settings: Settings, database: Database) -> None:
    """Answers of every kind are dressed, say nothing of what is inside, and are for no other site's scripts."""
    with application(settings) as app:

        @public("this test's own")
        def broken() -> str:
            raise RuntimeError("a secret of the house")

        app.add_url_rule("/broken", view_func=broken)
        client = app.test_client()
        foreign = {"Origin": "https://attacker.example"}
        replies = [
            client.get("/healthz", headers=foreign),
            client.get("/nothing", headers=foreign),
            client.get("/broken", headers=foreign),
            client.get("/api/tokens", headers=foreign),
            client.put("/healthz", headers=foreign),
            client.get("/api/tokens", headers=foreign | bearer(issue_token(database, scopes=[Scope.TOKENS_ADMIN]))),
            client.options(VALIDATE, headers=foreign | {"Access-Control-Request-Method": "POST"}),
        ]
        assert not app.debug
        assert [reply.status_code for reply in replies[:6]] == [200, 404, 500, 401, 405, 200]

    for reply in replies:
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
        assert reply.headers.get("Access-Control-Allow-Origin") is None
        assert "Set-Cookie" not in reply.headers
        assert not re.search(r"secret of the house|Traceback|File \"|werkzeug|psycopg", reply.text, re.IGNORECASE)


def test_9_improper_inventory_management(app: Flask, client: FlaskClient) -> None:
    """There is no route that is not described, none described that is not there, and none of an earlier day."""
    described = set(told(client.get("/api/openapi.json"))["paths"])

    served = {re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule) for rule in app.url_map.iter_rules()}

    assert served == described
    for path in (
        "/api/v0/validate",
        "/debug",
        "/console",
        "/admin",
        "/.env",
        "/static/x",
        "/api/docs/../../etc/passwd",
    ):
        assert client.get(path).status_code == 404, path


def test_10_unsafe_consumption_of_apis(client: FlaskClient, everything: Auth, monkeypatch: pytest.MonkeyPatch) -> None:
    """What others send us is measured and checked before it counts: lists of keys, and reference tables."""
    poisoned = [b'{"keys": [{"kty": "oct", "kid": "k", "k": "AAAA"}]}', b" " * (jwks.MOST_BYTES + 1), b"<html>"]
    for content in poisoned:
        keys = Jwks(lambda content=content: jwks.bounded(content))  # type: ignore[misc]  # one for each content
        with pytest.raises(IssuerAway):
            keys.find("k")

    name = f"codes_{uuid4().hex[:12]}"
    url = f"/api/reference/{name}"
    rows: list[Any]
    for rows in ([], [{"name": "no code"}], ["A", "A"], [{"code": "A", "nested": {"x": 1}}], [5]):
        reply = client.put(url, json=rows, headers=everything)
        assert reply.status_code == 422, reply.text
    assert told(client.get(url, headers=everything)).get("items", []) == []
