"""JWTs: access tokens that say themselves what they are good for (RFC 9068), signed here or by a trusted issuer.

Every token is held against the same list: `typ` at+jwt, an algorithm that its key is for, a key that the issuer has
listed, and `iss`, `aud`, `exp`, `iat`, `sub`, `client_id` and `jti`. A header never brings a key or says where one is.

A JWT is not on any list here, so that one alone cannot be revoked: it lives for LIFETIME_S. But whom it speaks for is
looked up as for any token, so that revoking the OAuth client ends all of its tokens at once.
"""

import binascii
import time
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self
from uuid import uuid4

import orjson
from authlib.oauth2.rfc9068.claims import JWTAccessTokenClaims
from joserfc import jwt
from joserfc.errors import JoseError

from app import json
from app.auth.jwks import Jwks
from app.auth.keys import PINNED, Key, SigningKeys, algorithm
from app.errors import InvalidToken
from app.settings import Settings, SettingsError

TYPE = "at+jwt"
#: How long a token that is made here is good for (s).
LIFETIME_S = 300
#: How far the clock of another issuer may be off (s).
SKEW_S = 5
#: No token of ours is near as long.
LONGEST = 8_192
LONGEST_SUBJECT = 255
#: Ways to bring a key along (RFC 7515 §4.1), or to change what is signed (RFC 7797): refused, whatever they say.
REFUSED_HEADERS = ("jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "enc")


class Keys(Protocol):
    """Where an issuer's keys are found."""

    def find(self, kid: str) -> Key | None:
        """Return the key with this id, or None. Raises IssuerAway."""


@dataclass(frozen=True)
class Bearer:
    """What a good token says."""

    #: The OAuth client that it was made for.
    subject: str
    scopes: frozenset[str]
    #: Whether it was made here, or else by the trusted issuer.
    is_own: bool


class Verifier:
    """Tells good tokens from others."""

    def __init__(self, *, own: str, issuers: Mapping[str, Keys], audience: str) -> None:
        self._own = own
        self._issuers = issuers
        self._audience = audience

    @classmethod
    def of(cls, settings: Settings, keys: SigningKeys) -> Self:
        """Return a verifier of our own tokens, where there are keys, and of the trusted issuer's, where there is one.

        Raises:
            SettingsError: the trusted issuer is only half described, or is called as this one is.
        """
        issuers: dict[str, Keys] = {settings.jwt_issuer: keys} if keys else {}
        trusted, address = settings.jwt_trusted_issuer, settings.jwt_trusted_jwks
        if bool(trusted) != bool(address):
            raise SettingsError("RATE_JWT_TRUSTED_ISSUER and RATE_JWT_TRUSTED_JWKS belong together.")
        if trusted == settings.jwt_issuer:
            raise SettingsError("RATE_JWT_TRUSTED_ISSUER must not be RATE_JWT_ISSUER, which is the name of this one.")
        if trusted:
            issuers[trusted] = Jwks.at(address)
        return cls(own=settings.jwt_issuer, issuers=issuers, audience=settings.jwt_audience)

    def verify(self, token: str) -> Bearer:
        """Return what the token says, which is true.

        Raises:
            InvalidToken: it is not: the caller is not told why.
            IssuerAway: nobody can tell right now.
        """
        header, claims = peek(token)
        issuer = claims.get("iss")
        keys = self._issuers.get(issuer) if isinstance(issuer, str) else None
        if keys is None or not is_sound(header):
            raise refusal()
        key = keys.find(header["kid"])
        if key is None or header["alg"] != algorithm(key):
            raise refusal()
        try:
            known = jwt.decode(token, key, registry=PINNED)
            self._check(known, issuer)
        except (JoseError, ValueError, TypeError):
            raise refusal() from None
        return Bearer(known.claims["sub"], scopes_in(known.claims.get("scope")), issuer == self._own)

    def _check(self, known: jwt.Token, issuer: object) -> None:
        """Return only if every claim is as it must be. Raises JoseError, TypeError or ValueError."""
        needed: dict[str, Any] = {name: {"essential": True} for name in ("exp", "iat", "sub", "client_id", "jti")}
        needed |= {"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": self._audience}}
        JWTAccessTokenClaims(known.claims, known.header, needed).validate(leeway=SKEW_S)
        subject = known.claims["sub"]
        if not (0 < len(subject) <= LONGEST_SUBJECT and subject.isprintable()):
            raise ValueError("no name of anybody")


def sign(key: Key, *, issuer: str, audience: str, subject: str, scope: str) -> str:
    """Return a token for the OAuth client `subject`, good for LIFETIME_S from now."""
    now = int(time.time())
    header = {"alg": algorithm(key), "typ": TYPE, "kid": key.kid}
    claims = {
        "iss": issuer,
        "aud": audience,
        "sub": subject,
        "client_id": subject,
        "iat": now,
        "nbf": now,
        "exp": now + LIFETIME_S,
        "jti": uuid4().hex,
        "scope": scope,
    }
    return jwt.encode(header, claims, key, registry=PINNED)


def peek(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and claims as the token gives them, none of which is proved. Raises InvalidToken."""
    parts = token.split(".")
    if len(token) > LONGEST or len(parts) != 3:
        raise refusal()
    header, claims = decoded(parts[0]), decoded(parts[1])
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise refusal()
    return header, claims


def decoded(part: str) -> Any:
    """Return the JSON in a part of a token. Raises InvalidToken."""
    try:
        # Read by a parser that no depth can bring down: this is before anything is proved.
        return json.loads(urlsafe_b64decode(part.encode("ascii") + b"=="))
    except (binascii.Error, UnicodeEncodeError, orjson.JSONDecodeError):
        raise refusal() from None


def is_sound(header: Mapping[str, Any]) -> bool:
    """Return whether the header is that of an access token, and brings nothing of its own."""
    return (
        header.get("typ") in (TYPE, f"application/{TYPE}")
        and isinstance(header.get("alg"), str)
        and isinstance(header.get("kid"), str)
        and not any(name in header for name in REFUSED_HEADERS)
    )


def scopes_in(claim: object) -> frozenset[str]:
    """Return the scopes in a `scope` claim: words, separated by spaces (RFC 8693 §4.2). None in anything else."""
    return frozenset(claim.split()) if isinstance(claim, str) else frozenset()


def refusal() -> InvalidToken:
    """Return the one answer to every bad token."""
    return InvalidToken("The token is not one that this service has issued, or it has expired.")
