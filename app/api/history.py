"""A client's own requests over HTTP, newest first, by state and rule set."""

import marshmallow as ma
from flask import Response, request

from app.api import answers, pages
from app.api.current import caller
from app.api.openapi import Blueprint
from app.api.shapes import RequestState
from app.auth.guard import scope
from app.auth.scopes import Scope
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
    state, ruleset = request.args.get("state"), request.args.get("ruleset")
    if state is not None and state not in list(State):
        pages.refuse("state", f"The query parameter state must be one of {', '.join(State)}.")
    if ruleset is not None and not (0 < len(ruleset) <= LONGEST_RULESET and ruleset.isprintable()):
        pages.refuse("ruleset", "The query parameter ruleset must be the name of a rule set.")
    return pages.answer(
        lambda session, page: requests.newest(
            session,
            caller().client_id,
            state=State(state) if state else None,
            ruleset=ruleset,
            before=page.after_id,
            limit=page.limit + 1,
        ),
        key=lambda each: each.id,
        shown=answers.state,
        filters={"state": state, "ruleset": ruleset},
    )
