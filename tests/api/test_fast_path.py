"""The fast path answers as Flask does, header by header, and leaves to Flask what is not plain."""

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
import structlog
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError
from werkzeug.test import Client, TestResponse

from app import json
from app.api import shapes
from app.api.fast_path import FastPath, Result, Submit
from app.auth import callers
from app.auth.scopes import Scope
from app.database import Database
from app.errors import BadRequest, DatabaseAway
from app.models.base import new_id
from app.settings import Settings
from tests.api.calls import GOOD_RATE, VALIDATE, bearer, problem, submit
from tests.api.test_validation import finish
from tests.applications import application
from tests.factories import issue_token

Auth = dict[str, str]

BAD_RATE = {**GOOD_RATE, "base": "eur", "rate": "-1"}
ITEM: dict[str, Any] = {"ruleset": "fx_rate", "item": GOOD_RATE}
VIETNAMESE = {"Accept-Language": "vi-VN,vi;q=0.9"}


class Ways:
    """The two ways into one application, each with a note of who was served by Flask."""

    def __init__(self, app: Flask) -> None:
        assert isinstance(app.wsgi_app, FastPath)
        self.app = app
        self.platform = app.extensions["platform"]
        self.by_flask = 0
        self._fast = app.wsgi_app
        self._flask = self._fast._flask
        self._fast._flask = self._counted

    def _counted(self, environ: Any, start_response: Any) -> Any:
        self.by_flask += 1
        return self._flask(environ, start_response)

    def fast(self, *args: Any, **more: Any) -> tuple[TestResponse, bool]:
        """Return the answer of the way that is taken, and whether Flask had to do with it."""
        before = self.by_flask
        return Client(self._fast).open(*args, **more), self.by_flask > before

    def flask(self, *args: Any, **more: Any) -> TestResponse:
        """Return the answer of Flask alone."""
        return Client(self._flask).open(*args, **more)

    def close(self) -> None:
        """Leave the application as it was."""
        self._fast._flask = self._flask


@pytest.fixture
def ways(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ways]:
    monkeypatch.setattr(callers, "BELIEVED_FOR_S", 600.0)
    ways = Ways(app)
    yield ways
    ways.close()


@pytest.fixture
def known(ways: Ways, database: Database) -> Auth:
    """The headers of a caller of whom the process knows."""
    return introduced(ways, issue_token(database, client=f"client-{uuid4()}"))


def introduced(ways: Ways, token: str) -> Auth:
    auth = bearer(token)
    ways.flask(f"/api/validation/requests/{new_id()}", headers=auth)
    return auth


def shape(reply: TestResponse) -> tuple[int, dict[str, str], Any]:
    """Return what two answers to like requests must have in common."""
    return reply.status_code, {name: masked(value) for name, value in reply.headers}, masked(reply.get_json())


def masked(value: Any) -> Any:
    """Return the value without what belongs to one request only."""
    if isinstance(value, dict):
        return {name: masked(each) for name, each in value.items()}
    if isinstance(value, list):
        return [masked(each) for each in value]
    if isinstance(value, float):
        return "a float"
    if isinstance(value, str):
        value = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "an id", value)
        value = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", "a time", value)
        value = re.sub(r'"[0-9a-f]{64}"', "a tag", value)
        value = re.sub(r"r=\d+;t=\d+", "what is left", value)
    return re.sub(r"^\d+$", "a number", value) if isinstance(value, str) else value


def test_the_routes_of_the_fast_path_are_flasks_own(app: Flask) -> None:
    routes = {(method, rule.rule) for rule in app.url_map.iter_rules() for method in rule.methods or ()}

    assert {(call.method, call.rule) for call in (Submit, Result)} <= routes


@pytest.mark.parametrize("headers", [{}, VIETNAMESE, {"Prefer": "respond-async"}, {"X-Request-Id": "mine"}])
@pytest.mark.parametrize("body", [ITEM, {"ruleset": "fx_rate@1", "items": [GOOD_RATE, BAD_RATE], "source": "importer"}])
def test_items_are_accepted_as_by_flask(ways: Ways, known: Auth, headers: Auth, body: dict[str, Any]) -> None:
    call: dict[str, Any] = {"method": "POST", "json": body, "headers": {**known, **headers}}

    reply, is_flasks = ways.fast(VALIDATE, **call)

    assert not is_flasks
    assert reply.status_code == 202
    assert shape(reply) == shape(ways.flask(VALIDATE, **call))


@pytest.mark.parametrize("headers", [{}, VIETNAMESE, {"Prefer": "wait=3"}, {"Accept-Language": "de"}])
@pytest.mark.parametrize("query", ["", "?wait=2"])
def test_an_answer_is_given_as_by_flask(ways: Ways, known: Auth, headers: Auth, query: str) -> None:
    request = submit(ways.app.test_client(), known, item=BAD_RATE)
    finish(ways.platform, request["id"])
    call: dict[str, Any] = {"headers": {**known, **headers}}

    reply, is_flasks = ways.fast(f"{request['links']['result']}{query}", **call)

    assert not is_flasks
    assert reply.status_code == 200
    assert reply.data == ways.flask(f"{request['links']['result']}{query}", **call).data
    assert shape(reply) == shape(ways.flask(f"{request['links']['result']}{query}", **call))


def test_a_request_that_waits_in_vain_is_told_so_as_by_flask(ways: Ways, known: Auth) -> None:
    request = submit(ways.app.test_client(), known)
    ways.platform.hub.drain()  # Nobody waits.
    try:
        reply, is_flasks = ways.fast(f"{request['links']['result']}?wait=20", headers=known)
        slow = ways.flask(f"{request['links']['result']}?wait=20", headers=known)
        posted, _ = ways.fast(VALIDATE, method="POST", json=ITEM, headers={**known, "Prefer": "wait=20"})
    finally:
        ways.platform.hub.draining = False

    assert not is_flasks
    assert reply.status_code == posted.status_code == 202
    assert shape(reply) == shape(slow)
    assert posted.headers["Preference-Applied"] == "wait=20"


def test_the_token_may_come_in_either_header(ways: Ways, known: Auth) -> None:
    key = {"X-API-Key": known["Authorization"].removeprefix("Bearer ")}

    reply, is_flasks = ways.fast(VALIDATE, method="POST", json=ITEM, headers=key)

    assert (reply.status_code, is_flasks) == (202, False)


UNPLAIN: dict[str, dict[str, Any]] = {
    "a key": {"json": ITEM, "headers": {"Idempotency-Key": "one"}},
    "a browser is plain": {"json": ITEM, "headers": {"Origin": "https://rates.example"}},
    "compressed": {"json": ITEM, "headers": {"Content-Encoding": "gzip"}},
    "another type": {"data": "a", "content_type": "text/plain"},
    "no body": {"content_type": "application/json"},
    "no JSON": {"data": "{", "content_type": "application/json"},
    "NUL": {"json": {"ruleset": "fx_rate", "item": {"rate": "\0"}}},
    "too deep": {"data": f'{{"ruleset":"fx_rate","item":{"[" * 90}{"]" * 90}}}', "content_type": "application/json"},
    "no rule set": {"json": {"item": 1}},
    "no item": {"json": {"ruleset": "fx_rate"}},
    "both": {"json": {"ruleset": "fx_rate", "item": 1, "items": [1]}},
    "nothing in it": {"json": {"ruleset": "fx_rate", "items": []}},
    "a stranger": {"json": ITEM | {"color": "red"}},
    "a source of its own": {"json": ITEM | {"source": "me"}},
    "a list": {"json": [ITEM]},
    "a query": {"json": ITEM, "query_string": "wait=0"},
    "a dry run": {"json": ITEM, "query_string": "dry_run=true"},
    "two tokens": {"json": ITEM, "headers": {"X-API-Key": "rpt_x"}},
    "a token in the query": {"json": ITEM, "query_string": "access_token=x"},
    "an unknown rule set": {"json": {"ruleset": "nothing", "item": 1}},
    "a traceparent is plain": {"json": ITEM, "headers": {"traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-01"}},
}


@pytest.mark.parametrize("what", UNPLAIN)
def test_what_is_not_plain_is_answered_by_flask(ways: Ways, known: Auth, what: str) -> None:
    call = {"method": "POST", **UNPLAIN[what], "headers": {**known, **UNPLAIN[what].get("headers", {})}}

    reply, is_flasks = ways.fast(VALIDATE, **call)

    assert is_flasks == ("plain" not in what)
    if "key" not in what:
        assert shape(reply) == shape(ways.flask(VALIDATE, **call))


@pytest.mark.parametrize("path", [f"{uuid4()}/result", f"{new_id()}/result?wait=x", f"{new_id()}/result?wait=1&wait=2"])
def test_an_odd_question_is_answered_by_flask(ways: Ways, known: Auth, path: str) -> None:
    reply, is_flasks = ways.fast(f"/api/validation/requests/{path}", headers=known)

    assert is_flasks
    assert reply.status_code in (404, 422)


def test_a_caller_that_is_not_known_is_looked_up_by_flask(ways: Ways, database: Database) -> None:
    auth = bearer(issue_token(database, client=f"client-{uuid4()}"))

    ours = [ways.fast(VALIDATE, method="POST", json=ITEM, headers=auth)[1] for _ in range(2)]

    assert ours == [True, False]


def test_a_caller_without_the_scope_is_refused_as_ever(ways: Ways, database: Database) -> None:
    auth = introduced(ways, issue_token(database, client=f"client-{uuid4()}", scopes=[Scope.VALIDATIONS_READ]))

    reply, _ = ways.fast(VALIDATE, method="POST", json=ITEM, headers=auth)

    problem(reply, 403, "insufficient_scope")


def test_anothers_answer_is_not_there(ways: Ways, known: Auth, database: Database) -> None:
    request = submit(ways.app.test_client(), known)
    finish(ways.platform, request["id"])
    stranger = introduced(ways, issue_token(database, client=f"client-{uuid4()}"))

    reply, _ = ways.fast(request["links"]["result"], headers=stranger)

    problem(reply, 404, "request_not_found")


def test_an_error_in_the_middle_is_answered_by_flask_and_counted_once(
    ways: Ways, known: Auth, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise DatabaseAway("The database cannot be reached right now.")

    before = ways.fast(VALIDATE, method="POST", json=ITEM, headers=known)[0]
    monkeypatch.setattr(ways.platform.intake, "accept", away)
    capsys.readouterr()

    reply, is_flasks = ways.fast(VALIDATE, method="POST", json=ITEM, headers={**known, "X-Request-Id": "mine"})

    assert is_flasks
    problem(reply, 503, DatabaseAway.code)
    assert reply.headers["X-Request-Id"] == "mine"
    assert left(before) - left(reply) <= 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "http.answered" in line
    assert "status=503" in line


def left(reply: TestResponse) -> int:
    found = re.search(r"r=(\d+)", reply.headers["RateLimit"])
    assert found
    return int(found[1])


def test_an_unexpected_error_is_a_problem(ways: Ways, known: Auth, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(ways.platform.intake, "accept", broken)

    reply, _ = ways.fast(VALIDATE, method="POST", json=ITEM, headers=known)

    problem(reply, 500, "internal_error")


def test_a_body_that_breaks_off_is_a_bad_request(ways: Ways, known: Auth) -> None:
    body = json.dumps(ITEM)

    reply, is_flasks = ways.fast(
        VALIDATE,
        method="POST",
        input_stream=io.BytesIO(body[:-5]),
        headers={**known, "Content-Length": str(len(body))},
        content_type="application/json",
    )

    assert is_flasks
    problem(reply, 400, "bad_request")


def test_plain_requests_are_logged_and_counted_like_all_others(
    ways: Ways, known: Auth, capsys: pytest.CaptureFixture[str]
) -> None:
    def counted() -> float:
        labels = {"method": "POST", "status": "202"}
        return ways.app.extensions["metrics"].exporter.registry.get_sample_value("rate_http_request_total", labels) or 0

    before = counted()
    capsys.readouterr()
    reply, is_flasks = ways.fast(VALIDATE, method="POST", json=ITEM, headers=known)

    assert not is_flasks
    accepted, answered = capsys.readouterr().err.splitlines()
    assert "validation.accepted" in accepted
    assert f"request_id={reply.headers['X-Request-Id']}" in accepted
    for told in ("http.answered", "client=", "method=POST", f"rule={VALIDATE}", "status=202"):
        assert told in answered
    assert counted() == before + 1
    assert not structlog.contextvars.get_contextvars()


@pytest.mark.parametrize("origin", [{}, {"Origin": "https://rates.example"}, {"Origin": "https://others.example"}])
def test_what_other_origins_may_read_is_the_same_on_both_ways(own_settings: Settings, origin: Auth) -> None:
    with application(replace(own_settings, cors_origins="https://rates.example chrome-extension://abc")) as app:
        ways, database = Ways(app), app.extensions["platform"].database
        call: dict[str, Any] = {"json": ITEM, "headers": introduced(ways, issue_token(database)) | origin}

        reply, is_flasks = ways.fast(VALIDATE, method="POST", **call)

        assert not is_flasks
        assert ("Access-Control-Allow-Origin" in reply.headers) == ("https://rates.example" in origin.values())
        assert shape(reply) == shape(ways.flask(VALIDATE, method="POST", **call))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3), lambda below: st.lists(below, max_size=2)
)
SENT = st.fixed_dictionaries(
    {},
    optional={
        "ruleset": st.sampled_from(["fx_rate", "", "x" * 100, "x" * 101]) | ANYTHING,
        "item": ANYTHING,
        "items": ANYTHING,
        "source": st.sampled_from(shapes.SOURCES) | ANYTHING,
        "autofix": st.sampled_from(shapes.AUTOFIXES) | ANYTHING,
        "more": ANYTHING,
    },
)


@given(SENT | ANYTHING)
def test_what_a_glance_finds_right_is_right(sent: Any) -> None:
    found = shapes.plain(sent)

    try:
        loaded = shapes.Submission().load(sent)
    except ValidationError:
        loaded = None
    assert found == loaded


@given(st.recursive(st.text(max_size=2), lambda below: st.lists(below, max_size=3), max_leaves=20))
def test_what_nobody_has_to_look_at_is_sound(value: Any) -> None:
    def inspected() -> bool:
        try:
            json.inspect(value, 3)
        except BadRequest:
            return False
        return True

    try:
        json.parse(json.dumps(value), max_depth=3)
        is_sound = True
    except BadRequest:
        is_sound = False

    assert is_sound == inspected()
