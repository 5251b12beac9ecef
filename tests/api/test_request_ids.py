import io

import pytest
from dramatiq import Message
from flask import Flask
from flask.testing import FlaskClient

from app.auth import tokens
from app.platform import Platform
from tests.api.calls import submit

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize("given", ["extension-42", "x" * 128], ids=["short", "as long as can be"])
def test_a_request_keeps_the_id_that_its_caller_gave(client: FlaskClient, given: str) -> None:
    assert client.get("/healthz", headers={"X-Request-Id": given}).headers["X-Request-Id"] == given


@pytest.mark.parametrize(
    "given",
    ["", "with space", "x" * 129, "ünïcode", "tab\there", tokens.make()],
    ids=["nothing", "with a space", "too long", "not ASCII", "with a tab", "a token"],
)
def test_an_id_that_is_not_sane_is_replaced(client: FlaskClient, given: str) -> None:
    shown = client.get("/healthz", headers={"X-Request-Id": given}).headers["X-Request-Id"]

    assert shown != given
    assert len(shown) == 36


def test_two_requests_have_two_ids(client: FlaskClient) -> None:
    first, second = (client.get("/healthz").headers["X-Request-Id"] for _ in range(2))

    assert first != second


def test_the_id_goes_with_the_message_to_the_worker(
    app: Flask, client: FlaskClient, auth: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    platform: Platform = app.extensions["platform"]
    sent: list[Message[None]] = []
    monkeypatch.setattr(platform.broker, "enqueue", sent.append)

    submit(client, {**auth, "X-Request-Id": "extension-42"})

    [message] = sent
    assert message.options["trace"] == "extension-42"


def test_the_id_is_in_the_log_lines_of_the_request(
    client: FlaskClient, auth: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    submit(client, {**auth, "X-Request-Id": "extension-42"})

    lines = [line for line in io.StringIO(capsys.readouterr().err) if "extension-42" in line]
    assert any("validation.accepted" in line for line in lines)
    assert any("http.answered" in line for line in lines)


def test_the_callers_trace_is_in_the_log_lines_of_the_request_and_of_no_other(
    client: FlaskClient, auth: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    submit(client, {**auth, "traceparent": PARENT})
    submit(client, auth)

    answered = [line for line in io.StringIO(capsys.readouterr().err) if "http.answered" in line]
    assert [PARENT[3:35] in line for line in answered] == [True, False]
    assert "trace_id" not in answered[1]


def test_of_the_callers_trace_only_the_ids_go_with_the_message(
    app: Flask, client: FlaskClient, auth: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    platform: Platform = app.extensions["platform"]
    sent: list[Message[None]] = []
    monkeypatch.setattr(platform.broker, "enqueue", sent.append)

    for traceparent in (PARENT, "01" + PARENT[2:] + "-" + tokens.make(), PARENT + "-more", "nonsense"):
        submit(client, {**auth, "traceparent": traceparent, "tracestate": f"vendor={tokens.make()}"})
    submit(client, auth)

    assert [message.options.get("traceparent") for message in sent] == [PARENT, "01" + PARENT[2:], None, None, None]
    assert not any("tracestate" in message.options for message in sent)
