import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import bare
from app.api.access_log import level
from app.auth import tokens
from app.database import Database
from app.models import requests
from app.settings import Settings
from tests.api.calls import GOOD_RATE, VALIDATE, bearer
from tests.applications import application
from tests.factories import issue_token


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    """The application, writing everything it has to say as JSON."""
    with application(replace(settings, log_format="json", log_level="debug")) as app:
        yield app


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_request_is_one_line(client: FlaskClient, auth: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    client.get("/api/validation/requests/0?secret=1", headers={**auth, "X-Request-Id": "extension-42"})

    [line] = [line for line in lines(capsys) if line["event"] == "http.answered"]
    assert (line["method"], line["rule"]) == ("GET", "/api/validation/requests/<request_id>")
    assert (line["status"], line["level"]) == (404, "info")
    assert line["ms"] >= 0
    assert line["request_id"] == "extension-42"
    assert len(line["client"]) == 36


def test_a_line_of_one_request_has_nothing_of_the_one_before(
    client: FlaskClient, auth: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    client.get("/api/validation/requests/0", headers=auth)
    client.get("/nothing")

    last = [line for line in lines(capsys) if line["event"] == "http.answered"][-1]
    assert last["rule"] is None
    assert "client" not in last


def test_the_questions_of_machines_are_not_worth_a_line_unless_the_answer_is_bad() -> None:
    assert level("/readyz", 200) == logging.DEBUG
    assert level("/readyz", 503) == logging.WARNING
    assert level(VALIDATE, 500) == logging.WARNING
    assert level(VALIDATE, 422) == logging.INFO


def test_an_item_is_not_logged_when_the_database_chokes_on_it(
    client: FlaskClient, auth: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def choke(connection: bare.Connection, rows: Sequence[requests.New]) -> None:
        connection.execute("SELECT 1 / 0, %(items)s::text", {"items": str(rows[0].items)})

    monkeypatch.setattr("app.intake.requests.add", choke)

    reply = client.post(VALIDATE, json={"ruleset": "fx_rate", "item": "canary-item"}, headers=auth)

    logged = capsys.readouterr().err
    assert reply.status_code == 500
    assert "division by zero" in logged
    assert "canary-item" not in logged + reply.text


def test_a_canary_never_sings(
    client: FlaskClient,
    database: Database,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    app: Flask,
) -> None:
    """A token, wherever a caller puts it, shows up in no log line, no answer and no message."""
    token, item = issue_token(database), {**GOOD_RATE, "source": "canary-item"}
    unknown, sent = tokens.make(), []
    platform = app.extensions["platform"]
    monkeypatch.setattr(platform.broker, "enqueue", lambda message: sent.append(message.encode()))
    body = {"ruleset": "fx_rate", "item": item}

    replies = [
        client.post(VALIDATE, json=body, headers=bearer(token)),
        client.post(VALIDATE, json=body, headers={"X-API-Key": token}),
        client.post(VALIDATE, json=body, headers=bearer(unknown)),
        client.post(VALIDATE, json=body, headers=bearer(token[:-1])),
        client.post(VALIDATE, json=body, headers={"Authorization": f"Basic {token}"}),
        client.post(VALIDATE, json=body, headers={"X-API-Key": token, **bearer(token)}),
        client.post(f"{VALIDATE}?access_token={token}", json=body),
        client.get(f"/{token}"),
        client.get(f"/api/validation/requests/{token}", headers=bearer(token)),
        client.get("/healthz", headers={"X-Request-Id": token}),
        client.post(f"{VALIDATE}?wait={token}", json=body, headers=bearer(token)),
        client.post(VALIDATE, data=f"[{token}", content_type="application/json", headers=bearer(token)),
    ]
    monkeypatch.setattr(type(platform.intake), "accept", lambda *_, **__: 1 / 0)
    replies.append(client.post(VALIDATE, json=body, headers=bearer(token)))

    assert [reply.status_code for reply in replies] == [
        202, 202, 401, 401, 401, 400, 400, 404, 404, 200, 422, 400, 500,
    ]  # fmt: skip
    logged = capsys.readouterr().err
    assert "http.answered" in logged
    assert "ZeroDivisionError" in logged
    assert len(sent) == 2
    for secret in (token, token[:-1], unknown):
        assert secret not in logged
        assert not any(secret in f"{reply.headers}{reply.text}" for reply in replies)
        assert not any(secret.encode() in message for message in sent)
    assert "canary-item" not in logged
