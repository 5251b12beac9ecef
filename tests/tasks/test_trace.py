"""Trace: what a worker logs can be found by the id of the HTTP request that caused it."""

import json
from dataclasses import replace
from typing import Any

import dramatiq
import pytest
import structlog

from app import messages
from app.models.base import new_id
from app.platform import Platform
from app.telemetry import logs
from app.validation import judge
from broker import trace
from tests.applications import logging_kept

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_the_request_id_goes_from_http_to_the_worker(
    platform: Platform, running_worker: dramatiq.Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, Any]] = []

    def looking_judge(*args: Any) -> Any:
        seen.append(structlog.contextvars.get_contextvars())
        return judge(*args)

    monkeypatch.setattr("tasks.validation.judge", looking_judge)

    with structlog.contextvars.bound_contextvars(request_id="from-the-browser"):
        platform.intake.accept(new_id(), client_id=new_id(), source="api", ruleset="fx_rate", items=[{}])
    platform.intake.accept(new_id(), client_id=new_id(), source="api", ruleset="fx_rate", items=[{}])
    platform.broker.join(messages.VALIDATION_REQUESTS, timeout=10_000)

    assert sorted(bound.get("request_id", "none of its own") for bound in seen) == [
        "from-the-browser",
        "none of its own",
    ]
    assert all(bound["actor"] == messages.VALIDATE for bound in seen)


def test_the_lines_of_a_message_that_is_given_up_say_whose_it_was(
    platform: Platform,
    running_worker: dramatiq.Worker,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def crash(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("tasks.validation.judge", crash)

    with logging_kept():
        logs.configure(replace(platform.settings, log_format="json"))  # As the doors of all processes do.
        trace.adopt(PARENT)
        with structlog.contextvars.bound_contextvars(request_id="from-the-browser"):
            platform.intake.accept(new_id(), client_id=new_id(), source="api", ruleset="fx_rate", items=[{}])
        trace.adopt(None)
        platform.broker.join(messages.VALIDATION_REQUESTS, timeout=10_000)

    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    for logger in ("dramatiq.worker.WorkerThread", "dramatiq.middleware.retries.Retries", "tasks.failures"):
        last = [line for line in lines if line["logger"] == logger and line["level"] in ("warning", "error")][-1]
        assert (last["request_id"], last["trace_id"]) == ("from-the-browser", PARENT[3:35])
        assert last["actor"] == messages.VALIDATE
