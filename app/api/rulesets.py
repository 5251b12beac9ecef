"""Rule sets over HTTP: list them, read and restore their versions, see what changed from one to another.

They belong to the platform: whoever has the scope sees all of them. A published version never changes.
"""

import re
from collections.abc import Mapping
from itertools import islice
from typing import Any, NoReturn, cast

import marshmallow as ma
import structlog
from flask import Request, Response, request
from sqlalchemy.orm import Session

from app import authoring
from app.api import bodies, etags, pages
from app.api.current import caller, platform
from app.api.openapi import Blueprint
from app.api.ruleset_shapes import Difference, RuleSetDefinition, RuleSetOverviews, RuleSetShape, RuleSetVersion, Why
from app.auth.guard import scope
from app.auth.scopes import Scope
from app.authoring import Outcome, differences
from app.errors import InvalidRequest, RuleSetNotFound
from app.models import rulesets as model
from app.models.rulesets import Overview, PublishedRuleSet

log = structlog.get_logger(__name__)

rulesets = Blueprint(
    "rulesets",
    __name__,
    url_prefix="/api/rulesets",
    description="What items are judged by, by version.",
)

URL = "/api/rulesets/{}"
NUMBER = re.compile(r"[1-9][0-9]{0,8}")
#: How the draft is called where a version could stand.
DRAFT = "draft"

NAME = {"in": "path", "name": "name", "schema": {"type": "string", "pattern": f"^{authoring.NAME.pattern}$"}}
VERSION = {"in": "path", "name": "version", "schema": {"type": "integer", "minimum": 1}}
EITHER = {"oneOf": [{"type": "integer", "minimum": 1}, {"const": DRAFT}]}
SIDES = [
    {"in": "query", "name": name, "required": True, "schema": EITHER, "description": "A version, or `draft`."}
    for name in ("from", "to")
]
LOCATION = {"Location": {"schema": {"type": "string"}, "description": "Where the version is."}}
NOTE = {"required": False, "content": {"application/json": {"schema": Why}}}


@rulesets.route("")
@scope(Scope.RULESETS_READ)
@rulesets.doc(parameters=pages.PARAMETERS)
@rulesets.response(200, RuleSetOverviews)
def overview() -> Response:
    """List the rule sets by name, published or only drafted."""
    return pages.answer(
        lambda session, page: model.overview(session, after=page.after or "", limit=page.limit + 1),
        key=lambda each: each.name,
        shown=in_short,
    )


@rulesets.route("/<name>", parameters=[NAME])
@scope(Scope.RULESETS_READ)
@rulesets.doc(parameters=[*pages.PARAMETERS, etags.IF_NONE_MATCH])
@rulesets.response(200, RuleSetShape, headers=etags.ETAG)
@rulesets.alt_response(304, description="Known already.", success=True)
def ruleset(name: str) -> Response:
    """See a rule set: its newest version, whether it has a draft, and its versions, newest first."""
    page = pages.Page.of(request)
    with platform().database.autocommit() as session:
        newest = model.resolve(session, known(name), None)
        draft = model.draft(session, name)
        found = model.versions(session, name, before=page.after_number, limit=page.limit + 1)
    if newest is None and draft is None:
        raise RuleSetNotFound(f"There is no rule set {name}.")
    told = {
        "name": name,
        "newest": newest and defined(newest),
        "has_draft": draft is not None,
        "versions": page.told(found, key=lambda each: each.version, shown=version_of),
        "links": links(name),
    }
    return etags.write(request, told, etags.of(told))


@rulesets.route("/<name>/versions/<version>", parameters=[NAME, VERSION])
@scope(Scope.RULESETS_READ)
@rulesets.doc(parameters=[etags.IF_NONE_MATCH])
@rulesets.response(200, RuleSetDefinition, headers=etags.ETAG)
@rulesets.alt_response(304, description="Known already.", success=True)
def version(name: str, version: str) -> Response:
    """Read one version, which never changes."""
    with platform().database.autocommit() as session:
        published = authoring.find(session, known(name), number(version))
    return etags.write(request, defined(published), published.content_hash.hex())


@rulesets.route("/<name>/versions/<version>/restore", methods=["POST"], parameters=[NAME, VERSION])
@scope(Scope.RULESETS_WRITE)
@rulesets.doc(requestBody=NOTE)
@rulesets.response(200, RuleSetVersion, description="The newest version has this very content.")
@rulesets.alt_response(201, schema=RuleSetVersion, headers=LOCATION, description="Published again.", success=True)
def restore(name: str, version: str) -> Response:
    """Publish the content of an old version again, as a new version."""
    wanted, note = number(version), reason(request)
    outcome = authoring.restore(platform().database, known(name), wanted, by=actor(), note=note)
    return published(outcome)


@rulesets.route("/<name>/diff", parameters=[NAME])
@scope(Scope.RULESETS_READ)
@rulesets.doc(parameters=SIDES)
@rulesets.response(200, Difference)
def diff(name: str) -> Response:
    """See what makes one version, or the draft, of another. The number of the version itself does not count."""
    sides = [either(side) or missing(side) for side in ("from", "to")]
    with platform().database.autocommit() as session:
        old, new = (unnumbered(definition_of(session, known(name), side)) for side in sides)
    return bodies.write({"summary": differences.summary(old, new), "operations": differences.operations(old, new)})


def known(name: str) -> str:
    """Return the name that a path has. Raises RuleSetNotFound when no rule set can have it."""
    if not authoring.NAME.fullmatch(name):
        raise RuleSetNotFound("No rule set can have this name.")
    return name


def number(version: str) -> int:
    """Return the version that a path names. Raises RuleSetNotFound when no rule set can have it."""
    if not NUMBER.fullmatch(version):
        raise RuleSetNotFound("There is no such version of a rule set.")
    return int(version)


def either(parameter: str) -> int | str | None:
    """Return the version, or DRAFT, that the query names; None when it does not. Raises InvalidRequest."""
    text = request.args.get(parameter)
    if text is None or text == DRAFT:
        return text
    if not NUMBER.fullmatch(text):
        pages.refuse(parameter, f"The query parameter {parameter} must be a version, or {DRAFT}.")
    return int(text)


def missing(parameter: str) -> NoReturn:
    """Raise InvalidRequest about a query parameter that is not there."""
    pages.refuse(parameter, f"The query parameter {parameter} is needed: a version, or {DRAFT}.")


def actor() -> str:
    """Return how the audit trail names the caller."""
    return f"client:{caller().client_id}"


def reason(request: Request) -> str | None:
    """Return why the caller publishes, where the body says it; there need not be one. Raises InvalidRequest."""
    if not bodies.content(request, most=platform().settings.max_body_bytes):
        return None
    note: str | None = loaded(Why(), bodies.read(request))["note"]
    return note


def loaded(schema: ma.Schema, body: Any) -> dict[str, Any]:
    """Return the body, which is of this shape. Raises InvalidRequest."""
    try:
        return dict(schema.load(body))
    except ma.ValidationError as error:
        found = list(islice(bodies.faults(cast("dict[str, Any]", error.messages)), bodies.MOST_FAULTS))
        raise InvalidRequest("The body is not of the right shape.", errors=found) from None


def definition_of(session: Session, name: str, wanted: int | str | None) -> dict[str, Any]:
    """Return the definition of the draft, or of a version, of the newest for None."""
    if wanted == DRAFT:
        return authoring.draft(session, name).definition
    return authoring.find(session, name, wanted if isinstance(wanted, int) else None).definition


def unnumbered(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return the definition without its version, which differs in any case."""
    return {member: value for member, value in definition.items() if member != "version"}


def published(outcome: Outcome) -> Response:
    """Return the answer to whoever published something."""
    told = version_of(outcome.published)
    if not outcome.new:
        return bodies.write(told)
    log.info("ruleset.published", ruleset=outcome.published.ref, restores=outcome.published.restores)
    return bodies.write(told, 201, {"Location": told["links"]["self"]})


def in_short(overview: Overview) -> dict[str, Any]:
    """Return what a list tells of a rule set."""
    return {
        "name": overview.name,
        "title": overview.title,
        "version": overview.version,
        "published_at": overview.published_at,
        "published_by": overview.published_by,
        "has_draft": overview.has_draft,
        "links": links(overview.name),
    }


def version_of(published: PublishedRuleSet) -> dict[str, Any]:
    """Return what is told of a version, but for its definition."""
    url = URL.format(published.name)
    return {
        "name": published.name,
        "version": published.version,
        "content_hash": published.content_hash.hex(),
        "published_at": published.published_at,
        "published_by": published.published_by,
        "note": published.note,
        "restores": published.restores,
        "links": {"self": f"{url}/versions/{published.version}", "ruleset": url},
    }


def defined(published: PublishedRuleSet) -> dict[str, Any]:
    """Return what is told of a version."""
    return version_of(published) | {"definition": published.definition}


def links(name: str) -> dict[str, str]:
    """Return where to go on from a rule set."""
    url = URL.format(name)
    return {"self": url, "draft": f"{url}/draft"}
