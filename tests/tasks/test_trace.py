"""Trace: what a worker logs can be found by the id of the HTTP request that caused it."""

from typing import Any

import dramatiq
import pytest
import structlog

from app import messages
from app.models.base import new_id
from app.platform import Platform
from app.validation import judge


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
