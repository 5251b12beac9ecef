"""Events: a request's answer as Server-Sent Events (WHATWG HTML §9.2), for those who rather listen than ask again.

There are two: `state` while it is pending, `done` with the whole answer at the end. Each has the request's state as its
id, so that a listener who comes back with `Last-Event-ID` is told only what is new, and nothing more (204: stop) after
the end. What is sent comes from the database, like everything that is told of a request.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from flask import Response, request
from prometheus_client import Gauge

from app import json
from app.api import languages
from app.api.current import caller, desk, metrics, platform
from app.api.openapi import Blueprint
from app.api.reader import Reader, calmly, key
from app.api.validation import REQUEST_ID, language
from app.auth.guard import scope
from app.auth.scopes import Scope
from app.models.requests import State
from app.results import Hub

#: A stream is silent for at most so long: proxies cut what is silent (Heroku's after 55 s).
SILENT_S = 15.0
#: And is ended after so many of these, about a minute: the listener comes back, perhaps to another process.
PAUSES = 4
#: Milliseconds after which a listener is to come back when the stream has ended too early.
RETRY_MS = 1_000

MIMETYPE = "text/event-stream"
KEEP_ALIVE = b": still there\n\n"
RETRY = b"retry: %d\n\n" % RETRY_MS

events = Blueprint(
    "events", __name__, url_prefix="/api/validation/requests", description="Listen for what happens to a request."
)

#: One event, as OpenAPI describes streams since 3.2; tools for 3.1 know it too.
EVENT = {
    "type": "object",
    "required": ["event", "id", "data"],
    "properties": {
        "event": {"type": "string", "enum": ["state", "done"]},
        "id": {"type": "string", "enum": [state.value for state in State], "description": "The state told of."},
        "data": {"type": "string", "contentMediaType": "application/json", "description": "As in the result."},
    },
}
LAST_EVENT_ID = {
    "in": "header",
    "name": "Last-Event-ID",
    "schema": {"type": "string"},
    "description": "The id of the last event that was received: it is not sent again.",
}


@events.route("/<request_id>/events", parameters=[REQUEST_ID])
@scope(Scope.VALIDATIONS_READ)
@events.doc(parameters=[LAST_EVENT_ID, languages.PARAMETER])
@events.response(
    200,
    EVENT,
    content_type=MIMETYPE,
    headers=languages.HEADER,
    description="`state` while it is pending, then `done` with the answer. Ends after that, or after a minute.",
)
@events.alt_response(204, description="It has ended, and the listener knows: do not come back.", success=True)
def listen(request_id: str) -> Response:
    """Listen for the answer to a request, as Server-Sent Events. Counts as waiting."""
    read = desk().reader(key(request_id), client_id=caller().client_id, language=language())
    known = request.headers.get("Last-Event-ID")
    answer = read()
    if answer is None:
        seating = desk().seating(caller().client_id)
        seating.must_sit()
        response = stream(told(read, known, platform().hub, metrics().waiting), read.language)
        response.call_on_close(seating.leave)  # When it has been sent to its end, or cut off.
        return response
    if known == answer["state"]:
        return Response(status=204)
    return stream([event("done", answer)], read.language)


def stream(blocks: Iterable[bytes], language: str) -> Response:
    """Return the response that tells the blocks, one by one."""
    # nginx would keep events back until it has some kilobytes of them.
    headers = {**languages.headers(language), "X-Accel-Buffering": "no"}
    return Response(blocks, mimetype=MIMETYPE, headers=headers)


def told(read: Reader, known: str | None, hub: Hub, waiting: Gauge) -> Iterator[bytes]:
    """Yield what is to be told of a request that was pending, to who has the event with the id `known`."""
    yield RETRY
    if known != State.PENDING:
        yield event("state", read.seen)
    answer = None
    with hub.watch(read.request_id) as watch, waiting.track_inprogress():
        for _ in range(PAUSES):
            if answer is not None or hub.draining:
                break
            answer = watch.until(calmly(read), timeout_s=SILENT_S)
            if answer is None and not hub.draining:
                yield KEEP_ALIVE
    yield RETRY if answer is None else event("done", answer)


def event(kind: str, value: dict[str, Any]) -> bytes:
    """Return one event. JSON has no line breaks of its own, so the value is one line."""
    return b"event: %b\nid: %b\ndata: %b\n\n" % (kind.encode(), value["state"].encode(), json.dumps(value))
