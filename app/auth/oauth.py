"""The token endpoint: a JWT for an OAuth client that shows its secret (RFC 6749 §4.4), by Authlib.

Where Authlib would tell strangers more than they need, this does not: an unknown client, a revoked one and a wrong
secret get one answer, after one look at the database and one comparison. And a scope that the client may not have is an
error, where the library would hand out a token without it.

TLS ends in front of this process, here as for every other route, so that the scheme is not looked at.
"""

import binascii
import hmac
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import parse_qsl, unquote_plus

import structlog
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AuthorizationServer, ClientCredentialsGrant, OAuth2Request
from authlib.oauth2.rfc6749 import errors as oauth2
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc6750 import BearerTokenGenerator

from app.auth import jwts, tokens
from app.auth.keys import SigningKeys
from app.auth.throttle import Throttle
from app.database import Database
from app.errors import (
    InvalidClient,
    InvalidScope,
    InvalidTokenRequest,
    JwtOff,
    TokenRefused,
    UnsupportedGrant,
)
from app.models import access
from app.models.access import OAuthClient

log = structlog.get_logger(__name__)

GRANT = "client_credentials"
#: What a request may say of itself; anything else is passed over (RFC 6749 §3.2).
PARAMETERS = frozenset({"grant_type", "scope", "client_id", "client_secret"})
MOST_PARAMETERS = 50
LONGEST_ID = 255
#: What the secret of a client that there is not is compared with: the digest of a token that nobody has.
NOBODY = tokens.digest(tokens.make(tokens.SECRET_PREFIX))


@dataclass(frozen=True)
class Credentials:
    """Who asks, and the proof."""

    client_id: str
    secret: str


class Applicant:
    """An OAuth client as Authlib sees one."""

    def __init__(self, row: OAuthClient) -> None:
        self.row = row

    def get_client_id(self) -> str:
        """Return its id."""
        return self.row.id

    def check_grant_type(self, grant_type: str) -> bool:
        """Return whether it may ask in this way."""
        return grant_type == GRANT

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """Return what a token gets that was asked for with `scope`: all that it may have, for none; None: refuse."""
        wanted = set(self.row.scopes) if scope is None else set(scope.split())
        return " ".join(sorted(wanted)) if wanted and wanted <= set(self.row.scopes) else None


class TokenRequest(OAuth2Request):  # type: ignore[misc]  # untyped library
    """A request as Authlib sees one. Only the form counts: a secret in a URL would be in somebody's log."""

    def __init__(self, form: Mapping[str, str], credentials: Credentials) -> None:
        super().__init__("POST", "https://this.service/oauth/token")
        self.payload = BasicOAuth2Payload(dict(form))
        self.credentials = credentials


class TokenEndpoint(AuthorizationServer):  # type: ignore[misc]  # untyped library
    """Gives out JWTs."""

    def __init__(self, database: Database, keys: SigningKeys, *, issuer: str, audience: str, per_minute: int) -> None:
        super().__init__()
        self._database = database
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._per_minute = per_minute
        self._throttle: Throttle | None = None
        self.register_grant(ClientCredentialsGrant)
        self.register_token_generator("default", BearerTokenGenerator(self._sign, expires_generator=jwts.LIFETIME_S))

    @property
    def jwks(self) -> dict[str, Any]:
        """The keys that our tokens can be checked with, as a JWK Set. Raises JwtOff."""
        self.must_be_on()
        return self._keys.published()

    def token(self, *, authorization: str | None, body: bytes, address: str) -> dict[str, Any]:
        """Return the answer to a good request: `access_token`, `token_type`, `expires_in`, `scope`.

        Args:
            authorization: The header of this name.
            body: A form (`application/x-www-form-urlencoded`).
            address: Where the request is from, for the throttle.

        Raises:
            TokenRefused: one of its kinds, for every reason that there is.
            DatabaseAway: nobody can tell right now.
        """
        self.must_be_on()
        form = form_in(body)
        credentials = credentials_in(authorization, form)
        throttle = self._throttle = self._throttle or Throttle(self._per_minute)
        throttle.attempt(credentials.client_id, address)
        try:
            answer: dict[str, Any] = self.create_token_response(TokenRequest(form, credentials))
        except TokenRefused:
            throttle.refused(address)
            raise
        return answer

    def must_be_on(self) -> None:
        """Return only if there is a key to sign with. Raises JwtOff."""
        if not self._keys:
            raise JwtOff("This service makes no JWTs: it has no key to sign them with (RATE_JWT_SIGNING_KEYS).")

    def _sign(self, *, client: Applicant, scope: str, **_: Any) -> str:
        log.info("oauth.token_made", client=str(client.row.client_id), oauth_client=client.row.id)
        key = self._keys.present
        return jwts.sign(key, issuer=self._issuer, audience=self._audience, subject=client.row.id, scope=scope)

    # What Authlib calls.

    def authenticate_client(self, request: TokenRequest, *_: object) -> Applicant:
        """Return who asks, which is proved. Raises Authlib's InvalidClientError."""
        asked = request.credentials
        # An id that cannot be one is looked up like any other, as one that there is not.
        wanted = asked.client_id if asked.client_id.isprintable() and len(asked.client_id) <= LONGEST_ID else ""
        with self._database.autocommit() as session:
            row = access.oauth_client(session, wanted)
        expected = NOBODY if row is None or row.secret_digest is None else row.secret_digest
        is_right = hmac.compare_digest(expected, tokens.digest(asked.secret))
        if row is None or not is_right:
            raise oauth2.InvalidClientError()
        return Applicant(row)

    def create_oauth2_request(self, request: TokenRequest) -> TokenRequest:
        """Return the request."""
        return request

    def handle_response(self, status: int, body: dict[str, Any], headers: object) -> dict[str, Any]:
        """Return the answer to a good request."""
        return body

    def handle_error_response(self, request: TokenRequest, error: OAuth2Error) -> NoReturn:
        """Raise our error for Authlib's."""
        raise translated(error)

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Tell nobody: a signal is Authlib's way to let others know what we know already."""

    def save_token(self, token: dict[str, Any], request: TokenRequest) -> None:
        """Keep nothing: a JWT says itself what it is good for."""


def form_in(body: bytes) -> dict[str, str]:
    """Return the parameters that matter; those without a value count as left out (RFC 6749 §3.2).

    Raises:
        InvalidTokenRequest: one is there twice, they are no UTF-8, or too many.
    """
    try:
        pairs = parse_qsl(body.decode(), errors="strict", max_num_fields=MOST_PARAMETERS)
    except ValueError:
        raise InvalidTokenRequest("The body is no form in UTF-8, or has too many parameters.") from None
    given = [(name, value) for name, value in pairs if name in PARAMETERS]
    form = dict(given)
    if len(form) < len(given):
        raise InvalidTokenRequest("A parameter must not be given twice.")
    if "grant_type" not in form:
        raise InvalidTokenRequest(f"The parameter grant_type is needed: {GRANT}.")
    return form


def credentials_in(authorization: str | None, form: Mapping[str, str]) -> Credentials:
    """Return what proves who asks: `client_secret_basic` or `client_secret_post` (RFC 6749 §2.3.1).

    Raises:
        InvalidTokenRequest: it is done in both ways.
        InvalidClient: in none, or in a way that cannot be read.
    """
    in_form = Credentials(form.get("client_id", ""), form.get("client_secret", ""))
    if authorization is None:
        if in_form.client_id and in_form.secret:
            return in_form
        raise InvalidClient("The OAuth client must show its id and its secret.")
    if in_form.secret:
        raise InvalidTokenRequest("The secret must not be shown in two ways.")
    basic = basic_in(authorization)
    if in_form.client_id not in ("", basic.client_id):
        raise InvalidTokenRequest("The client_id in the body is not that of the Authorization header.")
    return basic


def basic_in(authorization: str) -> Credentials:
    """Return id and secret in an Authorization header of the scheme Basic, form-encoded each. Raises InvalidClient."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        text = b64decode(encoded.strip().encode("ascii"), validate=True).decode()
        client_id, separator, secret = text.partition(":")
        found = Credentials(unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict"))
    except (binascii.Error, UnicodeError):
        raise unreadable() from None
    if scheme.lower() != "basic" or not separator:
        raise unreadable()
    return found


def unreadable() -> InvalidClient:
    """Return the answer to a header that says nothing."""
    return InvalidClient("The Authorization header must be of the Basic scheme, with the client's id and secret.")


def translated(error: OAuth2Error) -> TokenRefused:
    """Return our error for Authlib's."""
    if isinstance(error, oauth2.InvalidClientError):
        return InvalidClient("The OAuth client is unknown or revoked, or its secret is not the right one.")
    if isinstance(error, oauth2.InvalidScopeError):
        return InvalidScope("A scope was asked for that there is not, or that the OAuth client may not have.")
    if isinstance(error, oauth2.UnsupportedGrantTypeError):
        return UnsupportedGrant(f"The only grant_type here is {GRANT}.")
    return InvalidTokenRequest("The request for a token is not in order.")
