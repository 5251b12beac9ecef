"""CORS: which pages and extensions may call from a browser (Fetch standard, §3.2), by a list of their origins.

Whoever is not on the list is told nothing, and a browser then keeps the answer from them. Nobody is let in by this: a
call needs its token all the same. Only the preflight needs none, since browsers send none with it.
"""

import re
from collections.abc import Callable

from flask import Flask, Response, current_app, request
from werkzeug.datastructures import HeaderSet

from app.settings import Settings, SettingsError

#: As browsers write an origin (RFC 6454 §6.2); those of extensions have their id for a host.
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[a-z0-9._-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?")

#: What a caller may send. `Authorization` has to be named: no wildcard covers it.
ALLOWED = (
    "Accept-Language",
    "Authorization",
    "Content-Encoding",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "Last-Event-ID",
    "Prefer",
    "X-API-Key",
    "X-Request-Id",
    "traceparent",
    "tracestate",
)
#: What a caller may read, besides the few headers that everybody may.
EXPOSED = (
    "Accept-Encoding",
    "Allow",
    "Content-Language",
    "ETag",
    "Idempotency-Replayed",
    "Link",
    "Location",
    "Preference-Applied",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-Id",
)
_EXPOSED = HeaderSet(EXPOSED).to_header()
#: What answers vary by where callers from some origins are served.
VARY = "Origin"
#: Seconds that a browser may remember a preflight; Chromium remembers none for longer.
MAX_AGE_S = 7_200


def install(app: Flask, settings: Settings) -> None:
    """Have callers from the listed origins served. To be installed before whatever wants a token.

    Raises:
        SettingsError: an entry of the list is no origin.
    """
    origins = listed(settings.cors_origins)
    if not origins:
        return
    app.before_request(preflight(origins))
    app.after_request(share(origins))


def listed(text: str) -> frozenset[str]:
    """Return the origins in a list with spaces or commas between. Raises SettingsError."""
    origins = frozenset(text.replace(",", " ").split())
    if wrong := [origin for origin in origins if not ORIGIN.fullmatch(origin)]:
        raise SettingsError(
            f"RATE_CORS_ORIGINS has {', '.join(sorted(wrong))}, which is no origin: scheme, host and port in lower "
            "case, without a path, such as https://rates.example or chrome-extension://<id>. There is no wildcard."
        )
    return origins


def preflight(origins: frozenset[str]) -> Callable[[], Response | None]:
    """Return what answers a preflight from one of the origins, and leaves all else to others."""

    def answer() -> Response | None:
        asks = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        if not asks or request.url_rule is None or request.origin not in origins:
            return None
        methods = current_app.create_url_adapter(request).allowed_methods()  # type: ignore[union-attr]
        told = Response(status=204)
        told.access_control_allow_methods = HeaderSet(sorted(methods))
        told.access_control_allow_headers = HeaderSet(ALLOWED)
        told.access_control_max_age = MAX_AGE_S
        return told

    return answer


def headers(origin: str | None, origins: frozenset[str]) -> dict[str, str]:
    """Return the header fields that let a caller from this origin read an answer, if it is one of these."""
    if origin is None or origin not in origins:
        return {}
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": _EXPOSED}


def share(origins: frozenset[str]) -> Callable[[Response], Response]:
    """Return what lets a caller from one of the origins read an answer."""

    def mark(response: Response) -> Response:
        # Also for those that are not listed: what a cache keeps for one is not for the other.
        response.vary.add(VARY)
        response.headers.update(headers(request.origin, origins))
        return response

    return mark
