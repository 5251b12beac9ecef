"""Callers: who is behind a request, told by the token it carries.

One verifier for both ways to carry it: `Authorization: Bearer …` (RFC 6750) and `X-API-Key: …`, for clients that cannot
set the first. The token's prefix says its kind; `rpt_` ones are looked up by their hash.
"""

from collections.abc import Callable, Container
from dataclasses import dataclass
from uuid import UUID

from app.auth import tokens
from app.database import Database
from app.errors import InvalidToken, MisplacedToken, Unauthenticated
from app.models import access

#: Returns the value of a header, or None.
Header = Callable[[str], str | None]


@dataclass(frozen=True)
class Caller:
    """A client, as one of its tokens lets it act."""

    client_id: UUID
    token_id: UUID
    scopes: frozenset[str]


def identify(database: Database, header: Header, query: Container[str]) -> Caller:
    """Return who carries the token of the request with these headers and these query parameters.

    Raises:
        Unauthenticated: there is no token.
        InvalidToken: it is malformed, unknown, expired or revoked: the caller is not told which.
        MisplacedToken: there are two, or it is in the URL.
        DatabaseAway: it cannot be looked up right now.
    """
    token = carried(header, query)
    if not tokens.is_sound(token):
        raise InvalidToken("The token is not one that this service has issued.")
    with database.transaction() as session:
        row = access.valid_token(session, tokens.digest(token))
    if row is None:
        raise InvalidToken("The token is unknown, expired or revoked.")
    return Caller(client_id=row.client_id, token_id=row.id, scopes=frozenset(row.scopes))


def carried(header: Header, query: Container[str]) -> str:
    """Return the one token that the request carries. Raises Unauthenticated or MisplacedToken."""
    if "access_token" in query:
        # Allowed by RFC 6750 §2.3 and advised against in the same breath: URLs end up in logs and histories.
        raise MisplacedToken("A token in the URL is not accepted; send it in the Authorization header.")
    key, authorization = header("X-API-Key"), header("Authorization")
    if key is not None and authorization is not None:
        raise MisplacedToken("Send the token in Authorization or in X-API-Key, not in both.")
    if key is not None:
        return key
    if authorization is None:
        raise Unauthenticated("A token is needed: Authorization: Bearer rpt_… or X-API-Key: rpt_…")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated("The Authorization header must be of the Bearer scheme.")
    return token.strip()
