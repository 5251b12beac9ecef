"""Bodies: JSON that came in, read strictly, and JSON that goes out.

Of two members with one name in an object the last one counts, as in most parsers (RFC 8259 §4 leaves it open).
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, NoReturn, cast

import marshmallow as ma
from flask import Request, Response
from gunicorn.http.errors import ParseException
from webargs.flaskparser import FlaskParser, is_json_request
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from app import json
from app.api import gzip
from app.api.current import platform
from app.api.problems import fault
from app.errors import BadRequest, InvalidRequest

#: A body can be wrong in more ways than anybody wants to be told.
MOST_FAULTS = 50

#: Marshmallow's words for what is wrong, and the code that goes with them; `invalid_value` for all others.
CODES = {
    ma.fields.Field.default_error_messages["required"]: "required",
    ma.fields.Field.default_error_messages["null"]: "null",
    ma.Schema._default_error_messages["unknown"]: "unknown_field",
    ma.Schema._default_error_messages["type"]: "wrong_type",
    ma.fields.String.default_error_messages["invalid"]: "wrong_type",
}
#: What people are told in place of words that only Python's people understand.
WORDS = {
    ma.Schema._default_error_messages["type"]: "Must be a JSON object.",
    ma.fields.Dict.default_error_messages["invalid"]: "Must be a JSON object.",
    ma.fields.List.default_error_messages["invalid"]: "Must be a list.",
    ma.fields.String.default_error_messages["invalid"]: "Must be a string.",
    ma.fields.Integer.default_error_messages["invalid"]: "Must be a whole number.",
}

IDENTITY = "identity"


class UnsupportedEncoding(UnsupportedMediaType):
    """The body is compressed in a way that cannot be read; the answer says which one can (RFC 9110 §15.5.16)."""

    description = "Send the body as it is, or with Content-Encoding: gzip."

    def get_headers(self, *args: Any) -> list[tuple[str, str]]:
        """Return what goes with the answer."""
        return [*super().get_headers(*args), ("Accept-Encoding", "gzip")]


def read(request: Request) -> json.JSON:
    """Return what the body of the request says.

    Raises:
        UnsupportedMediaType: it is not said to be JSON, or it is compressed in another way than gzip.
        RequestEntityTooLarge: it is larger than the settings allow, whether or not its length was announced.
        BadRequest: it is not JSON, nested too deep, has characters that cannot be stored, or is not the gzip that it
            is said to be.
    """
    settings = platform().settings
    if not is_json_request(request):
        raise UnsupportedMediaType("Send the body as application/json.")
    return json.parse(content(request, most=settings.max_body_bytes), max_depth=settings.max_depth)


def content(request: Request, *, most: int) -> bytes:
    """Return the bytes of the body, whatever they are; those inside where it came compressed.

    Raises:
        UnsupportedEncoding: it is compressed in another way than gzip.
        RequestEntityTooLarge: it has more than `most` bytes, whether or not its length was announced, or opened.
        BadRequest: it breaks off, or is not the gzip that it is said to be.
    """
    encoding = request.headers.get("Content-Encoding", IDENTITY).strip().lower()
    if encoding not in (IDENTITY, *gzip.NAMES):
        raise UnsupportedEncoding
    # Werkzeug cuts a chunked body off at its limit without a word, so that limit is one byte more than ours.
    request.max_content_length = most + 1
    try:
        body = request.get_data()
    except (ParseException, OSError):
        raise BadRequest("The body breaks off, or is not cut into chunks as HTTP/1.1 has it.") from None
    except RequestEntityTooLarge:
        raise too_large(most) from None
    if len(body) > most:
        raise too_large(most)
    # The server takes a connection that ends too soon for the end of the body; half a file must not pass for a whole.
    if len(body) < (request.content_length or 0):
        raise BadRequest("The body breaks off: it is shorter than its Content-Length.")
    return body if encoding == IDENTITY else gzip.inflate(body, most=most)


def too_large(most: int) -> RequestEntityTooLarge:
    """Return the error for a body of more than `most` bytes."""
    return RequestEntityTooLarge(f"The body may have {most:,} bytes at most.")


def write(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return `value` as a JSON response."""
    return Response(json.dumps(value), status=status, headers=dict(headers or {}), mimetype="application/json")


class JsonParser(FlaskParser):
    """Webargs, reading bodies our way and raising our errors."""

    def __init__(self) -> None:
        super().__init__()
        self._schemas: dict[type[ma.Schema], ma.Schema] = {}

    def _get_schema(self, argmap: Any, req: Request) -> ma.Schema:
        # To make one anew for each request costs more than to read the body with it.
        if isinstance(argmap, type) and issubclass(argmap, ma.Schema):
            schema = self._schemas.get(argmap)
            if schema is None:
                schema = self._schemas[argmap] = argmap()
            return schema
        return super()._get_schema(argmap, req)

    def load_json(self, req: Request, schema: ma.Schema) -> Any:
        """Return the body."""
        return read(req)

    def handle_error(
        self,
        error: ma.ValidationError,
        req: Request,
        schema: ma.Schema,
        *,
        error_status_code: int | None,
        error_headers: Mapping[str, str] | None,
    ) -> NoReturn:
        """Raise InvalidRequest with one entry for each thing that is wrong."""
        # Webargs puts the messages under the name of the place that it took the value from.
        (messages,) = cast(dict[str, dict[Any, Any]], error.messages).values()
        raise InvalidRequest("The body is not of the right shape.", errors=list(islice(faults(messages), MOST_FAULTS)))


def faults(messages: Mapping[Any, Any], pointer: str = "") -> Iterator[dict[str, Any]]:
    """Yield the entries of marshmallow's tree of messages, each with its place in the body."""
    for key, below in messages.items():
        place = pointer if key == ma.exceptions.SCHEMA else f"{pointer}/{escape(str(key))}"
        if isinstance(below, Mapping):
            yield from faults(below, place)
        else:
            for message in below:
                yield fault(place, CODES.get(message, "invalid_value"), WORDS.get(message, message))


def escape(name: str) -> str:
    """Return a member's name as a reference token of a JSON Pointer (RFC 6901 §3)."""
    return name.replace("~", "~0").replace("/", "~1")
