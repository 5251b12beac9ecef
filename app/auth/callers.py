"""Callers: who is behind a request, told by the token it carries.

One verifier for both ways to carry it: `Authorization: Bearer …` (RFC 6750) and `X-API-Key: …`, for clients that cannot
set the first. The token's prefix says its kind: `rpt_` ones are looked up by their hash, any other is a JWT, and looked
up is whom it speaks for.
"""

import time
from collections.abc import Callable, Container
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

from app.auth import tokens
from app.auth.jwts import Verifier
from app.auth.strangers import Strangers
from app.database import Database
from app.errors import DatabaseAway, InvalidToken, MisplacedToken, Unauthenticated
from app.groups import Once
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
    #: The id of its `rpt_` token, or the OAuth client of its JWT: what one would revoke.
    token_id: str
    scopes: frozenset[str]


@dataclass(slots=True)
class _Known:
    """A caller that is believed until then (monotonic, s), and from when on it is asked after again."""

    caller: Caller
    until: float
    ask_at: float


class Callers:
    """Tells who calls. A token that was good is believed for a moment: most requests come in company."""

    def __init__(self, database: Database, verifier: Verifier, strangers: Strangers) -> None:
        self._database = database
        self._verifier = verifier
        self._strangers = strangers
        #: By digest.
        self._known: dict[bytes, _Known] = {}
        self._asked: Once[bytes, Caller] = Once()
        #: Tokens whose use has to be written down.
        self._used: set[UUID] = set()

    def identify(self, header: Header, query: Container[str], address: str | None) -> Caller:
        """Return who carries the token of the request with these headers and these query parameters.

        `address` is where the request is from.

        Raises:
            Unauthenticated: there is no token.
            InvalidToken: it is malformed, unknown, expired or revoked: the caller is not told which.
            MisplacedToken: there are two, or it is in the URL.
            TooManyRequests: too many tokens from this address were no good, and this one is not known.
            DatabaseAway, IssuerAway: it cannot be looked up right now.
        """
        token = carried(header, query)
        digest = tokens.digest(token)
        caller = self._believed(token, digest)
        if caller is not None:
            return caller
        return self._look_up(token, digest) if digest in self._known else self._meet(token, digest, address)

    def known(self, header: Header, query: Container[str]) -> Caller | None:
        """Return who `identify` would return, if that is known; None if it has to be asked.

        Raises Unauthenticated, MisplacedToken.
        """
        token = carried(header, query)
        return self._believed(token, tokens.digest(token))

    @property
    def has_uses(self) -> bool:
        """Whether there are uses to write down."""
        return bool(self._used)

    def write_uses(self) -> None:
        """Have the uses of tokens written down. Those that cannot be, right now, are left to the next use."""
        used, self._used = self._used, set()
        if not used:  # Another request got there first.
            return
        try:
            with self._database.autocommit() as session:
                access.used(session, used)
        except DatabaseAway:
            return

    def _believed(self, token: str, digest: bytes) -> Caller | None:
        """Return whose token this is, if that was asked a moment ago.

        Half-way there it is asked anew, and nobody has to wait for it.
        """
        known, now = self._known.get(digest), time.monotonic()
        if known is None or now >= known.until:
            return None
        if now >= known.ask_at:
            known.ask_at = known.until
            self._asked.soon(digest, partial(self._ask, token, digest))
        return known.caller

    def _meet(self, token: str, digest: bytes, address: str | None) -> Caller:
        now = time.monotonic()
        self._strangers.admit(address, now)
        try:
            return self._look_up(token, digest)
        except InvalidToken:
            self._strangers.refused(address, now)
            raise

    def _look_up(self, token: str, digest: bytes) -> Caller:
        return self._asked.do(digest, partial(self._ask, token, digest))

    def _ask(self, token: str, digest: bytes) -> Caller:
        asked_at = time.monotonic()
        try:
            caller = self._by_token(token, digest) if token.startswith(tokens.PREFIX) else self._by_jwt(token)
        except InvalidToken:
            self._known.pop(digest, None)
            raise
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[digest] = _Known(caller, asked_at + BELIEVED_FOR_S, asked_at + BELIEVED_FOR_S / 2)
        return caller

    def _by_token(self, token: str, digest: bytes) -> Caller:
        if not tokens.is_sound(token):
            raise InvalidToken("The token is not one that this service has issued.")
        with self._database.autocommit() as session:
            row = access.valid_token(session, digest)
        if row is None:
            raise InvalidToken("The token is unknown, expired or revoked.")
        if row.last_used_at is None or datetime.now(UTC) - row.last_used_at > access.USED_EVERY:
            self._used.add(row.id)
        return Caller(client_id=row.client_id, token_id=str(row.id), scopes=frozenset(row.scopes))

    def _by_jwt(self, token: str) -> Caller:
        bearer = self._verifier.verify(token)
        with self._database.autocommit() as session:
            row = access.oauth_client(session, bearer.subject)
        # One that has a secret gets its tokens here: nobody else may make them in its name, nor we for others.
        if row is None or bearer.is_own != (row.secret_digest is not None):
            raise InvalidToken("The token is for an OAuth client that is unknown or revoked.")
        return Caller(client_id=row.client_id, token_id=row.id, scopes=bearer.scopes & frozenset(row.scopes))


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
        raise Unauthenticated("A token is needed: Authorization: Bearer … or X-API-Key: …")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated("The Authorization header must be of the Bearer scheme.")
    return token.strip()
