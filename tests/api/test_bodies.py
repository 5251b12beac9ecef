import gzip
import io
import json
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given
from hypothesis import settings as runs
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from app.api.bodies import faults
from app.settings import Settings
from tests.api.calls import GOOD_RATE, VALIDATE, bearer, problem
from tests.applications import application
from tests.factories import issue_token

LIMIT = Settings(database_url="", redis_url="").max_body_bytes


def post(client: FlaskClient, auth: dict[str, str], body: str | bytes, **options: Any) -> TestResponse:
    options.setdefault("content_type", "application/json")
    return client.post(VALIDATE, data=body, headers=auth, **options)


def body_of(size: int) -> bytes:
    """Return a body of exactly this many bytes with a good rate in it."""
    body = json.dumps({"ruleset": "fx_rate", "item": GOOD_RATE}).encode()
    return body + b" " * (size - len(body))


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        '{"ruleset": "fx_rate", "item": NaN}',
        '{"ruleset": "fx_rate", "item": 1e999}',
        '{"ruleset": "fx_rate", "item": {}} trailing',
        b'{"ruleset": "\xff"}',
        r'{"ruleset": "fx_rate", "item": "\ud800"}',
    ],
)
def test_what_is_not_json_is_refused(client: FlaskClient, auth: dict[str, str], body: str | bytes) -> None:
    problem(post(client, auth, body), 400, "bad_request")


@pytest.mark.parametrize("item", [r'"a\u0000b"', r'{"a\u0000b": 1}', r'[["\u0000"]]'])
def test_a_nul_character_is_refused(client: FlaskClient, auth: dict[str, str], item: str) -> None:
    problem(post(client, auth, f'{{"ruleset": "fx_rate", "item": {item}}}'), 400, "bad_request")


@pytest.mark.parametrize("depth", [33, 500, 100_000])
def test_deep_nesting_is_refused(client: FlaskClient, auth: dict[str, str], depth: int) -> None:
    body = '{"ruleset": "fx_rate", "item": ' + "[" * depth + "]" * depth + "}"

    problem(post(client, auth, body), 400, "bad_request")


def test_a_large_body_is_refused(client: FlaskClient, auth: dict[str, str]) -> None:
    problem(post(client, auth, body_of(2 * 1024 * 1024)), 413, "body_too_large")


def test_a_body_of_the_very_size_that_is_allowed_is_taken(client: FlaskClient, auth: dict[str, str]) -> None:
    assert post(client, auth, body_of(LIMIT)).status_code == 202
    reply = post(client, auth, body_of(LIMIT + 1))
    problem(reply, 413, "body_too_large")
    assert f"{LIMIT:,} bytes" in reply.get_json()["detail"]


@pytest.mark.parametrize(("size", "status"), [(LIMIT, 202), (LIMIT + 1, 413), (LIMIT + 2, 413), (2 * LIMIT, 413)])
def test_a_body_that_does_not_announce_its_length_has_the_same_limit(
    client: FlaskClient, auth: dict[str, str], size: int, status: int
) -> None:
    chunked = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}

    reply = client.post(
        VALIDATE,
        input_stream=io.BytesIO(body_of(size)),
        content_type="application/json",
        headers=auth,
        environ_overrides=chunked,
    )

    assert reply.status_code == status


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "", "application/xml"])
def test_a_body_that_is_not_said_to_be_json_is_refused(
    client: FlaskClient, auth: dict[str, str], content_type: str
) -> None:
    problem(post(client, auth, body_of(200), content_type=content_type), 415, "unsupported_media_type")


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "GZIP"])
def test_a_body_may_come_as_gzip(client: FlaskClient, auth: dict[str, str], encoding: str) -> None:
    reply = post(client, {**auth, "Content-Encoding": encoding}, gzip.compress(body_of(300)))

    assert reply.status_code == 202


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "", "what"])
def test_a_body_that_is_compressed_in_another_way_is_refused(
    client: FlaskClient, auth: dict[str, str], encoding: str
) -> None:
    reply = post(client, {**auth, "Content-Encoding": encoding}, body_of(200))

    problem(reply, 415, "unsupported_media_type")
    assert reply.headers["Accept-Encoding"] == "gzip"


def test_a_body_that_is_not_the_gzip_it_is_said_to_be_is_refused(client: FlaskClient, auth: dict[str, str]) -> None:
    problem(post(client, {**auth, "Content-Encoding": "gzip"}, body_of(200)), 400, "bad_request")


def test_a_body_that_is_too_large_once_it_is_opened_is_refused(client: FlaskClient, auth: dict[str, str]) -> None:
    # A kilobyte that stands for a megabyte, and noise that is just too much.
    noise = json.dumps({"ruleset": "fx_rate", "item": Random(1).randbytes(LIMIT // 2).hex()}).encode()

    for body in (body_of(LIMIT), noise):
        reply = post(client, {**auth, "Content-Encoding": "gzip"}, gzip.compress(body))

        problem(reply, 413, "body_too_large")


def test_json_may_say_its_charset(client: FlaskClient, auth: dict[str, str]) -> None:
    assert post(client, auth, body_of(200), content_type="application/json; charset=utf-8").status_code == 202


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({}, "/ruleset", "required"),
        ({"ruleset": None, "item": {}}, "/ruleset", "null"),
        ({"ruleset": 3, "item": {}}, "/ruleset", "wrong_type"),
        ({"ruleset": "", "item": {}}, "/ruleset", "invalid_value"),
        ({"ruleset": "x" * 101, "item": {}}, "/ruleset", "invalid_value"),
        ({"ruleset": "fx_rate"}, "", "invalid_value"),
        ({"ruleset": "fx_rate", "item": {}, "items": [{}]}, "", "invalid_value"),
        ({"ruleset": "fx_rate", "items": {}}, "/items", "invalid_value"),
        ({"ruleset": "fx_rate", "items": "abc"}, "/items", "invalid_value"),
        ({"ruleset": "fx_rate", "items": []}, "/items", "invalid_value"),
        ({"ruleset": "fx_rate", "items": None}, "/items", "null"),
        ({"ruleset": "fx_rate", "items": [{}] * 101}, "/items", "too_many_items"),
        ({"ruleset": "fx_rate", "item": {}, "source": "elsewhere"}, "/source", "invalid_value"),
        ({"ruleset": "fx_rate", "item": {}, "client_id": 1}, "/client_id", "unknown_field"),
        ({"ruleset": "fx_rate", "item": {}, "a/b~c": 1}, "/a~1b~0c", "unknown_field"),
        ([], "", "wrong_type"),
        ([{"ruleset": "fx_rate"}], "", "wrong_type"),
        ("fx_rate", "", "wrong_type"),
        (None, "", "wrong_type"),
        (7, "", "wrong_type"),
    ],
)
def test_a_body_of_the_wrong_shape_is_refused_with_the_place_that_is_wrong(
    client: FlaskClient, auth: dict[str, str], body: Any, pointer: str, code: str
) -> None:
    reply = post(client, auth, json.dumps(body))

    [fault] = problem(reply, 422, "invalid_request")["errors"]
    assert (fault["pointer"], fault["code"]) == (pointer, code)


def test_what_is_wrong_is_told_in_the_words_of_json(client: FlaskClient, auth: dict[str, str]) -> None:
    of_body, of_name = post(client, auth, "[]"), post(client, auth, json.dumps({"ruleset": 3, "item": {}}))

    assert problem(of_body, 422, "invalid_request")["errors"][0]["detail"] == "Must be a JSON object."
    assert problem(of_name, 422, "invalid_request")["errors"][0]["detail"] == "Must be a string."


def test_a_body_that_is_wrong_in_many_places_is_not_answered_with_a_larger_one(
    client: FlaskClient, auth: dict[str, str]
) -> None:
    body = {"ruleset": "fx_rate", "item": {}, **{f"field{number}": 0 for number in range(10_000)}}

    reply = client.post(VALIDATE, json=body, headers=auth)

    assert len(problem(reply, 422, "invalid_request")["errors"]) == 50


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@runs(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=JSON | st.fixed_dictionaries({"ruleset": st.sampled_from(["fx_rate", "freight_rate@1"]), "item": JSON}))
def test_no_body_whatever_is_an_internal_error(client: FlaskClient, auth: dict[str, str], body: Any) -> None:
    reply = post(client, auth, json.dumps(body))

    assert reply.status_code in (202, 400, 422), reply.text


def test_the_limits_are_those_of_the_settings(settings: Settings) -> None:
    with application(replace(settings, max_body_bytes=200, max_items=1, max_depth=2)) as app:
        auth, client = bearer(issue_token(app.extensions["platform"].database)), app.test_client()
        large = post(client, auth, body_of(201))
        deep = client.post(VALIDATE, json={"ruleset": "fx_rate", "item": [[1]]}, headers=auth)
        many = client.post(VALIDATE, json={"ruleset": "fx_rate", "items": [1, 2]}, headers=auth)

    problem(large, 413, "body_too_large")
    problem(deep, 400, "bad_request")
    problem(many, 422, "invalid_request")


def test_a_fault_deep_inside_is_told_with_its_whole_place() -> None:
    messages = {"items": {0: {"a/b": ["Unknown field."]}, "_schema": ["Not these."]}}

    assert [(fault["pointer"], fault["code"]) for fault in faults(messages)] == [
        ("/items/0/a~1b", "unknown_field"),
        ("/items", "invalid_value"),
    ]
