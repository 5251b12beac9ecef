"""A client's own requests over HTTP, newest first, by state and rule set."""

import hashlib
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

import marshmallow as ma
from flask import Request, Response, request

from app import json
from app.api import answers, bodies, pages
from app.api.current import caller, platform
from app.api.openapi import Blueprint
from app.api.shapes import RequestState
from app.auth.guard import scope
from app.auth.scopes import Scope
from app.errors import CursorMismatch
from app.models import history as requests
from app.models.requests import State

history = Blueprint(
    "history", __name__, url_prefix="/api/validation/requests", description="See what was sent, newest first."
)

#: As long as the rule set of a submission may be.
LONGEST_RULESET = 100

STATE = {
    "in": "query",
    "name": "state",
    "schema": {"type": "string", "enum": [state.value for state in State]},
    "description": "Only those in this state.",
}
RULESET = {
    "in": "query",
    "name": "ruleset",
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_RULESET},
    "description": "Only those judged by this rule set: `fx_rate` is any version of it, `fx_rate@1` that one.",
}


class RequestPage(ma.Schema):
    """A page of requests, newest first."""

    items = ma.fields.List(ma.fields.Nested(RequestState), required=True)
    next = ma.fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Cursor of the page after; good for the same state and rule set only."},
    )


@history.route("")
@scope(Scope.VALIDATIONS_READ)
@history.doc(parameters=[*pages.PARAMETERS, STATE, RULESET])
@history.response(200, RequestPage)
def newest() -> Response:
    """List one's own requests, newest first.

    Requests that come while somebody pages back are not among those that he will meet, and make him neither skip one
    nor see one twice.
    """
    page, wanted = pages.Page.of(request), Wanted.of(request)
    with platform().database.autocommit() as session:
        found = requests.newest(
            session,
            caller().client_id,
            state=wanted.state,
            ruleset=wanted.ruleset,
            before=wanted.before(page),
            limit=page.limit + 1,
        )
    return bodies.write(page.told(found, key=lambda each: wanted.key(each.id), shown=answers.state))


@dataclass(frozen=True)
class Wanted:
    """Which requests the caller wants to see; None for all."""

    state: State | None
    ruleset: str | None

    @classmethod
    def of(cls, request: Request) -> Self:
        """Return what the query asks for. Raises InvalidRequest."""
        state, ruleset = request.args.get("state"), request.args.get("ruleset")
        if state is not None and state not in list(State):
            pages.refuse("state", f"The query parameter state must be one of {', '.join(State)}.")
        if ruleset is not None and not (0 < len(ruleset) <= LONGEST_RULESET and ruleset.isprintable()):
            pages.refuse("ruleset", "The query parameter ruleset must be the name of a rule set.")
        return cls(None if state is None else State(state), ruleset)

    def key(self, request_id: UUID) -> str:
        """Return what a cursor holds: after which request to go on, and of which list that was."""
        return f"{request_id}.{self._mark}"

    def before(self, page: pages.Page) -> UUID | None:
        """Return the request to go on after, if not from the start. Raises InvalidRequest, CursorMismatch."""
        if page.after is None:
            return None
        text, _, mark = page.after.partition(".")
        try:
            request_id = UUID(text)
        except ValueError:
            pages.refuse_cursor()
        if mark != self._mark:
            raise CursorMismatch("The cursor is of a list with another state or rule set.")
        return request_id

    @property
    def _mark(self) -> str:
        told: list[Any] = [self.state, self.ruleset]
        return hashlib.sha256(json.canonical(told)).hexdigest()[:16]
