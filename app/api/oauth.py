"""OAuth 2 over HTTP: a JWT for an OAuth client's secret (RFC 6749 §4.4), and the keys that JWTs can be checked with.

Without a signing key there are no JWTs, and both answer 404 with the code `jwt_off`. Errors of the token endpoint are
problems that also have the members of RFC 6749 §5.2, `error` and `error_description`.
"""

import marshmallow as ma
from flask import Response, request

from app.api import bodies, problems
from app.api.current import token_endpoint
from app.api.openapi import Blueprint, Problem
from app.auth.guard import public
from app.auth.oauth import GRANT
from app.errors import InvalidTokenRequest

oauth = Blueprint("oauth", __name__, description="JWTs for programs.")

FORM = "application/x-www-form-urlencoded"
#: Far more than id, secret and all scopes need.
MOST_BYTES = 8_192
#: Seconds that the keys may be kept for.
KEPT_S = 600

PARAMETERS = {
    "required": True,
    "content": {
        FORM: {
            "schema": {
                "type": "object",
                "required": ["grant_type"],
                "properties": {
                    "grant_type": {"const": GRANT},
                    "scope": {"type": "string", "description": "Words, separated by spaces. Without: all there are."},
                    "client_id": {"type": "string", "description": "Here, or in the Authorization header (Basic)."},
                    "client_secret": {"type": "string", "description": "Where the id is."},
                },
            }
        }
    },
}


class AccessToken(ma.Schema):
    """A JWT (RFC 6749 §5.1)."""

    access_token = ma.fields.String(required=True)
    token_type = ma.fields.String(required=True, validate=ma.validate.Equal("Bearer"))
    expires_in = ma.fields.Integer(required=True, metadata={"description": "Seconds."})
    scope = ma.fields.String(required=True)


class TokenProblem(Problem):
    """Why there is no token."""

    error = ma.fields.String(required=True, metadata={"description": "As in RFC 6749 §5.2."})
    error_description = ma.fields.String(required=True)


class Jwks(ma.Schema):
    """Public keys (RFC 7517)."""

    keys = ma.fields.List(ma.fields.Dict(), required=True)


@oauth.route("/oauth/token", methods=["POST"])
@public("whoever calls has no token yet: a secret is what gets one")
@oauth.doc(requestBody=PARAMETERS)
@oauth.response(200, AccessToken)
@oauth.alt_response(
    400, schema=TokenProblem, content_type=problems.MIMETYPE, description="It is not asked for rightly."
)
@oauth.alt_response(401, schema=TokenProblem, content_type=problems.MIMETYPE, description="Id or secret is wrong.")
@oauth.alt_response(404, schema=TokenProblem, content_type=problems.MIMETYPE, description="There are no JWTs here.")
@oauth.alt_response(429, schema=TokenProblem, content_type=problems.MIMETYPE, description="Asked for too often.")
def token() -> Response:
    """Get a JWT for a secret: `client_secret_basic` or `client_secret_post`."""
    endpoint = token_endpoint()
    endpoint.must_be_on()
    body = bodies.content(request, most=MOST_BYTES)
    if request.mimetype != FORM:
        raise InvalidTokenRequest(f"Send the parameters as {FORM}.")
    authorization, address = request.headers.get("Authorization"), request.remote_addr or ""
    made = endpoint.token(authorization=authorization, body=body, address=address)
    # RFC 6749 §5.1 asks for both.
    return bodies.write(made, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})


@oauth.route("/.well-known/jwks.json")
@public("the keys are the public halves, for everybody who is shown one of our JWTs")
@oauth.response(200, Jwks)
@oauth.alt_response(404, schema=TokenProblem, content_type=problems.MIMETYPE, description="There are no JWTs here.")
def jwks() -> Response:
    """Read the keys that our JWTs can be checked with."""
    return bodies.write(token_endpoint().jwks, headers={"Cache-Control": f"public, max-age={KEPT_S}"})
