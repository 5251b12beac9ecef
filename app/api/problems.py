"""Problems: every answer that is not a success, as `application/problem+json` (RFC 9457), made in this one place.

A problem has `type`, `title`, `status`, `detail`, `code` (stable, for programs), `request_id` (as in the logs), and
`errors`: a list of `{pointer, code, detail, params}`, empty where the problem is not about single values.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from flask import Flask, Response
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed

from app import errors, json

MIMETYPE = "application/problem+json"
REALM = 'Bearer realm="rate-platform"'
BASIC = 'Basic realm="rate-platform", charset="UTF-8"'
#: Seconds after which a client may try again what failed for the moment.
RETRY_AFTER_S = 2


@dataclass(frozen=True)
class Kind:
    """How one class of error looks over HTTP."""

    status: int
    title: str
    headers: Mapping[str, str] = field(default_factory=dict)
    #: The place in the body that is at fault, where it is always the same one (RFC 6901).
    pointer: str | None = None


AWAY = {"Retry-After": str(RETRY_AFTER_S)}

#: From the domain's errors. The nearest class counts.
KINDS: dict[type[errors.AppError], Kind] = {
    errors.BadRequest: Kind(400, "The request cannot be read"),
    errors.MisplacedToken: Kind(
        400, "The token is in the wrong place", {"WWW-Authenticate": f'{REALM}, error="invalid_request"'}
    ),
    # RFC 6750 §3.1: no error code for a request that has no token at all.
    errors.Unauthenticated: Kind(401, "A token is needed", {"WWW-Authenticate": REALM}),
    errors.InvalidToken: Kind(401, "The token is not valid", {"WWW-Authenticate": f'{REALM}, error="invalid_token"'}),
    errors.Forbidden: Kind(
        403,
        "The token may not do this",
        {"WWW-Authenticate": REALM + ', error="insufficient_scope", scope="{scope}"'},
    ),
    errors.TokenNotFound: Kind(404, "There is no such token"),
    errors.IssuerAway: Kind(503, "The token cannot be checked right now", AWAY),
    **dict.fromkeys(
        (errors.TokenRefused, errors.InvalidTokenRequest, errors.UnsupportedGrant, errors.InvalidScope),
        Kind(400, "There is no token for this request"),
    ),
    errors.JwtOff: Kind(404, "There are no JWTs here"),
    # RFC 6749 §5.2: the scheme is the one that the OAuth client should have used.
    errors.InvalidClient: Kind(401, "The OAuth client is not known", {"WWW-Authenticate": BASIC}),
    errors.TooManyAttempts: Kind(429, "Too many attempts", {"Retry-After": "{retry_after_s}"}),
    errors.TooManyRequests: Kind(429, "Too many requests", {"Retry-After": "{retry_after_s}"}),
    errors.TooManyWaiters: Kind(429, "Too many requests are waiting", AWAY),
    errors.RequestNotFound: Kind(404, "There is no such request"),
    errors.CursorMismatch: Kind(400, "The cursor is of another list"),
    errors.IdempotencyKeyInvalid: Kind(400, "The Idempotency-Key cannot be used"),
    errors.IdempotencyKeyReused: Kind(422, "The Idempotency-Key is taken"),
    errors.IdempotencyKeyBusy: Kind(409, "The same request is being worked on", AWAY),
    errors.InvalidRequest: Kind(422, "The request is not of the right shape"),
    errors.DryRunTooSlow: Kind(422, "The dry run takes too long", pointer="/items"),
    errors.UnknownRuleSet: Kind(422, "There is no such rule set", pointer="/ruleset"),
    errors.RuleSetChanged: Kind(409, "The rule set is published with another content"),
    errors.RuleSetNotFound: Kind(404, "There is no such rule set"),
    errors.RuleSetInvalid: Kind(422, "The rule set cannot be published"),
    errors.DraftNotFound: Kind(404, "There is no draft"),
    errors.DraftExists: Kind(412, "There is a draft already"),
    errors.DraftChanged: Kind(412, "The draft has changed"),
    errors.DraftConflict: Kind(409, "The draft has changed"),
    errors.PreconditionMissing: Kind(428, "If-Match is needed"),
    errors.UnknownTable: Kind(404, "There is no such reference table"),
    errors.BuiltInTable: Kind(409, "The reference table comes with the platform"),
    errors.InvalidTable: Kind(422, "This cannot be loaded as a reference table"),
    errors.ComparisonNotFound: Kind(404, "There is no such comparison"),
    errors.ComparisonRunning: Kind(409, "A comparison is running"),
    errors.ComparisonEnded: Kind(409, "The comparison is over"),
    errors.DatabaseAway: Kind(503, "The service cannot answer right now", AWAY),
    errors.NotReady: Kind(503, "This process is not ready", AWAY),
}

#: From Werkzeug's errors: code, title, and what to tell people in place of Werkzeug's words for browsers.
STATUSES: dict[int, tuple[str, str, str | None]] = {
    400: ("bad_request", "The request cannot be read", None),
    404: ("not_found", "There is nothing here", "No resource has this path."),
    405: ("method_not_allowed", "The method is not allowed here", None),
    413: ("body_too_large", "The body is too large", "The body is larger than this service takes."),
    414: ("request_uri_too_long", "The URL is too long", None),
    415: ("unsupported_media_type", "The body is not of a type that can be read", None),
    417: ("expectation_failed", "What the request expects cannot be done", None),
    431: ("request_header_fields_too_large", "The headers are too large", None),
    500: ("internal_error", "Something went wrong here", "It has been written down; the request id finds it again."),
    501: ("not_implemented", "The body comes in a way that cannot be read", None),
}


def install(app: Flask) -> None:
    """Have the domain's errors answered as problems. For Flask's, `openapi.Api` does it, which must be told anyway."""
    app.register_error_handler(errors.AppError, from_error)


def from_error(error: errors.AppError) -> Response:
    """Return the answer to a domain error."""
    kind = next(KINDS[cls] for cls in type(error).__mro__ if cls in KINDS)
    params = dict(error.params)
    faults = params.pop("errors", [])
    if kind.pointer is not None:
        faults = [fault(kind.pointer, error.code, error.detail, params)]
    headers = {name: value.format(**params) for name, value in kind.headers.items()}
    more = rfc6749(error) if isinstance(error, errors.TokenRefused) else {}
    return answer(kind.status, error.code, kind.title, error.detail, errors=faults, headers=headers, more=more)


def rfc6749(error: errors.TokenRefused) -> dict[str, str]:
    """Return the members by which OAuth's own clients know why there is no token (RFC 6749 §5.2)."""
    return {"error": error.error, "error_description": error.detail}


def from_http(error: HTTPException) -> Response:
    """Return the answer to an error of Flask's or Werkzeug's, or to one that nobody expected."""
    status = error.code or InternalServerError.code
    name = error.name
    code, title, detail = STATUSES.get(status, (re.sub(r"[^a-z]+", "_", name.lower()), name, None))
    if isinstance(error, MethodNotAllowed):
        detail = f"Allowed here: {', '.join(sorted(error.valid_methods or ()))}."
    elif error.description != type(error).description:  # It was raised by us, who know more.
        detail = error.description
    headers = {key: value for key, value in error.get_headers() if key != "Content-Type"}
    return answer(status, code, title, detail or error.description or title, headers=headers)


def codes() -> Iterator[tuple[str, tuple[int, str]]]:
    """Yield every code that a problem can have, with its status and title."""
    for status, (code, title, _) in STATUSES.items():
        yield code, (status, title)
    for error, kind in KINDS.items():
        yield error.code, (kind.status, kind.title)


def fault(pointer: str, code: str, detail: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return one entry of `errors`. `pointer` leads into the body (RFC 6901); "" means the whole of it."""
    return {"pointer": pointer, "code": code, "detail": detail, "params": dict(params or {})}


def answer(
    status: int,
    code: str,
    title: str,
    detail: str,
    *,
    errors: Sequence[Mapping[str, Any]] = (),
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, str] | None = None,
) -> Response:
    """Return the problem as a response. `more` are members that this kind of problem alone has (RFC 9457 §3.2)."""
    body = {
        "type": type_of(code),
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": structlog.contextvars.get_contextvars().get("request_id"),
        "errors": list(errors),
        **(more or {}),
    }
    return Response(json.dumps(body), status=status, headers=dict(headers or {}), mimetype=MIMETYPE)


def type_of(code: str) -> str:
    """Return the problem's type, a URI reference that stays the same as long as the code does.

    It leads to a page about the problem (app/api/explanations.py).
    """
    return f"/problems/{code}"
