"""The fast path: the two busiest calls in their plain form, answered without what Flask does for every request.

    POST /api/validation/validate                       a JSON object of the right shape
    GET  /api/validation/requests/<id>/result?wait=N

Plain are those of a caller who is known, has the scope, and is within its limits. They are served at the same desk as
by the views in `app.api.validation`, and tests hold the answers of both ways together, header by header.

What may surprise: there are no errors here. What is not plain is left to Flask as if nobody had looked at it; and what
goes wrong later on is raised once more in Flask, in place of the view, so that problems, logs, metrics and reports know
of one way only. While spans are recorded there is no fast path.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from gunicorn.http.errors import ParseException

from app import json
from app.api import access_log, cors, detour, etags, languages, request_ids, security_headers, shapes
from app.api.desk import Desk, Told
from app.api.limits import Limits
from app.api.reader import key
from app.api.waits import Wait
from app.auth import guard
from app.auth.callers import Caller, Callers
from app.auth.scopes import Scope
from app.errors import AppError
from app.settings import Settings
from app.telemetry import timing
from app.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_RESULT_PATH = re.compile(r"/api/validation/requests/([0-9a-f-]{36})/result")
_LENGTH = re.compile(r"[0-9]{1,9}")
_WAIT_QUERY = re.compile(r"(?:wait=([0-9]{1,9}))?")

#: Headers whose meaning only Flask's way knows.
_UNUSUAL = frozenset(
    {
        "HTTP_CONTENT_ENCODING",
        "HTTP_IDEMPOTENCY_KEY",
        "HTTP_IF_NONE_MATCH",
        "HTTP_TRANSFER_ENCODING",
    }
)
_CREDENTIALS = {"Authorization": "HTTP_AUTHORIZATION", "X-API-Key": "HTTP_X_API_KEY"}

_STATUS_LINES = {200: "200 OK", 202: "202 ACCEPTED"}


@dataclass(slots=True)
class Submit:
    """Items are handed in."""

    method: ClassVar[str] = "POST"
    rule: ClassVar[str] = "/api/validation/validate"
    caller: Caller
    submission: Mapping[str, Any]
    items: Sequence[Any]
    wait: Wait
    language: str

    @property
    def units(self) -> int:
        """As many as there are items."""
        return len(self.items)

    def serve(self, desk: Desk) -> Told:
        """Hand them in. Raises UnknownRuleSet, DatabaseAway."""
        client_id = self.caller.client_id
        return desk.submit(self.submission, self.items, client_id=client_id, wait=self.wait, language=self.language)


@dataclass(slots=True)
class Result:
    """An answer is picked up."""

    method: ClassVar[str] = "GET"
    rule: ClassVar[str] = "/api/validation/requests/<request_id>/result"
    caller: Caller
    request_id: UUID
    wait: Wait
    language: str
    units: ClassVar[int] = 1

    def serve(self, desk: Desk) -> Told:
        """Pick it up. Raises RequestNotFound, DatabaseAway, TooManyWaiters."""
        return desk.result(self.request_id, client_id=self.caller.client_id, wait=self.wait, language=self.language)


#: A plain call: all that is known of it, and what is left to do.
Call = Submit | Result


class FastPath:
    """A WSGI application that answers plain calls, and leaves all others to Flask's."""

    def __init__(
        self,
        flask: WSGIApplication,
        settings: Settings,
        *,
        callers: Callers,
        limits: Limits,
        desk: Desk,
        metrics: Metrics,
    ) -> None:
        self._flask = flask
        self._settings = settings
        self._callers = callers
        self._limits = limits
        self._desk = desk
        self._metrics = metrics
        self._headers = {"Content-Type": "application/json", **security_headers.HEADERS}
        self._tells_limits = settings.rate_limit_headers == "on"
        self._origins = cors.listed(settings.cors_origins)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer the request."""
        call = self._plain(environ)
        if call is None:
            return self._flask(environ, start_response)
        timing.begin(environ)
        request_id = request_ids.bind(environ)
        try:
            guard.bind(call.caller)
            self._limits.charge(call.caller.client_id, call.units)
            told = call.serve(self._desk)
            body = json.dumps(told.value)
            headers = self._told(call, told, body) | {request_ids.HEADER: request_id}
            if self._origins:
                share(headers, environ.get("HTTP_ORIGIN"), self._origins)
            seconds = timing.elapsed_s(environ)
            access_log.answered(call.method, call.rule, told.status, seconds)
            self._metrics.answered(call.method, call.rule, told.status, seconds)
        except Exception as error:
            environ[request_ids.WSGI_NAME] = request_id
            detour.bring(environ, error)
            return self._flask(environ, start_response)
        finally:
            request_ids.forget()
        start_response(_STATUS_LINES[told.status], list(headers.items()))
        return [body]

    def _told(self, call: Call, told: Told, body: bytes) -> dict[str, str]:
        """Return the headers of an answer."""
        headers = {**self._headers, "Content-Length": str(len(body)), **told.headers}
        if call.method == "GET" and told.status == HTTPStatus.OK:
            headers |= etags.tagged(etags.of_bytes(body))
        if self._tells_limits:
            headers |= self._limits.headers(call.caller.client_id)
        return headers

    def _plain(self, environ: WSGIEnvironment) -> Call | None:
        """Return the call if the request is a plain one. Nothing has been done yet, save that its body was read."""
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        named = _RESULT_PATH.fullmatch(path) if method == Result.method else None
        if (named is None and (method, path) != (Submit.method, Submit.rule)) or not _UNUSUAL.isdisjoint(environ):
            return None
        with suppress(AppError):  # Flask comes upon the same, and says it.
            caller = self._callers.known(lambda name: environ.get(_CREDENTIALS[name]), environ["QUERY_STRING"])
            if caller and not self._limits.refusing(caller.client_id):
                return self._result(environ, caller, named[1]) if named else self._submit(environ, caller)
        return None

    def _submit(self, environ: WSGIEnvironment, caller: Caller) -> Submit | None:
        if Scope.VALIDATIONS_WRITE not in caller.scopes or environ["QUERY_STRING"]:
            return None
        body = self._body(environ)
        submission = shapes.plain(json.parse(body, max_depth=self._settings.max_depth)) if body else None
        items = shapes.items_of(submission) if submission else []
        if submission is None or len(items) > self._settings.max_items:
            return None
        return Submit(caller, submission, items, self._wait(environ, None), _language(environ))

    def _result(self, environ: WSGIEnvironment, caller: Caller, name: str) -> Result | None:
        query = _WAIT_QUERY.fullmatch(environ["QUERY_STRING"])
        if Scope.VALIDATIONS_READ not in caller.scopes or query is None:
            return None
        return Result(caller, key(name), self._wait(environ, query[1]), _language(environ))

    def _wait(self, environ: WSGIEnvironment, query: str | None) -> Wait:
        return Wait.of(query, environ.get("HTTP_PREFER"), longest_s=self._settings.max_wait_s)

    def _body(self, environ: WSGIEnvironment) -> bytes | None:
        """Return the body, which Flask can read once more; None when it is not plain JSON of an announced length."""
        length = environ.get("CONTENT_LENGTH", "")
        if environ.get("CONTENT_TYPE") != "application/json" or not _LENGTH.fullmatch(length):
            return None
        if int(length) > self._settings.max_body_bytes:
            return None
        body = b""
        with suppress(ParseException, OSError):  # It breaks off, as Flask will find.
            body = environ["wsgi.input"].read(int(length))
        environ["wsgi.input"] = io.BytesIO(body)
        return body if len(body) == int(length) else None


def share(headers: dict[str, str], origin: str | None, origins: frozenset[str]) -> None:
    """Have the headers of an answer let a caller from one of the origins read it."""
    headers["Vary"] = f"{vary}, {cors.VARY}" if (vary := headers.get("Vary")) else cors.VARY
    headers |= cors.headers(origin, origins)


def _language(environ: WSGIEnvironment) -> str:
    return languages.chosen(environ.get("HTTP_ACCEPT_LANGUAGE"))
