"""Idempotency keys over HTTP: `Idempotency-Key`, by which a client repeats a POST without having it done twice.

As in draft-ietf-httpapi-idempotency-key-header-07: 422 with another body, 409 while the first is being worked on. A
repeat is answered with what was made then, as it is now.
"""

import hashlib
import re
from datetime import timedelta
from typing import Any

from flask import Request

from app import json
from app.api.current import caller, platform
from app.auth import tokens
from app.errors import IdempotencyKeyInvalid
from app.models.idempotency import Key

HEADER = "Idempotency-Key"
#: Visible ASCII; the length that other APIs allow, too.
SANE = re.compile(r"[!-~]{1,255}")

PARAMETER = {
    "in": "header",
    "name": HEADER,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    "description": "A name of your own for this call. Sent again with it, the call is not done twice.",
}
HEADERS = {
    "Idempotency-Replayed": {"schema": {"const": "true"}, "description": "The call has been made before."},
}


def key(request: Request, body: Any) -> Key | None:
    """Return the key of a request with this body, or None when it has none. Raises IdempotencyKeyInvalid.

    Two bodies are the same when they say the same: neither white space nor the order of members counts.
    """
    name = request.headers.get(HEADER)
    if name is None:
        return None
    if not SANE.fullmatch(name):
        raise IdempotencyKeyInvalid("An Idempotency-Key has 1 to 255 visible ASCII characters.")
    if tokens.blot(name) != name:  # It would be stored as it is.
        raise IdempotencyKeyInvalid("An Idempotency-Key must not be a token.")
    return Key(
        client_id=caller().client_id,
        route=f"{request.method} {request.path}",
        name=name,
        digest=hashlib.sha256(json.canonical(body)).digest(),
        kept=timedelta(hours=platform().settings.idempotency_keys_kept_h),
    )
