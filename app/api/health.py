"""Health: what load balancers, scrapers and operators ask this process.

Only what concerns this very process decides whether it gets requests. Servers that all processes share are shown and
never used for that: when Redis is away every process would be taken out at once, though each could still accept.
"""

import shutil
import tempfile
import time
from collections.abc import Callable
from typing import Any

import marshmallow as ma
import redis
from flask import Response, current_app, request
from sqlalchemy import text

from app import release
from app.api import bodies
from app.api.current import metrics, platform
from app.api.openapi import Blueprint
from app.auth.guard import public, scope
from app.auth.scopes import Scope
from app.errors import DatabaseAway, NotReady

health = Blueprint("health", __name__, description="How this process is, and what it sees.")

MIGRATED = "migrated"


class Health(ma.Schema):
    """Yes."""

    status = ma.fields.Constant("ok", required=True)


class ServerStatus(ma.Schema):
    """Whether a server can be reached."""

    reachable = ma.fields.Boolean(required=True)
    ms = ma.fields.Float(required=True, metadata={"description": "Time one small question took."})


class DiskStatus(ma.Schema):
    """Room for temporary files."""

    free_bytes = ma.fields.Integer(required=True)
    total_bytes = ma.fields.Integer(required=True)


class Status(ma.Schema):
    """What this process sees."""

    database = ma.fields.Nested(ServerStatus, required=True)
    redis = ma.fields.Nested(ServerStatus, required=True)
    disk = ma.fields.Nested(DiskStatus, required=True)
    draining = ma.fields.Boolean(required=True)
    waiters = ma.fields.Integer(required=True)


@health.route("/healthz")
@public("asked by load balancers; says only that the process answers")
@health.response(200, Health)
def healthz() -> Response:
    """Say that the process lives."""
    return bodies.write({"status": "ok"})


@health.route("/readyz")
@public("asked by load balancers; says only whether the process wants requests")
@health.response(200, Health)
def readyz() -> Response:
    """Say whether this process wants to be sent requests."""
    if platform().hub.draining:
        raise NotReady("The process is about to end.")
    if not migrated():
        raise NotReady("The database has not been migrated to what this release needs.")
    return bodies.write({"status": "ok"})


@health.route("/statusz")
@scope(Scope.STATUS_READ)
@health.response(200, Status)
def statusz() -> Response:
    """Show what this process sees of the servers behind it. Always 200: it is for people."""
    disk = shutil.disk_usage(tempfile.gettempdir())
    return bodies.write(
        {
            "database": reached(ask_database),
            "redis": reached(platform().epoch.depth),
            "disk": {"free_bytes": disk.free, "total_bytes": disk.total},
            "draining": platform().hub.draining,
            "waiters": platform().hub.waiters(),
        }
    )


@health.route("/metrics")
@scope(Scope.METRICS_READ)
@health.response(200, content_type="text/plain")
def numbers() -> Response:
    """Read the numbers of all web processes, as Prometheus wants them."""
    lines, content_type = metrics().exporter.generate_metrics(request.headers.get("Accept"))
    return Response(lines, content_type=content_type)


def migrated() -> bool:
    """Return whether the database has what this release needs; asked no more once it has."""
    known = current_app.extensions
    if not known.get(MIGRATED):
        known[MIGRATED] = not release.is_behind(platform().database)
    return bool(known[MIGRATED])


def ask_database() -> None:
    """Return once the database has answered. Raises DatabaseAway."""
    with platform().database.transaction() as session:
        session.execute(text("SELECT 1"))


def reached(ask: Callable[[], Any]) -> dict[str, Any]:
    """Return whether a server answers, and how fast."""
    started = time.perf_counter()
    try:
        ask()
        reachable = True
    except (DatabaseAway, redis.RedisError):
        reachable = False
    return {"reachable": reachable, "ms": round((time.perf_counter() - started) * 1000, 2)}
