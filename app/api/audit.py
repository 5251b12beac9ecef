"""The audit trail over HTTP: who did what to which thing, newest first. It is only read here.

It is the whole platform's: whoever has the scope sees the acts of all clients, and of commands and releases.
"""

from typing import Any

import marshmallow as ma
from flask import Response, request

from app.api import pages
from app.api.openapi import Blueprint
from app.auth.guard import scope
from app.auth.scopes import Scope
from app.models import audit as model
from app.models.audit import AuditEntry

audit = Blueprint("audit", __name__, url_prefix="/api/audit", description="Who did what to which thing.")

#: What entries can be chosen by, with an example of each.
FILTERS = {"subject": "ruleset:fx_rate", "action": "ruleset.publish", "actor": "cli"}
LONGEST_FILTER = 200
PARAMETERS = [
    {
        "in": "query",
        "name": name,
        "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_FILTER},
        "description": f"Only entries of just this {name}, such as `{example}`.",
    }
    for name, example in FILTERS.items()
]


class AuditEntryShape(ma.Schema):
    """One act."""

    class Meta:
        """The name it has in the description."""

        title = "AuditEntry"

    id = ma.fields.UUID(required=True)
    at = ma.fields.DateTime(required=True)
    actor = ma.fields.String(required=True, metadata={"description": "`client:<id>`, `cli` or `release`."})
    action = ma.fields.String(required=True, metadata={"description": "What was done, such as `ruleset.publish`."})
    subject = ma.fields.String(
        required=True, metadata={"description": "What it was done to, kind first, such as `ruleset:fx_rate`."}
    )
    details = ma.fields.Dict(required=True)
    request_id = ma.fields.String(
        required=True, allow_none=True, metadata={"description": "The HTTP request that asked for it, as in the logs."}
    )


class AuditPage(ma.Schema):
    """A page of acts, newest first."""

    items = ma.fields.List(ma.fields.Nested(AuditEntryShape), required=True)
    next = ma.fields.String(required=True, allow_none=True, metadata={"description": "Cursor of the page after."})


@audit.route("")
@scope(Scope.AUDIT_READ)
@audit.doc(parameters=[*PARAMETERS, *pages.PARAMETERS])
@audit.response(200, AuditPage)
def newest() -> Response:
    """List what was done, newest first. With several filters, an entry has to match them all."""
    wanted = {name: asked for name in FILTERS if (asked := request.args.get(name)) is not None}
    for name, asked in wanted.items():
        if not asked.isprintable() or not 0 < len(asked) <= LONGEST_FILTER:
            pages.refuse(name, f"The query parameter {name} must be a text of 1 to {LONGEST_FILTER} characters.")
    return pages.answer(
        lambda session, page: model.newest(session, before=page.after_id, limit=page.limit + 1, **wanted),
        key=lambda entry: entry.id,
        shown=shown,
        filters=wanted,
    )


def shown(entry: AuditEntry) -> dict[str, Any]:
    """Return what is told of an act."""
    return {
        "id": entry.id,
        "at": entry.at,
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "details": entry.details,
        "request_id": entry.request_id,
    }
