"""What a view works with: the platform its application holds, and whoever calls."""

from typing import cast

from flask import current_app, g

from app.api.desk import Desk
from app.auth.callers import Caller
from app.auth.oauth import TokenEndpoint
from app.platform import Platform
from app.telemetry.metrics import Metrics


def platform() -> Platform:
    """Return the platform of the current application."""
    return cast(Platform, current_app.extensions["platform"])


def metrics() -> Metrics:
    """Return the numbers of the current application."""
    return cast(Metrics, current_app.extensions["metrics"])


def desk() -> Desk:
    """Return where the current application hands items in."""
    return cast(Desk, current_app.extensions["desk"])


def token_endpoint() -> TokenEndpoint:
    """Return what makes JWTs in the current application."""
    return cast(TokenEndpoint, current_app.extensions["token_endpoint"])


def caller() -> Caller:
    """Return who calls. Only for views behind a scope."""
    return cast(Caller, g.caller)
