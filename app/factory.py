"""The web application: `create_app(settings)` puts the HTTP face on a platform. It connects to nothing."""

from collections.abc import Callable
from typing import Any

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from app import cli
from app.api import access_log, cors, detour, limits, openapi, problems, request_ids, security_headers, tracking
from app.api.audit import audit
from app.api.comparisons import comparisons
from app.api.desk import Desk
from app.api.docs import docs
from app.api.drafts import drafts
from app.api.events import events
from app.api.explanations import explanations
from app.api.fast_path import FastPath
from app.api.health import health
from app.api.history import history
from app.api.oauth import oauth
from app.api.openapi import description
from app.api.reference import reference
from app.api.rulesets import rulesets
from app.api.seats import Seats
from app.api.tokens import tokens
from app.api.trials import trials
from app.api.validation import validation
from app.auth import guard
from app.auth.callers import Callers
from app.auth.jwts import Verifier
from app.auth.keys import SigningKeys
from app.auth.oauth import TokenEndpoint
from app.auth.strangers import Strangers
from app.database import Database
from app.platform import Platform
from app.settings import Settings
from app.telemetry import logs
from app.telemetry.metrics import Metrics
from app.telemetry.tracking import Tracking


class Web(Flask):
    """Flask, knowing that nothing of ours is a coroutine."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function. Flask would look at every hook and view for each request whether it is one."""
        return func


def create_app(settings: Settings) -> Flask:
    """Return the application. Its platform is `app.extensions["platform"]` and starts with the first request.

    Raises:
        guard.Unguarded: a route does not say who may call it.
        SettingsError: the keys of the JWTs, or the origins that may call, cannot be used.
    """
    logs.configure(settings)
    app = Web("app", static_folder=None)
    configure(app, settings)
    platform = Platform.open(settings, name="web")
    app.extensions["platform"] = platform
    # In this order: the request has its id before anything can go wrong, and is logged after everything else is done.
    request_ids.install(app)
    tracks = Tracking.open(settings, process="web")
    tracking.install(app, tracks)
    access_log.install(app)
    cors.install(app, settings)  # Before the guard: a preflight has no token.
    security_headers.install(app)
    problems.install(app)
    metrics = Metrics.install(app)
    app.extensions["metrics"] = metrics
    app.before_request(platform.start)  # Threads do not survive a fork: the process that serves makes them.
    callers = authorize(app, settings, platform.database)
    counted = limits.install(app, settings)
    detour.install(app)
    seats = Seats(per_client=settings.client_waiters, per_process=settings.process_waiters)
    desk = app.extensions["desk"] = Desk(platform, metrics, seats)
    routes(app)
    cli.install(app)
    if not tracks.traces:
        app.wsgi_app = FastPath(  # type: ignore[method-assign]
            app.wsgi_app, settings, callers=callers, limits=counted, desk=desk, metrics=metrics
        )
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    return app


def configure(app: Flask, settings: Settings) -> None:
    """Set what Flask and its extensions are to know."""
    app.config.from_mapping(
        # One more than allowed, see bodies.read.
        MAX_CONTENT_LENGTH=settings.max_body_bytes + 1,
        # Also under test: an unexpected error is a problem for the caller, and a traceback in the log.
        PROPAGATE_EXCEPTIONS=False,
        API_TITLE="Rate Platform",
        API_VERSION=openapi.VERSION,
        OPENAPI_VERSION="3.1.0",
        API_SPEC_OPTIONS={"info": {"description": openapi.INTRODUCTION}},
    )
    # A doubled slash is another path. Redirects would be the only answers that are neither success nor problem.
    app.url_map.merge_slashes = False


def authorize(app: Flask, settings: Settings, database: Database) -> Callers:
    """Have callers told by their tokens, and JWTs made where there is a key. Return who tells. Raises SettingsError."""
    keys = SigningKeys.of(settings.jwt_signing_keys)
    app.extensions["token_endpoint"] = TokenEndpoint(
        database,
        keys,
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        per_minute=settings.token_requests_per_minute,
    )
    callers = Callers(database, Verifier.of(settings, keys), Strangers(settings.refused_tokens_per_s))
    guard.install(app, callers)
    return callers


def routes(app: Flask) -> None:
    """Add every route. Raises guard.Unguarded."""
    api = openapi.Api(app)
    openapi.describe_access(api)
    asked = (validation, events, history)
    written = (reference, rulesets, drafts, trials, comparisons, audit)
    for blueprint in (*asked, *written, tokens, oauth, health, description, docs, explanations):
        api.register_blueprint(blueprint)
    guard.verify(app)
