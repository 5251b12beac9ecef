"""ETags (RFC 9110 §13): what a client knows is not sent again, and what has changed meanwhile is not overwritten.

Every tag here is strong: it names one state of one resource, byte for byte. A tag that a proxy has weakened (`W/…`)
therefore never matches in If-Match, and still does in If-None-Match.
"""

import hashlib
from collections.abc import Container, Mapping
from typing import Any

from flask import Request, Response
from werkzeug.http import quote_etag

from app import json
from app.api import bodies
from app.errors import PreconditionMissing

#: Keep it, and ask each time whether it still stands.
CACHE = {"Cache-Control": "private, no-cache"}

#: How a view that answers with a tag describes it.
ETAG = {"ETag": {"schema": {"type": "string"}, "description": "Names this state; for If-Match and If-None-Match."}}
IF_MATCH = {
    "in": "header",
    "name": "If-Match",
    "schema": {"type": "string"},
    "description": "The ETag of the state that the change was made for.",
}
IF_NONE_MATCH = {
    "in": "header",
    "name": "If-None-Match",
    "schema": {"type": "string"},
    "description": "The ETag that is known already: the answer is 304 while it still stands.",
}


def of(value: Any) -> str:
    """Return the tag of a state that has no name of its own: the SHA-256 of its JSON, in hex."""
    return hashlib.sha256(json.canonical(value)).hexdigest()


def of_bytes(body: bytes) -> str:
    """Return the tag of an answer of which nothing else says when it changes: the SHA-256 of its bytes, in hex."""
    return hashlib.sha256(body).hexdigest()


def is_known(request: Request, etag: str) -> bool:
    """Return whether the caller has this very state, so that 304 is the answer (weak comparison, RFC 9110 §13.1.2)."""
    known = request.if_none_match
    return bool(known.star_tag) or known.contains_weak(etag)


def write(
    request: Request, value: Any, etag: str, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return `value` as JSON with its tag, or 304 and nothing more when the caller has it."""
    if request.method in ("GET", "HEAD") and is_known(request, etag):
        return unchanged(etag)
    return bodies.write(value, status, {"ETag": quote_etag(etag), **CACHE, **(headers or {})})


def sealed(request: Request, response: Response) -> Response:
    """Return the response with the tag of its very bytes, or 304 when the caller has them.

    For answers of which nothing else says when they change. 304 has what a cache needs to know (RFC 9110 §15.4.5).
    """
    etag = of_bytes(response.get_data())
    if is_known(request, etag):
        known = unchanged(etag)
        known.vary.update(response.vary)
        return known
    response.headers.update(tagged(etag))
    return response


def tagged(etag: str) -> dict[str, str]:
    """Return the headers of an answer that has this tag."""
    return {"ETag": quote_etag(etag), **CACHE}


def unchanged(etag: str) -> Response:
    """Return 304 with the tag."""
    return Response(status=304, headers=tagged(etag))


def expected(request: Request) -> Container[str]:
    """Return the tags of which the resource must have one, for the change to be made; `*` contains every tag.

    Raises:
        PreconditionMissing: there is no If-Match, so the change might undo somebody else's (RFC 6585 §3).
    """
    if "If-Match" not in request.headers:
        raise PreconditionMissing("Say in If-Match which ETag the change is made for.")
    return request.if_match
