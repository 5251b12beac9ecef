"""Calls that many tests make, and what they expect of every problem."""

from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

VALIDATE = "/api/validation/validate"
GOOD_RATE = {"date": "2026-11-20", "base": "EUR", "quote": "USD", "rate": "1.0842", "source": "ECB"}


def bearer(token: str) -> dict[str, str]:
    """Return the header that carries the token."""
    return {"Authorization": f"Bearer {token}"}


def submit(client: FlaskClient, auth: dict[str, str], **more: Any) -> dict[str, Any]:
    """Return the resource of a new request with one good rate in it."""
    reply = client.post(VALIDATE, json={"ruleset": "fx_rate", "item": GOOD_RATE, **more}, headers=auth)
    assert reply.status_code == 202, reply.text
    return dict(told(reply))


def told(reply: TestResponse) -> Any:
    """Return what the reply says."""
    return reply.get_json()


def problem(reply: TestResponse, status: int, code: str) -> dict[str, Any]:
    """Return the problem that the reply is, all that every problem has being there and in order."""
    problem = dict(told(reply))
    assert (reply.status_code, problem.get("code")) == (status, code), reply.text
    assert reply.mimetype == "application/problem+json"
    assert set(problem) == {"type", "title", "status", "detail", "code", "request_id", "errors"}
    assert problem["status"] == status
    assert problem["type"] == f"/problems/{code}"
    assert problem["request_id"] == reply.headers["X-Request-Id"]
    assert reply.headers["Cache-Control"] == "no-store"
    return problem
