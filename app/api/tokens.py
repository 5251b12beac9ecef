"""Tokens over HTTP: a client makes, lists and revokes its own.

A token is shown in the answer that makes it and never again. It may do no more than the token that it is made with,
and stays good when that one is revoked: it is one of the client's, like any other.
"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import marshmallow as ma
import structlog
from flask import Response, request
from sqlalchemy.orm import Session

from app.api import answers, bodies, idempotency, pages
from app.api.current import caller, platform
from app.api.openapi import Blueprint
from app.auth import tokens as secrets
from app.auth.guard import scope
from app.auth.scopes import Scope
from app.errors import Forbidden, TokenNotFound
from app.models import access, audit
from app.models.base import new_id
from app.models.idempotency import claim

log = structlog.get_logger(__name__)

tokens = Blueprint("tokens", __name__, url_prefix="/api/tokens", description="A client's own tokens.")

URL = "/api/tokens/{}"
LONGEST_NAME = 200
MOST_DAYS = 3650

TOKEN_ID = {"in": "path", "name": "token_id", "schema": {"type": "string", "format": "uuid"}}
LOCATION = {"Location": {"schema": {"type": "string"}, "description": "Where the token is, without its secret."}}


class TokenSubmission(ma.Schema):
    """A token to be made."""

    name = ma.fields.String(
        required=True,
        validate=ma.validate.Length(min=1, max=LONGEST_NAME),
        metadata={"description": "What it is for, to tell it from the client's others.", "example": "price watcher"},
    )
    scopes = ma.fields.List(
        ma.fields.Enum(Scope, by_value=True),
        required=True,
        validate=ma.validate.Length(min=1, max=len(Scope)),
        metadata={
            "description": "What it may do: no more than the token that it is made with.",
            "example": ["validations:write", "validations:read"],
        },
    )
    expires_in_days = ma.fields.Integer(
        strict=True,
        allow_none=True,
        load_default=None,
        validate=ma.validate.Range(min=1, max=MOST_DAYS),
        metadata={"description": "Without: good until it is revoked."},
    )


class TokenLinks(ma.Schema):
    """Where to go on."""

    self = ma.fields.String(required=True)


class TokenShape(ma.Schema):
    """A token, without its secret."""

    id = ma.fields.UUID(required=True)
    name = ma.fields.String(required=True)
    ending = ma.fields.String(required=True, metadata={"description": "Its last four characters."})
    scopes = ma.fields.List(ma.fields.String(), required=True)
    created_at = ma.fields.DateTime(required=True)
    expires_at = ma.fields.DateTime(required=True, allow_none=True)
    revoked_at = ma.fields.DateTime(required=True, allow_none=True)
    last_used_at = ma.fields.DateTime(
        required=True, allow_none=True, metadata={"description": "To the minute; null when never."}
    )
    links = ma.fields.Nested(TokenLinks, required=True)


class NewToken(TokenShape):
    """A token that was made just now."""

    token = ma.fields.String(required=True, metadata={"description": "The secret: it cannot be seen again."})


class TokenList(ma.Schema):
    """A page of tokens."""

    items = ma.fields.List(ma.fields.Nested(TokenShape), required=True)
    next = ma.fields.String(required=True, allow_none=True, metadata={"description": "Cursor of the page after."})


@tokens.route("", methods=["POST"])
@scope(Scope.TOKENS_ADMIN)
@tokens.arguments(TokenSubmission)
@tokens.doc(parameters=[idempotency.PARAMETER])
@tokens.response(201, NewToken, headers=LOCATION)
@tokens.alt_response(
    200,
    schema=TokenShape,
    headers={**LOCATION, **idempotency.HEADERS},
    description="Made before, by the same call: without its secret.",
    success=True,
)
def create(submission: dict[str, Any]) -> Response:
    """Make a token.

    Its secret is in the first answer only, also when the call is repeated: if that answer was lost, revoke the token
    and make another one, with another key.
    """
    scopes = sorted(set(submission["scopes"]))
    refuse_more(scopes)
    days = submission["expires_in_days"]
    secret, token_id, once = secrets.make(), new_id(), idempotency.key(request, submission)
    with platform().database.transaction() as session:
        made_id = claim(session, once, token_id) if once else token_id
        if made_id != token_id:
            return repeated(own(session, str(made_id)))
        made = access.add_token(
            session,
            client_id=caller().client_id,
            name=submission["name"],
            digest=secrets.digest(secret),
            ending=secret[-4:],
            scopes=scopes,
            expires_at=datetime.now(UTC) + timedelta(days=days) if days else None,
            token_id=token_id,
        )
        session.refresh(made)
        note(session, "token.create", made.id, {"scopes": scopes, "by": caller().token_id})
    log.info("token.created", token=str(made.id), scopes=scopes)
    return bodies.write({**told(made), "token": secret}, 201, {"Location": URL.format(made.id)})


def repeated(first: access.Token) -> Response:
    """Return the answer to a call that repeats the one which made this token."""
    return bodies.write(told(first), 200, {"Location": URL.format(first.id), **answers.REPLAYED})


@tokens.route("")
@scope(Scope.TOKENS_ADMIN)
@tokens.doc(parameters=pages.PARAMETERS)
@tokens.response(200, TokenList)
def overview() -> Response:
    """List the tokens, newest first, also those that are expired or revoked."""
    page = pages.Page.of(request)
    before = None if page.after is None else after(page.after)
    with platform().database.autocommit() as session:
        found = access.tokens_of(session, caller().client_id, before=before, limit=page.limit + 1)
    return bodies.write(page.told(found, key=lambda token: token.id, shown=told))


@tokens.route("/<token_id>", parameters=[TOKEN_ID])
@scope(Scope.TOKENS_ADMIN)
@tokens.response(200, TokenShape)
def token(token_id: str) -> Response:
    """See a token."""
    with platform().database.autocommit() as session:
        return bodies.write(told(own(session, token_id)))


@tokens.route("/<token_id>", methods=["DELETE"], parameters=[TOKEN_ID])
@scope(Scope.TOKENS_ADMIN)
@tokens.response(204)
def revoke(token_id: str) -> Response:
    """Revoke a token: within two seconds it is refused everywhere. To do it again changes nothing."""
    with platform().database.transaction() as session:
        found = own(session, token_id)
        if access.revoke(session, found.id):
            note(session, "token.revoke", found.id, {"by": caller().token_id})
            log.info("token.revoked", token=str(found.id))
    return Response(status=204)


def refuse_more(scopes: list[Scope]) -> None:
    """Return only if the caller has all of the scopes itself. Raises Forbidden."""
    more = [wanted for wanted in scopes if wanted not in caller().scopes]
    if more:
        words = " ".join(more)
        raise Forbidden(f"A token can give no more than its maker has, which lacks: {words}.", scope=words)


def own(session: Session, token_id: str) -> access.Token:
    """Return the caller's token of this id. Raises TokenNotFound."""
    found = access.token_of(session, caller().client_id, key(token_id))
    if found is None:
        raise TokenNotFound("There is no such token.")
    return found


def key(text: str) -> UUID:
    """Return the id that a path names. Raises TokenNotFound when no token can have it."""
    try:
        token_id = UUID(text)
    except ValueError:
        raise TokenNotFound("There is no such token.") from None
    if str(token_id) != text.lower():
        raise TokenNotFound("There is no such token.")
    return token_id


def after(text: str) -> UUID:
    """Return the id in a cursor. Raises InvalidRequest."""
    try:
        return UUID(text)
    except ValueError:
        pages.refuse_cursor()


def note(session: Session, action: str, token_id: UUID, details: dict[str, Any]) -> None:
    """Have the audit trail tell what the caller did to a token."""
    audit.note(
        session, actor=f"client:{caller().client_id}", action=action, subject=f"token:{token_id}", details=details
    )


def told(token: access.Token) -> dict[str, Any]:
    """Return what is told of a token."""
    return {
        "id": token.id,
        "name": token.name,
        "ending": token.ending,
        "scopes": token.scopes,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "revoked_at": token.revoked_at,
        "last_used_at": token.last_used_at,
        "links": {"self": URL.format(token.id)},
    }
