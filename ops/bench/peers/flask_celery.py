"""What a user would write in ours' place: Flask, Celery on Redis, rows in Postgres, clients that ask again and again.

As the manuals of both have it: the view stores the row and calls `delay`, the task loads it, judges it, stores the
verdict and returns it, and a second view looks for the task's result. Acknowledged late, so that a crash loses nothing.
The rules are judged by the same engine as ours. Untuned, but nothing is made slow, either: pooled connections, one
statement a step, gevent below gunicorn.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any
from uuid import uuid4

from celery import Celery  # type: ignore[import-not-found,import-untyped,unused-ignore]  # in the peers' environment
from flask import Flask, request
from flask.typing import ResponseReturnValue
from psycopg.types.json import Jsonb
from psycopg_pool import ConnectionPool  # type: ignore[import-not-found,unused-ignore]  # likewise

from app.rules import RuleSet, compile_rules
from ops.bench.freight import RULESET

MAKE = """
CREATE TABLE IF NOT EXISTS requests (
    id uuid PRIMARY KEY,
    ruleset text NOT NULL,
    item jsonb NOT NULL,
    state text NOT NULL DEFAULT 'pending',
    verdict text,
    findings jsonb,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz
)
"""

app = Celery("peer", broker=os.environ["BENCH_REDIS_URL"], backend=os.environ["BENCH_RESULTS_URL"])
app.conf.update(task_acks_late=True)


@cache
def pool() -> ConnectionPool:
    """Return this process's connections."""
    return ConnectionPool(os.environ["BENCH_DATABASE_URL"], min_size=4, max_size=10, open=True)


@cache
def rules() -> RuleSet:
    """Return the rule set, compiled."""
    return compile_rules(RULESET)


@app.task(name="validate")  # type: ignore[untyped-decorator,unused-ignore]  # theirs
def validate(request_id: str) -> dict[str, Any]:
    """The request has a verdict, which is returned."""
    with pool().connection() as connection:
        row = connection.execute("SELECT item FROM requests WHERE id = %s FOR UPDATE", (request_id,)).fetchone()
        assert row is not None
        findings = [
            {
                "pointer": finding.pointer,
                "code": finding.code,
                "severity": finding.severity,
                "params": finding.params,
                "message": finding.message(rules().messages),
                "rule_id": finding.rule_id,
            }
            for finding in rules().check(row[0])
        ]
        verdict = "invalid" if any(each["severity"] == "error" for each in findings) else "valid"
        connection.execute(
            "UPDATE requests SET state = 'done', verdict = %s, findings = %s, finished_at = clock_timestamp()"
            " WHERE id = %s",
            (verdict, Jsonb(findings), request_id),
        )
    return {"id": request_id, "state": "done", "verdict": verdict, "items": [{"findings": findings}]}


def make() -> Flask:
    """Return the web application."""
    web = Flask(__name__)
    token = f"Bearer {os.environ['BENCH_TOKEN']}"
    with pool().connection() as connection:
        connection.execute(MAKE)

    @web.before_request
    def guard() -> ResponseReturnValue | None:
        known = request.headers.get("Authorization") == token or request.path == "/readyz"
        return None if known else ({"title": "Unauthorized"}, 401)

    @web.get("/readyz")
    def ready() -> ResponseReturnValue:
        return {}

    @web.post("/api/validation/validate")
    def accept() -> ResponseReturnValue:
        sent = request.get_json()
        if not isinstance(sent, dict) or not isinstance(sent.get("ruleset"), str) or "item" not in sent:
            return {"title": "Unprocessable Content"}, 422
        request_id = str(uuid4())
        with pool().connection() as connection:
            connection.execute(
                "INSERT INTO requests (id, ruleset, item) VALUES (%s, %s, %s)",
                (request_id, sent["ruleset"], Jsonb(sent["item"])),
            )
        validate.apply_async((request_id,), task_id=request_id)
        url = f"/api/validation/requests/{request_id}"
        links = {"self": url, "result": f"{url}/result"}
        return {"id": request_id, "state": "pending", "links": links}, 202, {"Location": url}

    @web.get("/api/validation/requests/<request_id>/result")
    def result(request_id: str) -> ResponseReturnValue:
        task = app.AsyncResult(request_id)
        if not task.ready():
            return {"id": request_id, "state": "pending"}, 202
        answer: dict[str, Any] = task.get()
        return answer

    return web
