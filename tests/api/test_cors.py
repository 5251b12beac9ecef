"""CORS: listed origins are served, and nobody else is told anything."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.api import cors
from app.settings import Settings, SettingsError
from tests.api.calls import VALIDATE, problem, submit
from tests.applications import application

PAGE = "https://rates.example"
EXTENSION = "chrome-extension://abcdefghijklmnopabcdefghijklmnop"
STRANGER = "https://elsewhere.example"


@pytest.fixture(scope="module")
def cors_app(settings: Settings) -> Iterator[Flask]:
    """An application that a page and an extension may call."""
    with application(replace(settings, cors_origins=f"{PAGE}, {EXTENSION}")) as app:
        yield app


@pytest.fixture
def browser(cors_app: Flask) -> FlaskClient:
    """A client of that application."""
    return cors_app.test_client()


def preflight(client: FlaskClient, origin: str, path: str = VALIDATE, method: str = "POST") -> TestResponse:
    asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "authorization,content-type"}
    return client.options(path, headers={"Origin": origin, **asked})


def granted(reply: TestResponse) -> dict[str, str]:
    """Return what the reply grants to a caller of another origin."""
    prefix = "access-control-"
    return {
        name.lower().removeprefix(prefix): value for name, value in reply.headers if name.lower().startswith(prefix)
    }


def words(header: str) -> set[str]:
    return {word.strip().lower() for word in header.split(",")}


@pytest.mark.parametrize("origin", [PAGE, EXTENSION])
def test_a_preflight_of_a_listed_origin_is_answered_without_a_token(browser: FlaskClient, origin: str) -> None:
    reply = preflight(browser, origin)

    told = granted(reply)
    assert (reply.status_code, reply.data) == (204, b"")
    assert told["allow-origin"] == origin
    assert words(told["allow-methods"]) >= {"post"}
    assert words(told["allow-headers"]) >= {"authorization", "content-type", "prefer", "idempotency-key", "x-api-key"}
    assert int(told["max-age"]) > 0
    assert "*" not in told.values()
    assert "allow-credentials" not in told
    assert "Origin" in reply.vary


def test_a_preflight_tells_every_method_of_the_path(browser: FlaskClient) -> None:
    told = granted(preflight(browser, PAGE, "/api/rulesets/some/draft", "PUT"))

    assert words(told["allow-methods"]) >= {"get", "put", "delete"}


def test_a_preflight_of_another_origin_is_a_call_without_a_token(browser: FlaskClient) -> None:
    reply = preflight(browser, STRANGER)

    problem(reply, 401, "unauthenticated")
    assert granted(reply) == {}


def test_options_without_a_question_is_no_preflight(browser: FlaskClient) -> None:
    problem(browser.options(VALIDATE, headers={"Origin": PAGE}), 401, "unauthenticated")


def test_a_listed_origin_may_read_answers_and_what_their_headers_say(
    browser: FlaskClient, auth: dict[str, str]
) -> None:
    reply = browser.post(VALIDATE, json={"ruleset": "fx_rate", "item": 1}, headers={**auth, "Origin": EXTENSION})

    told = granted(reply)
    assert reply.status_code == 202
    assert told["allow-origin"] == EXTENSION
    assert words(told["expose-headers"]) >= {
        *("location", "retry-after", "etag", "link", "ratelimit", "ratelimit-policy", "x-request-id"),
        *("idempotency-replayed", "preference-applied", "content-language"),
    }
    assert "Origin" in reply.vary


@pytest.mark.parametrize(("path", "status"), [("/api/nothing", 404), ("/statusz", 401)])
def test_a_listed_origin_may_read_problems_too(browser: FlaskClient, path: str, status: int) -> None:
    reply = browser.get(path, headers={"Origin": PAGE})

    assert reply.status_code == status
    assert granted(reply)["allow-origin"] == PAGE


@pytest.mark.parametrize("origin", [STRANGER, "null", "", PAGE + ".elsewhere.example", PAGE.upper(), PAGE + ":8443"])
def test_another_origin_is_told_nothing(browser: FlaskClient, auth: dict[str, str], origin: str) -> None:
    reply = browser.post(VALIDATE, json={"ruleset": "fx_rate", "item": 1}, headers={**auth, "Origin": origin})

    assert granted(reply) == {}
    assert "Origin" in reply.vary


def test_without_a_list_there_is_no_cors(client: FlaskClient, auth: dict[str, str]) -> None:
    assert granted(preflight(client, PAGE)) == {}
    assert granted(client.get(submit(client, auth)["links"]["self"], headers={**auth, "Origin": PAGE})) == {}


@pytest.mark.parametrize(
    "text", ["*", "null", "https://rates.example/", "rates.example", "https://*.example", "https://Rates.example"]
)
def test_what_is_no_origin_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(SettingsError, match="RATE_CORS_ORIGINS"):
        cors.listed(f"{PAGE} {text}")


def test_origins_may_have_ports_and_addresses() -> None:
    text = "http://localhost:3000,http://127.0.0.1:8080 http://[::1]:8000\nmoz-extension://0f6b7a0e-0000-4000-8000-000000000000"

    assert len(cors.listed(text)) == 4
