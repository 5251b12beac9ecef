"""Drafts over HTTP. One is only changed by a caller who says which state of it the change is made for (If-Match)."""

from collections.abc import Mapping
from typing import Any

import structlog
from flask import Response, request
from sqlalchemy.orm import Session

from app import authoring
from app.api import bodies, etags
from app.api.current import platform
from app.api.openapi import Blueprint
from app.api.ruleset_shapes import CheckShape, DraftShape, RuleSetVersion, Writing
from app.api.rulesets import LOCATION, NAME, NOTE, actor, known, links, published, reason
from app.auth.guard import scope
from app.auth.scopes import Scope
from app.authoring import Check
from app.errors import DraftExists, PreconditionMissing
from app.models.rulesets import Draft

log = structlog.get_logger(__name__)

drafts = Blueprint(
    "drafts", __name__, url_prefix="/api/rulesets/<name>/draft", description="What a rule set may become; one a name."
)

MUST_NOT_BE = {
    "in": "header",
    "name": "If-None-Match",
    "schema": {"type": "string"},
    "description": "`*`: only if there is no draft yet.",
}
ONLY_THIS = {**etags.IF_MATCH, "description": "Publish only this state of the draft."}


@drafts.route("", parameters=[NAME])
@scope(Scope.RULESETS_READ)
@drafts.doc(parameters=[etags.IF_NONE_MATCH])
@drafts.response(200, DraftShape, headers=etags.ETAG)
@drafts.alt_response(304, description="Known already.", success=True)
def draft(name: str) -> Response:
    """Read the draft."""
    with platform().database.autocommit() as session:
        found = authoring.draft(session, known(name))
    return drafted(found)


@drafts.route("", methods=["PUT"], parameters=[NAME])
@scope(Scope.RULESETS_WRITE)
@drafts.arguments(Writing)
@drafts.doc(parameters=[etags.IF_MATCH, MUST_NOT_BE])
@drafts.response(200, DraftShape, headers=etags.ETAG, description="Changed.")
@drafts.alt_response(201, schema=DraftShape, headers=etags.ETAG, description="Begun.", success=True)
def write(writing: dict[str, Any], name: str) -> Response:
    """Begin a draft, or change it: then with its ETag in If-Match."""
    definition, changes = writing["definition"], "If-Match" in request.headers
    with platform().database.transaction() as session:
        if changes:
            there = authoring.replace(session, name, definition, by=actor(), expected=etags.expected(request))
        else:
            there = begin(session, name, definition)
    log.info("ruleset.draft_changed" if changes else "ruleset.draft_begun", ruleset=name, revision=str(there.revision))
    return drafted(there, 200 if changes else 201)


@drafts.route("", methods=["DELETE"], parameters=[NAME])
@scope(Scope.RULESETS_WRITE)
@drafts.doc(parameters=[etags.IF_MATCH])
@drafts.response(204, description="Gone.")
def discard(name: str) -> Response:
    """Discard the draft, with its ETag in If-Match."""
    with platform().database.transaction() as session:
        authoring.draft(session, known(name))
        authoring.discard(session, name, by=actor(), expected=etags.expected(request))
    log.info("ruleset.draft_discarded", ruleset=name)
    return Response(status=204)


@drafts.route("/check", methods=["POST"], parameters=[NAME])
@scope(Scope.RULESETS_READ)
@drafts.response(200, CheckShape)
def check(name: str) -> Response:
    """See what stands in the way of publishing the draft: does it compile, and do its examples hold?"""
    with platform().database.autocommit() as session:
        found = authoring.draft(session, known(name))
        return bodies.write(checked(found, authoring.check(session, found.definition)))


@drafts.route("/publish", methods=["POST"], parameters=[NAME])
@scope(Scope.RULESETS_WRITE)
@drafts.doc(parameters=[ONLY_THIS], requestBody=NOTE)
@drafts.response(200, RuleSetVersion, description="The newest version had this very content.")
@drafts.alt_response(201, schema=RuleSetVersion, headers=LOCATION, description="Published.", success=True)
def publish(name: str) -> Response:
    """Publish the draft as the next version. The draft is gone then.

    Every process judges by the new version within two seconds. What has been accepted before is judged by the version
    that was the newest then.
    """
    note = reason(request)
    expected = etags.expected(request) if "If-Match" in request.headers else None
    outcome = authoring.publish_draft(platform().database, known(name), by=actor(), expected=expected, note=note)
    return published(outcome)


def begin(session: Session, name: str, definition: Mapping[str, Any]) -> Draft:
    """Return the new draft. Raises DraftExists when the caller said that there is none, or PreconditionMissing."""
    try:
        return authoring.create(session, name, definition, by=actor())
    except DraftExists:
        if request.if_none_match.star_tag:
            raise
        raise PreconditionMissing("There is a draft: say in If-Match which ETag the change is made for.") from None


def drafted(draft: Draft, status: int = 200) -> Response:
    """Return the draft with its ETag."""
    told = {
        "name": draft.name,
        "revision": draft.revision,
        "based_on": draft.based_on,
        "created_at": draft.created_at,
        "updated_at": draft.updated_at,
        "updated_by": draft.updated_by,
        "definition": draft.definition,
        "links": links(draft.name),
    }
    return etags.write(request, told, str(draft.revision), status)


def checked(draft: Draft, found: Check) -> dict[str, Any]:
    """Return what is told of a check."""
    return {
        "revision": draft.revision,
        "ok": not found.problems,
        "problems": found.problems,
        "examples": found.trial and found.trial.examples,
        "never_hit": found.trial and found.trial.never_hit,
    }
