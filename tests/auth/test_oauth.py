"""The token endpoint, in front of the whole application: who gets a JWT, and who learns nothing."""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import KeySet
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from app.api.oauth import MOST_BYTES
from app.auth import tokens
from app.auth.keys import PINNED, Key
from app.auth.oauth import MOST_PARAMETERS
from app.database import Database
from app.models import access
from app.settings import Settings
from tests.api.calls import VALIDATE, bearer, problem, told
from tests.applications import application
from tests.auth.makers import AUDIENCE, ISSUER, new_key, oauth_client, pem, signed
from tests.factories import issue_token
from tests.processes import wait_for

TOKEN = "/oauth/token"
REQUEST = "/api/validation/requests/0"


@pytest.fixture(scope="module")
def key() -> Key:
    """The key that signs."""
    return new_key()


@pytest.fixture(scope="module")
def app(settings: Settings, key: Key) -> Iterator[Flask]:
    """An application that makes JWTs."""
    more: dict[str, Any] = {"jwt_signing_keys": pem(key), "jwt_issuer": ISSUER, "jwt_audience": AUDIENCE}
    with application(replace(settings, **more, token_requests_per_minute=1_000)) as app:
        yield app


def basic(client_id: str, secret: str) -> dict[str, str]:
    """Return the header that shows id and secret."""
    return {"Authorization": "Basic " + b64encode(f"{client_id}:{secret}".encode()).decode()}


def ask(client: FlaskClient, client_id: str, secret: str, /, **form: str) -> TestResponse:
    """Return the answer to a request for a token, the secret being in the header."""
    return client.post(TOKEN, data={"grant_type": "client_credentials", **form}, headers=basic(client_id, secret))


def refused(reply: TestResponse, status: int, error: str) -> dict[str, Any]:
    """Return the problem that the reply is, and an OAuth error too."""
    problem = dict(told(reply))
    assert (reply.status_code, problem.get("error")) == (status, error), reply.text
    assert reply.mimetype == "application/problem+json"
    assert reply.headers["Cache-Control"] == "no-store"
    assert problem["status"] == status
    assert problem["error_description"] == problem["detail"]
    assert problem["request_id"] == reply.headers["X-Request-Id"]
    assert {"type", "title", "code", "errors"} <= set(problem)
    return problem


def test_a_secret_gets_a_token_that_opens_what_it_may(client: FlaskClient, database: Database) -> None:
    reply = ask(client, *oauth_client(database))

    assert reply.status_code == 200
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["Pragma"] == "no-cache"
    answer = told(reply)
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 300)
    assert answer["scope"] == "validations:read validations:write"
    assert set(answer) == {"access_token", "token_type", "expires_in", "scope"}
    problem(client.get(REQUEST, headers=bearer(answer["access_token"])), 404, "request_not_found")


def test_the_secret_may_be_in_the_body(client: FlaskClient, database: Database) -> None:
    client_id, secret = oauth_client(database)
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}

    assert client.post(TOKEN, data=form).status_code == 200


def test_the_token_is_one_that_others_can_check(client: FlaskClient, database: Database) -> None:
    client_id, secret = oauth_client(database)
    token = told(ask(client, client_id, secret))["access_token"]

    reply = client.get("/.well-known/jwks.json")

    assert reply.headers["Cache-Control"] == "public, max-age=600"
    keys = told(reply)
    assert not {"d", "p", "q"} & {member for key in keys["keys"] for member in key}
    checked = jwt.decode(token, KeySet.import_key_set(keys), registry=PINNED)
    assert checked.header["typ"] == "at+jwt"
    assert (checked.claims["iss"], checked.claims["aud"]) == (ISSUER, AUDIENCE)
    assert checked.claims["sub"] == checked.claims["client_id"] == client_id
    assert checked.claims["exp"] - checked.claims["iat"] == 300
    assert checked.claims["jti"] != jwt.decode(
        told(ask(client, client_id, secret))["access_token"], KeySet.import_key_set(keys), registry=PINNED
    ).claims["jti"]  # fmt: skip


def test_a_token_can_be_asked_for_less(client: FlaskClient, database: Database) -> None:
    answer = told(ask(client, *oauth_client(database), scope="validations:read"))

    assert answer["scope"] == "validations:read"
    token = answer["access_token"]
    assert client.get(REQUEST, headers=bearer(token)).status_code == 404
    problem(client.post(VALIDATE, headers=bearer(token)), 403, "insufficient_scope")


@pytest.mark.parametrize(
    "scope",
    ["metrics:read", "validations:read metrics:read", "everything", "validations:read,validations:write", "*"],
)
def test_a_scope_that_is_not_allowed_gets_no_token_at_all(client: FlaskClient, database: Database, scope: str) -> None:
    problem = refused(ask(client, *oauth_client(database), scope=scope), 400, "invalid_scope")

    assert "access_token" not in problem


def test_a_client_without_scopes_gets_no_token(client: FlaskClient, database: Database) -> None:
    refused(ask(client, *oauth_client(database, scopes=[])), 400, "invalid_scope")


def test_nobody_learns_which_clients_there_are(client: FlaskClient, database: Database) -> None:
    known, secret = oauth_client(database)
    revoked, its_secret = oauth_client(database)
    elsewhere, _ = oauth_client(database, subject="made-elsewhere")
    with database.transaction() as session:
        assert access.revoke_oauth_client(session, revoked)
    other = tokens.make(tokens.SECRET_PREFIX)

    answers = [
        refused(ask(client, *credentials), 401, "invalid_client")
        for credentials in (
            (known, other),
            ("unknown", secret),
            (revoked, its_secret),
            (elsewhere, other),
            ("nul\x00", secret),
            ("x" * 5000, secret),
        )
    ]

    assert len({(answer["detail"], answer["code"], answer["title"]) for answer in answers}) == 1


def test_every_wrong_secret_costs_one_look_and_one_comparison(
    client: FlaskClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, _ = oauth_client(database)
    looks: list[str] = []
    look = access.oauth_client

    def counted(session: Session, id: str) -> access.OAuthClient | None:
        looks.append(id)
        return look(session, id)

    monkeypatch.setattr(access, "oauth_client", counted)

    for client_id in (known, "unknown", "nul\x00"):
        ask(client, client_id, tokens.make(tokens.SECRET_PREFIX))

    assert len(looks) == 3


def test_a_refusal_says_how_to_show_a_secret(client: FlaskClient) -> None:
    reply = ask(client, "unknown", "wrong")

    assert reply.headers["WWW-Authenticate"] == 'Basic realm="rate-platform", charset="UTF-8"'


@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic ",
        "Basic !!!!",
        "Basic " + b64encode(b"no colon").decode(),
        "Basic " + b64encode(b"\xff\xfe:\xff").decode(),
        "Basic " + b64encode(b"%ff:%ff").decode(),
        "Basic é",
        "Bearer " + "x" * 40,
        "",
    ],
)
def test_a_header_that_cannot_be_read_is_no_proof(client: FlaskClient, header: str) -> None:
    reply = client.post(TOKEN, data={"grant_type": "client_credentials"}, headers={"Authorization": header})

    refused(reply, 401, "invalid_client")


def test_no_proof_at_all_is_refused(client: FlaskClient, database: Database) -> None:
    client_id, _ = oauth_client(database)

    for form in ({}, {"client_id": client_id}, {"client_id": client_id, "client_secret": ""}):
        refused(client.post(TOKEN, data={"grant_type": "client_credentials", **form}), 401, "invalid_client")


def test_proof_in_two_ways_is_one_too_many(client: FlaskClient, database: Database) -> None:
    client_id, secret = oauth_client(database)

    refused(ask(client, client_id, secret, client_id=client_id, client_secret=secret), 400, "invalid_request")
    refused(ask(client, client_id, secret, client_id="another"), 400, "invalid_request")
    assert ask(client, client_id, secret, client_id=client_id).status_code == 200


def test_a_secret_in_the_url_does_not_count(client: FlaskClient, database: Database) -> None:
    client_id, secret = oauth_client(database)
    query = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}

    refused(client.post(TOKEN, data={"x": "1"}, query_string=query), 400, "invalid_request")
    refused(client.post(TOKEN, data={"grant_type": "client_credentials"}, query_string=query), 401, "invalid_client")


@pytest.mark.parametrize("grant", ["password", "authorization_code", "refresh_token", "Client_Credentials"])
def test_there_is_one_way_to_ask(client: FlaskClient, database: Database, grant: str) -> None:
    refused(ask(client, *oauth_client(database), grant_type=grant), 400, "unsupported_grant_type")


@pytest.mark.parametrize(
    "body",
    [b"", b"grant_type=", b"scope=a", b"grant_type=a&grant_type=b", b"\xff=\xff", b"&".join([b"a=b"] * 60), b"%FF=a"],
)
def test_a_form_that_is_not_in_order_is_refused(client: FlaskClient, database: Database, body: bytes) -> None:
    headers = basic(*oauth_client(database))

    reply = client.post(TOKEN, data=body, headers=headers, content_type="application/x-www-form-urlencoded")

    refused(reply, 400, "invalid_request")


def test_another_type_of_body_is_refused(client: FlaskClient, database: Database) -> None:
    reply = client.post(TOKEN, json={"grant_type": "client_credentials"}, headers=basic(*oauth_client(database)))

    refused(reply, 400, "invalid_request")


def form(client: FlaskClient, body: str, client_id: str, secret: str) -> TestResponse:
    """Return the answer to a request for a token with this very form."""
    kind = "application/x-www-form-urlencoded"
    return client.post(TOKEN, data=body, headers=basic(client_id, secret), content_type=kind)


def test_a_form_is_read_up_to_the_largest_and_one_byte_more_is_refused(client: FlaskClient, database: Database) -> None:
    known = oauth_client(database)
    fits = "grant_type=client_credentials&other=".ljust(MOST_BYTES, "x")

    assert form(client, fits, *known).status_code == 200
    problem(form(client, f"{fits}x", *known), 413, "body_too_large")


def test_a_form_has_so_many_parameters_and_not_one_more(client: FlaskClient, database: Database) -> None:
    known = oauth_client(database)
    fits = "&".join(["grant_type=client_credentials", *(f"p{number}=x" for number in range(MOST_PARAMETERS - 1))])

    assert form(client, fits, *known).status_code == 200
    refused(form(client, f"{fits}&more=x", *known), 400, "invalid_request")


def test_a_revoked_client_is_refused_within_two_seconds_with_all_its_tokens(
    client: FlaskClient, database: Database
) -> None:
    client_id, secret = oauth_client(database)
    token = told(ask(client, client_id, secret))["access_token"]
    assert client.get(REQUEST, headers=bearer(token)).status_code == 404

    with database.transaction() as session:
        assert access.revoke_oauth_client(session, client_id)

    refused(ask(client, client_id, secret), 401, "invalid_client")
    wait_for(lambda: client.get(REQUEST, headers=bearer(token)).status_code == 401, timeout_s=2, what="the refusal")


def test_a_token_does_no_more_than_its_client_may_now(client: FlaskClient, key: Key, database: Database) -> None:
    client_id, secret = oauth_client(database, scopes=["validations:read"])
    claims = told_claims(told(ask(client, client_id, secret))["access_token"], key)

    token = signed(key, claims | {"scope": "validations:read validations:write"})

    assert client.get(REQUEST, headers=bearer(token)).status_code == 404
    problem(client.post(VALIDATE, headers=bearer(token)), 403, "insufficient_scope")


def test_a_good_token_for_nobody_is_refused(client: FlaskClient, key: Key, database: Database) -> None:
    claims = told_claims(told(ask(client, *oauth_client(database)))["access_token"], key)
    oauth_client(database, subject="theirs")

    for subject in ("nobody", "theirs"):
        reply = client.get(REQUEST, headers=bearer(signed(key, claims | {"sub": subject, "client_id": subject})))

        problem(reply, 401, "invalid_token")
        assert reply.headers["WWW-Authenticate"] == 'Bearer realm="rate-platform", error="invalid_token"'


def test_a_token_of_ours_is_none_of_the_secrets_that_get_one(client: FlaskClient, database: Database) -> None:
    _, secret = oauth_client(database)

    problem(client.get(REQUEST, headers=bearer(secret)), 401, "invalid_token")
    refused(ask(client, "unknown", issue_token(database)), 401, "invalid_client")


def test_asking_too_often_is_slowed_down(settings: Settings, database: Database) -> None:
    with application(replace(settings, jwt_signing_keys=pem(new_key()), token_requests_per_minute=3)) as app:
        client = app.test_client()
        first, second = oauth_client(database), oauth_client(database)
        assert [ask(client, *first).status_code for _ in range(3)] == [200, 200, 200]

        reply = ask(client, *first)

        assert refused(reply, 429, "slow_down")["code"] == "too_many_attempts"
        assert 1 <= int(reply.headers["Retry-After"]) <= 60
        assert ask(client, *second).status_code == 200, "another client is slowed down too"


def test_guessing_is_slowed_down_whatever_names_are_tried(settings: Settings, database: Database) -> None:
    with application(replace(settings, jwt_signing_keys=pem(new_key()), token_requests_per_minute=3)) as app:
        client = app.test_client()
        known = oauth_client(database)
        assert [ask(client, f"name-{n}", "guess").status_code for n in range(3)] == [401, 401, 401]

        refused(ask(client, "name-4", "guess"), 429, "slow_down")
        refused(ask(client, *known), 429, "slow_down")
        elsewhere = client.post(
            TOKEN,
            data={"grant_type": "client_credentials"},
            headers=basic(*known),
            environ_overrides={"REMOTE_ADDR": "203.0.113.9"},
        )
        assert elsewhere.status_code == 200, "others are kept out by one who guesses"


def test_guessing_is_slowed_down_from_wherever_in_a_network_it_comes(settings: Settings, database: Database) -> None:
    with application(replace(settings, jwt_signing_keys=pem(new_key()), token_requests_per_minute=3)) as app:
        client = app.test_client()

        def guess(address: str) -> int:
            more: dict[str, Any] = {"environ_overrides": {"REMOTE_ADDR": address}}
            form = {"grant_type": "client_credentials"}
            return client.post(TOKEN, data=form, headers=basic("nobody", "guess"), **more).status_code

        assert [guess(f"2001:db8::{number:x}") for number in range(4)] == [401, 401, 401, 429]
        assert guess("2001:db8:0:1::1") == 401, "another network is slowed down too"


def test_without_a_key_there_are_no_jwts_and_the_routes_say_so(settings: Settings, database: Database) -> None:
    with application(settings) as app:
        client = app.test_client()

        for reply in (ask(client, *oauth_client(database)), client.get("/.well-known/jwks.json"), client.post(TOKEN)):
            assert "RATE_JWT_SIGNING_KEYS" in refused(reply, 404, "unsupported_grant_type")["detail"]
            assert told(reply)["code"] == "jwt_off"


def told_claims(token: str, key: Key) -> dict[str, Any]:
    """Return what a token says."""
    return dict(jwt.decode(token, key, registry=PINNED).claims)
