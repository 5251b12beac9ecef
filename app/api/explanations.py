"""Explanations: what each problem means, and what to do about it; `/problems/{code}` is where its `type` leads.

They are for people, whoever asks, so there is one form: a page. A program has the code.
"""

from functools import cache
from typing import NamedTuple

from flask import Response
from werkzeug.exceptions import NotFound

from app.api import documents, problems
from app.api.documents import Document
from app.api.openapi import Blueprint
from app.auth.guard import public


class Explanation(NamedTuple):
    """What has happened, and what the caller can do."""

    meaning: str
    remedy: str


SLOWER = "Wait as many seconds as `Retry-After` says, then go on at a slower pace."
LATER = "Send the same call again after as many seconds as `Retry-After` says."
LOOK_AGAIN = "Read the draft again, put your change into what it is now, and send that with its new `ETag`."

EXPLANATIONS = {
    "bad_request": Explanation(
        "The body is not JSON, is nested too deep, breaks off, or has characters that cannot be stored, such as NUL; "
        "or the request as a whole is not HTTP.",
        "Look at `detail`, mend what builds the request, and send it anew. The same one will fail again.",
    ),
    "body_too_large": Explanation(
        "The body has more bytes than this service takes; of one that comes as gzip, what is inside counts.",
        "Send fewer items at a time.",
    ),
    "comparison_ended": Explanation(
        "The comparison was to be canceled, and is over.", "There is nothing to do: read what it has found."
    ),
    "comparison_not_found": Explanation(
        "The rule set has no such comparison. Some time after its end a comparison is removed.",
        "List the comparisons of the rule set, or begin a new one.",
    ),
    "comparison_running": Explanation(
        "A rule set has one comparison at a time, and one of this rule set is not over.",
        "Wait until it is, or cancel it.",
    ),
    "cursor_mismatch": Explanation(
        "The cursor was handed out by the same list with other filters.",
        "Leave `cursor` out to begin with the first page, and keep the filters as they are from then on.",
    ),
    "database_unavailable": Explanation(
        "The service cannot reach its database right now. Nothing was stored.",
        f"{LATER} With an `Idempotency-Key` it is not done twice, whatever came of the first one.",
    ),
    "draft_changed": Explanation(
        "The draft is no longer what the `ETag` in `If-Match` stands for: somebody has changed it. Nothing was done.",
        LOOK_AGAIN,
    ),
    "draft_conflict": Explanation(
        "Somebody has changed, published or discarded the draft while this call was at it. Nothing was done.",
        LOOK_AGAIN,
    ),
    "draft_exists": Explanation(
        "A draft was to be begun (`If-None-Match: *`), and there is one.",
        "Read it, and change it with its `ETag` in `If-Match`; or discard it first.",
    ),
    "draft_not_found": Explanation(
        "The rule set has no draft: there was none, or it has been published or discarded.",
        "Begin one with `PUT`; the newest version of the rule set is a good start.",
    ),
    "dry_run_too_slow": Explanation(
        "The rules did not get through all the items in the few seconds that a dry run may take. Part of them has no "
        "verdict.",
        "Send fewer items at a time, or leave `dry_run` out: then a worker judges them, however long it takes.",
    ),
    "expectation_failed": Explanation(
        "The request has an `Expect` header with something other than `100-continue`.", "Leave the header out."
    ),
    "idempotency_key_busy": Explanation(
        "A call with this `Idempotency-Key` is being worked on at this very moment.",
        f"{LATER} The answer is then what the first call has made.",
    ),
    "idempotency_key_invalid": Explanation(
        "The `Idempotency-Key` is not made of 1 to 255 visible ASCII characters, or is a token.",
        "Make one for each call, such as a UUID, and send it again only with a repetition of that call.",
    ),
    "idempotency_key_reused": Explanation(
        "The `Idempotency-Key` has been sent before, with another body. Nothing was done.",
        "Use a new key for a new call; repeat a call with the very body that it had.",
    ),
    "insufficient_scope": Explanation(
        "The token is good, and lacks the scope that the operation asks for; `detail` and `WWW-Authenticate` name it.",
        "Use a token that has the scope, or ask whoever gave you yours for one.",
    ),
    "internal_error": Explanation(
        "Something has gone wrong that nobody expected. It is in the logs, under the `request_id`.",
        "Try again once; if it stays so, tell the operator the `request_id`.",
    ),
    "invalid_client": Explanation(
        "The OAuth client is not known, has been revoked, or has shown a wrong secret. Which of them is not told.",
        "Look whether id and secret are those that were handed out; ask the operator for new ones if they are.",
    ),
    "invalid_request": Explanation(
        "The request can be read, and is not of the shape that the operation asks for. `errors` has each thing that is "
        "wrong, with its place in the body as a JSON Pointer.",
        "Compare the request with the description of the operation, and mend what `errors` names. The same one will "
        "fail again.",
    ),
    "invalid_scope": Explanation(
        "A JWT was asked for with a scope that there is not, or that the OAuth client may not have.",
        "Leave `scope` out to get all that the client may have, or ask for less.",
    ),
    "invalid_token": Explanation(
        "The token is mistyped, not known, expired or revoked. Which of them is not told.",
        "Get another one: a JWT from `/oauth/token`, an opaque token from whoever gave you this one.",
    ),
    "invalid_token_request": Explanation(
        "The call to `/oauth/token` lacks a parameter, has one twice, or says in two ways who asks.",
        "Send a form with `grant_type=client_credentials`, and id and secret of the OAuth client as Basic credentials.",
    ),
    "issuer_unavailable": Explanation(
        "The token is of an issuer whose keys cannot be read right now, so nobody can tell whether it is good.", LATER
    ),
    "jwt_off": Explanation(
        "This service makes no JWTs, since its operator has given it no key to sign them with.",
        "Use an opaque token (`rpt_…`), or ask the operator to set `RATE_JWT_SIGNING_KEYS`.",
    ),
    "method_not_allowed": Explanation(
        "The path is right, and there is no such method for it.", "Use one of those that `Allow` lists."
    ),
    "not_found": Explanation(
        "No resource has this path. A slash too many at its end or in its middle makes another path.",
        "Compare the path with those of the description.",
    ),
    "not_implemented": Explanation(
        "The body comes with a `Transfer-Encoding` that is not known here.",
        "Send it with its `Content-Length`, or `chunked`; say by `Content-Encoding: gzip` that it is compressed.",
    ),
    "not_ready": Explanation(
        "This process is starting or stopping, or its database is not of its release. It still answers all calls.",
        "Send calls to another process until `/readyz` answers 200.",
    ),
    "precondition_required": Explanation(
        "What is there is only changed by somebody who says which state of it the change is made for.",
        "Read it first, and send its `ETag` in `If-Match`.",
    ),
    "reference_built_in": Explanation(
        "The name is that of a reference table that comes with the platform.", "Load yours under another name."
    ),
    "reference_invalid": Explanation(
        "The JSON or CSV is no reference table; `errors` has the first thing that is wrong. Nothing was stored.",
        "Mend that, and load the whole table anew.",
    ),
    "reference_unknown": Explanation(
        "There is no reference table of this name, or no such version of it.", "List the reference tables."
    ),
    "request_header_fields_too_large": Explanation(
        "The headers are too many, or one of them is too long.",
        "Send fewer; browsers send all cookies of the host along, which this service needs none of.",
    ),
    "request_not_found": Explanation(
        "There is no such request, or it is another client's. Which of the two is not told.",
        "Compare the id with the one that was answered, and the token with the one that it was sent with.",
    ),
    "request_uri_too_long": Explanation("The first line of the request is too long.", "Shorten the query."),
    "ruleset_changed": Explanation(
        "The version is published with another content, and what is published does not change.",
        "Publish under the next number.",
    ),
    "ruleset_invalid": Explanation(
        "The definition cannot become a rule set: it does not compile, costs too much, or its own examples have other "
        "findings than they say. `errors` has all of it, with places in the definition.",
        "Mend the draft, have it checked, and publish it then.",
    ),
    "ruleset_not_found": Explanation(
        "There is no rule set of this name, or no such version of it.", "List the rule sets."
    ),
    "ruleset_unknown": Explanation(
        "The items were to be judged by a rule set that is not published. Nothing was stored.",
        "List the rule sets; `fx_rate` is the newest version of that name, `fx_rate@1` a certain one.",
    ),
    "token_misplaced": Explanation(
        "The request has a token in its URL, where others can read it, or two tokens in its headers.",
        "Send one token, in `Authorization: Bearer …` or in `X-API-Key`. Revoke one that has been in a URL.",
    ),
    "token_not_found": Explanation(
        "There is no such token, or it is another client's. Which of the two is not told.", "List your tokens."
    ),
    "token_refused": Explanation(
        "No JWT is given for this request; `detail` says why.", "Mend the request as `detail` says."
    ),
    "too_many_attempts": Explanation(
        "The OAuth client has asked for too many JWTs, or too many requests of its address were refused.",
        f"{SLOWER} A JWT is good for some minutes: keep it for so long.",
    ),
    "too_many_requests": Explanation(
        "A limit is used up: of the client, of the process, or of tokens from one address that were no good. `detail` "
        "says which one. Nothing was done.",
        f"{SLOWER} `RateLimit` tells what is left; up to 100 items go in one request.",
    ),
    "too_many_waiters": Explanation(
        "As many requests are waiting for an answer as may at a time, of this client or of all.",
        "Ask again later, or without waiting: what was accepted will be answered.",
    ),
    "unauthenticated": Explanation(
        "The operation needs a token, and the request has none.",
        "Send one in `Authorization: Bearer …` or in `X-API-Key`.",
    ),
    "unsupported_grant_type": Explanation(
        "A JWT was asked for in a way that there is not here.", "Send `grant_type=client_credentials`."
    ),
    "unsupported_media_type": Explanation(
        "The body is not said to be of a type that the operation takes, or is compressed in another way than gzip.",
        "Set `Content-Type`, for most operations to `application/json`; `detail` has what is taken.",
    ),
}

CODE = {
    "in": "path",
    "name": "code",
    "schema": {"type": "string", "enum": sorted(EXPLANATIONS), "example": "invalid_request"},
}

explanations = Blueprint(
    "explanations", __name__, url_prefix="/problems", description="What a problem means: where its `type` leads."
)


@explanations.route("/<code>", parameters=[CODE])
@public("people read it when they have no token, or none that is good; it holds nothing of anybody")
@explanations.response(200, content_type="text/html")
def explain(code: str) -> Response:
    """Read what a problem means, and what to do about it, as a page."""
    if code not in EXPLANATIONS:
        raise NotFound
    return documents.answer(page(code))


@cache
def page(code: str) -> Document:
    """Return the page about the problem with this code."""
    found = dict(sorted(problems.codes()))
    status, title = found[code]
    return documents.render(
        "problem.html",
        code=code,
        codes=list(found),
        explanation=EXPLANATIONS[code],
        status=status,
        title=title,
        type=problems.type_of(code),
    )
