"""The web application: `create_app(settings)` puts the HTTP face on a platform. It connects to nothing."""

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from app import cli
from app.api import access_log, openapi, problems, request_ids, security_headers
from app.api.health import health
from app.api.openapi import description
from app.api.validation import validation
from app.auth import guard
from app.platform import Platform
from app.settings import Settings
from app.telemetry import logs
from app.telemetry.metrics import Metrics


def create_app(settings: Settings) -> Flask:
    """Return the application. Its platform is `app.extensions["platform"]` and starts with the first request.

    Raises:
        guard.Unguarded: a route does not say who may call it.
    """
    logs.configure(settings)
    app = Flask("app", static_folder=None)
    configure(app, settings)
    platform = Platform.open(settings, name="web")
    app.extensions["platform"] = platform
    # In this order: the request has its id before anything can go wrong, and is logged after everything else is done.
    request_ids.install(app)
    access_log.install(app)
    security_headers.install(app)
    problems.install(app)
    app.extensions["metrics"] = Metrics.install(app)
    app.before_request(platform.start)  # Threads do not survive a fork: the process that serves makes them.
    guard.install(app, platform.database)
    routes(app)
    cli.install(app)
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
    )
    # A doubled slash is another path. Redirects would be the only answers that are neither success nor problem.
    app.url_map.merge_slashes = False


def routes(app: Flask) -> None:
    """Add every route. Raises guard.Unguarded."""
    api = openapi.Api(app)
    openapi.describe_access(api)
    for blueprint in (validation, health, description):
        api.register_blueprint(blueprint)
    guard.verify(app)
