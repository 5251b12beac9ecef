"""Keys, tokens and OAuth clients that many tests of access need, made by plain functions."""

import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

from app.auth import tokens
from app.auth.keys import PINNED, Key, algorithm, generate
from app.auth.scopes import Scope
from app.database import Database
from app.models import access
from app.models.base import new_id

ISSUER, AUDIENCE = "https://issuer.example", "rates"
READ_WRITE = (Scope.VALIDATIONS_READ, Scope.VALIDATIONS_WRITE)


def new_key(algorithm: str = "EdDSA") -> Key:
    """Return a key that has an id."""
    key = generate(algorithm)
    key.ensure_kid()
    return key


def pem(*keys: Key) -> str:
    """Return the private keys as one PEM."""
    return "".join(key.as_pem(private=True).decode() for key in keys)


def oauth_client(
    database: Database,
    *,
    client: str = "test",
    scopes: Sequence[str] = READ_WRITE,
    subject: str | None = None,
) -> tuple[str, str]:
    """Return id and secret of a new OAuth client; the secret is of no use where `subject` is given."""
    secret = tokens.make(tokens.SECRET_PREFIX)
    with database.transaction() as session:
        row = access.add_oauth_client(
            session,
            id=subject or str(new_id()),
            client_id=access.client(session, client),
            secret_digest=None if subject else tokens.digest(secret),
            scopes=scopes,
        )
        assert row is not None
        return row.id, secret


def good_claims(subject: str, **other: Any) -> dict[str, Any]:
    """Return the claims of a good token but for `other`; what is `None` there is left out."""
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": subject,
        "client_id": subject,
        "iat": now,
        "exp": now + 300,
        "jti": uuid4().hex,
        "scope": " ".join(READ_WRITE),
    } | other
    return {name: value for name, value in claims.items() if value is not None}


def signed(key: Key, claims: dict[str, Any], **header: Any) -> str:
    """Return the token as a decent issuer makes it, but for what `header` has else; None there is left out.

    By hand: joserfc would not put its name to most of it.
    """
    full = {"alg": algorithm(key), "typ": "at+jwt", "kid": key.kid} | header
    content = f"{part({name: value for name, value in full.items() if value is not None})}.{part(claims)}"
    return f"{content}.{encoded(PINNED.get_alg(algorithm(key)).sign(content.encode(), key))}"


def unsigned(claims: dict[str, Any], signature: str = "", **header: Any) -> str:
    """Return a token with the algorithm `none`."""
    return f"{part({'alg': 'none', 'typ': 'at+jwt', **header})}.{part(claims)}.{signature}"


def part(value: Any) -> str:
    """Return a part of a token."""
    return encoded(json.dumps(value).encode())


def encoded(content: bytes) -> str:
    """Return the content in base64url, without padding (RFC 7515 §2)."""
    return urlsafe_b64encode(content).decode().rstrip("=")


def forged(secret: bytes, claims: dict[str, Any], **header: Any) -> str:
    """Return a token that is signed with HS256, the key being what everybody knows. By hand: joserfc refuses."""
    content = f"{part({'alg': 'HS256', 'typ': 'at+jwt', **header})}.{part(claims)}"
    return f"{content}.{encoded(hmac.digest(secret, content.encode(), 'sha256'))}"


Forge = Callable[[Key, str], str]
