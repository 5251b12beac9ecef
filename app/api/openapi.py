"""The API's own description, OpenAPI 3.1: made from the views, with the scope that each of them states."""

import http
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import flask_smorest
import marshmallow as ma
from flask import Response, current_app, request
from flask_smorest.utils import prepare_response
from werkzeug.exceptions import HTTPException

from app import json
from app.api import bodies, etags, problems
from app.auth import guard
from app.auth.guard import access, public
from app.auth.scopes import Scope

VERSION = "1"
INTRODUCTION = (
    "Rates are checked here by rule sets: send items, get a verdict with findings. A token goes into `Authorization: "
    "Bearer …` or `X-API-Key`. Every answer that is not a success is a problem (RFC 9457) with a stable `code`, and "
    "every answer has an `X-Request-Id`, which is in the logs, too. Bodies may come with `Content-Encoding: gzip`."
)
#: Seconds that anybody may keep the description without asking whether it still stands.
KEPT_S = 300
BEARER, API_KEY = "bearer", "api_key"


class Fault(ma.Schema):
    """One thing that is wrong with a request."""

    pointer = ma.fields.String(metadata={"description": "Where in the body (RFC 6901)."})
    code = ma.fields.String(required=True)
    detail = ma.fields.String(required=True)
    params = ma.fields.Dict()


class Problem(ma.Schema):
    """Any answer that is not a success (RFC 9457)."""

    type = ma.fields.String(
        required=True, metadata={"format": "uri-reference", "description": "Leads to what it means, and what to do."}
    )
    title = ma.fields.String(required=True)
    status = ma.fields.Integer(required=True)
    detail = ma.fields.String(required=True)
    code = ma.fields.String(required=True, metadata={"description": "Stable; what programs should look at."})
    request_id = ma.fields.String(required=True, metadata={"description": "Also in X-Request-Id, and in the logs."})
    errors = ma.fields.List(ma.fields.Nested(Fault), required=True)


class Api(flask_smorest.Api):  # type: ignore[misc]  # untyped library
    """Flask-smorest, with problems for errors."""

    ERROR_SCHEMA = Problem

    def handle_http_exception(self, error: HTTPException) -> Response:
        """Return the error as a problem."""
        return problems.from_http(error)

    def _register_responses(self) -> None:
        # As in the parent, but only what is used here, and under the media type that problems have.
        response = {"description": "Any error.", "schema": Problem}
        prepare_response(response, self.spec, problems.MIMETYPE)
        self.spec.components.response(self.DEFAULT_ERROR_RESPONSE_NAME, response, lazy=True)
        unprocessable = {"description": "The request is not of the right shape.", "schema": Problem}
        prepare_response(unprocessable, self.spec, problems.MIMETYPE)
        self.spec.components.response(http.HTTPStatus(422).name, unprocessable, lazy=True)

    def _register_pagination_header(self) -> None:
        # Its pages have numbers; ours have cursors, and what nobody is sent is not to be described.
        pass


View = Callable[..., Response]
Decorator = Callable[[View], View]


class Blueprint(flask_smorest.Blueprint):  # type: ignore[misc]  # untyped library
    """Flask-smorest's, reading JSON our way, and describing the scope of each view."""

    ARGUMENTS_PARSER = bodies.JsonParser()

    if TYPE_CHECKING:  # The types that the library does not give.

        def arguments(self, schema: type[ma.Schema]) -> Decorator: ...
        def doc(self, **description: Any) -> Decorator: ...
        def response(
            self, status: int, schema: type[ma.Schema] | dict[str, Any] | None = None, **description: Any
        ) -> Decorator: ...
        def alt_response(self, status: int, **description: Any) -> Decorator: ...

    def route(self, rule: str, **options: Any) -> Decorator:
        """Add a view that states its access. Raises guard.Unguarded when it does not."""

        def add(view: View) -> View:
            # Programs that are made of the description call their functions so.
            name = f"{self.name}_{view.__name__}"
            described = self.doc(operationId=name, security=security(access(view)))(view)
            return cast(View, super(Blueprint, self).route(rule, **options)(described))

        return add


def security(stated: Scope | guard.Public) -> list[dict[str, list[str]]]:
    """Return the `security` of an operation: either way to carry a token, or none."""
    return [{BEARER: [stated]}, {API_KEY: [stated]}] if isinstance(stated, Scope) else []


def describe_access(api: Api) -> None:
    """Describe the ways to carry a token."""
    kinds = "An opaque token (`rpt_…`), or a JWT from `/oauth/token` or from the trusted issuer."
    bearer = {"type": "http", "scheme": "bearer", "bearerFormat": "rpt_… or JWT", "description": kinds}
    elsewhere = "The same tokens, for clients that cannot set Authorization. Not both."
    api_key = {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": elsewhere}
    api.spec.components.security_scheme(BEARER, bearer)
    api.spec.components.security_scheme(API_KEY, api_key)


description = Blueprint("description", __name__, description="What this API can do.")


@description.route("/api/openapi.json")
@public("clients and tools read it before they have a token; it holds nothing of anybody")
@description.doc(parameters=[etags.IF_NONE_MATCH])
@description.response(200, headers=etags.ETAG, content_type="application/json")
@description.alt_response(304, description="Known already.", success=True)
def openapi() -> Response:
    """Read this description. It stays the same until the next release, and may be kept for some minutes."""
    answer = etags.sealed(request, Response(text(), mimetype="application/json"))
    answer.headers["Cache-Control"] = f"public, max-age={KEPT_S}"
    return answer


@lru_cache(maxsize=1)
def text() -> bytes:
    """Return the description as it is sent. It stays the same as long as the process lives."""
    return json.dumps(spec())


def spec() -> dict[str, Any]:
    """Return the description of the current application."""
    return dict(current_app.extensions["flask-smorest"]["apis"][""]["ext_obj"].spec.to_dict())
