import re

import flask_smorest
import pytest
from flask import Flask, abort
from flask.testing import FlaskClient
from werkzeug.exceptions import HTTPException, default_exceptions

from app import errors
from app.api.problems import KINDS
from app.database import Database
from app.errors import AppError, DatabaseAway
from tests.api.calls import GOOD_RATE, VALIDATE, problem


def kinds_of_error(root: type[AppError] = AppError) -> list[type[AppError]]:
    return [kind for child in root.__subclasses__() for kind in (child, *kinds_of_error(child))]


def test_every_error_of_the_domain_has_a_status() -> None:
    ours = [kind for kind in kinds_of_error() if kind.__module__ == errors.__name__]

    assert set(KINDS) == set(ours)


def test_an_unknown_path_is_a_problem(client: FlaskClient) -> None:
    problem(client.get("/api/nothing"), 404, "not_found")


@pytest.mark.parametrize("path", ["//healthz", "/healthz/", "/api//openapi.json"])
def test_a_path_that_is_nearly_right_is_not_redirected(client: FlaskClient, path: str) -> None:
    problem(client.get(path), 404, "not_found")


def test_a_wrong_method_is_a_problem_that_says_which_are_right(client: FlaskClient) -> None:
    reply = client.delete(VALIDATE)

    problem(reply, 405, "method_not_allowed")
    assert reply.allow.as_set() == {"post", "options"}


def test_an_unexpected_error_is_a_problem_that_tells_nothing_of_the_inside(
    app: Flask,
    client: FlaskClient,
    auth: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("the very inside")

    monkeypatch.setattr(type(app.extensions["platform"].intake), "accept", broken)

    reply = client.post(VALIDATE, json={"ruleset": "fx_rate", "item": GOOD_RATE}, headers=auth)

    problem(reply, 500, "internal_error")
    assert "inside" not in reply.text
    assert "ZeroDivision" not in reply.text
    assert "the very inside" in caplog.text


@pytest.mark.parametrize("status", sorted(default_exceptions))
def test_every_error_of_werkzeugs_is_a_problem(app: Flask, status: int) -> None:
    with app.test_request_context("/"), pytest.raises(HTTPException) as caught:
        abort(status)
    with app.test_request_context("/"):
        reply = app.make_response(app.handle_user_exception(caught.value))

    problem = reply.get_json()
    assert (reply.status_code, problem["status"]) == (status, status)
    assert reply.mimetype == "application/problem+json"
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", problem["code"])
    assert problem["title"]
    assert problem["detail"]
    assert problem["errors"] == []


def test_an_error_of_flask_smorests_is_a_problem(app: Flask) -> None:
    with app.test_request_context("/"), pytest.raises(HTTPException) as caught:
        flask_smorest.abort(422, message="No.", errors={"json": {"item": ["Not this."]}})
    with app.test_request_context("/"):
        reply = app.make_response(app.handle_user_exception(caught.value))

    assert reply.mimetype == "application/problem+json"
    assert reply.get_json()["code"] == "unprocessable_entity"


def test_a_path_that_is_no_text_is_a_problem(client: FlaskClient) -> None:
    problem(client.get("/api/%ff"), 404, "not_found")


def test_an_answer_to_head_is_a_problem_without_a_body(client: FlaskClient) -> None:
    reply = client.head("/api/nothing")

    assert (reply.status_code, reply.mimetype, reply.data) == (404, "application/problem+json", b"")


def test_a_database_that_is_away_is_a_problem_that_says_when_to_come_back(
    client: FlaskClient, auth: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: Database) -> None:
        raise DatabaseAway("The database cannot be reached right now.")

    monkeypatch.setattr(Database, "transaction", away)
    monkeypatch.setattr(Database, "autocommit", away)
    monkeypatch.setattr(Database, "single", away)

    reply = client.post(VALIDATE, json={"ruleset": "fx_rate", "item": GOOD_RATE}, headers=auth)

    problem(reply, 503, "database_unavailable")
    assert int(reply.headers["Retry-After"]) > 0
