"""Callers: who is behind a request, told by the token it carries.

One verifier for both ways to carry it: `Authorization: Bearer …` (RFC 6750) and `X-API-Key: …`, for clients that cannot
set the first. The token's prefix says its kind; `rpt_` ones are looked up by their hash.
"""

import time
from collections.abc import Callable, Container
from dataclasses import dataclass
from uuid import UUID

from app.auth import tokens
from app.database import Database
from app.errors import InvalidToken, MisplacedToken, Unauthenticated
from app.models import access

#: Returns the value of a header, or None.
Header = Callable[[str], str | None]


#: A revoked or expired token is refused everywhere after at most this long.
BELIEVED_FOR_S = 1.0
#: Tokens believed at a time; only good ones are kept, so nobody can fill this with inventions.
MOST_KNOWN = 10_000


@dataclass(frozen=True)
class Caller:
    """A client, as one of its tokens lets it act."""

    client_id: UUID
    token_id: UUID
    scopes: frozenset[str]


class Callers:
    """Tells who calls. A token that was good is believed for a moment: most requests come in company."""

    def __init__(self, database: Database) -> None:
        self._database = database
        #: By digest: until when (monotonic, s) the caller is believed, and who it is.
        self._known: dict[bytes, tuple[float, Caller]] = {}

    def identify(self, header: Header, query: Container[str]) -> Caller:
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
        digest = tokens.digest(token)
        until, caller = self._known.get(digest, (0.0, None))
        if caller is None or time.monotonic() >= until:
            caller = self._look_up(digest)
        return caller

    def _look_up(self, digest: bytes) -> Caller:
        asked_at = time.monotonic()
        self._known.pop(digest, None)
        with self._database.autocommit() as session:
            row = access.valid_token(session, digest)
        if row is None:
            raise InvalidToken("The token is unknown, expired or revoked.")
        caller = Caller(client_id=row.client_id, token_id=row.id, scopes=frozenset(row.scopes))
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[digest] = (asked_at + BELIEVED_FOR_S, caller)
        return caller


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
