"""Reference tables over HTTP: list them, read a version's rows, load a new version.

They belong to the platform: whoever has the scope sees all of them. A version never changes, so its rows can be kept by
whoever has read them; their ETag is the hash of the whole content.
"""

from typing import Any

import marshmallow as ma
import structlog
from flask import Request, Response, request
from webargs.flaskparser import is_json_request
from werkzeug.exceptions import UnsupportedMediaType

from app import reference as tables
from app.api import bodies, etags, pages
from app.api.current import caller, platform
from app.api.openapi import Blueprint
from app.auth.guard import scope
from app.auth.scopes import Scope
from app.errors import UnknownTable
from app.reference import Format, Row, Table

log = structlog.get_logger(__name__)

reference = Blueprint(
    "reference", __name__, url_prefix="/api/reference", description="Code lists that rule sets name, by version."
)

VERSION_URL = "/api/reference/{}/versions/{}"
#: What a source is called when the caller does not say.
SOURCE = "api"

NAME = {"in": "path", "name": "name", "schema": {"type": "string", "pattern": f"^{tables.NAME.pattern}$"}}
VERSION = {"in": "path", "name": "version", "schema": {"type": "integer", "minimum": 1}}
SOURCE_QUERY = {
    "in": "query",
    "name": "source",
    "schema": {"type": "string", "minLength": 1, "maxLength": tables.LONGEST_SOURCE},
    "description": "Where the content is from, in words.",
}
CONTENT = {
    "required": True,
    "description": f"At most {tables.MOST_BYTES} bytes.",
    "content": {
        "application/json": {
            "schema": {
                "type": "array",
                "items": {
                    "oneOf": [
                        {"type": "string"},
                        {
                            "type": "object",
                            "required": ["code"],
                            "properties": {"code": {"type": "string"}},
                            "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
                        },
                    ]
                },
            },
            "example": [{"code": "VNSGN", "name": "Ho Chi Minh City"}, {"code": "DEHAM", "name": "Hamburg"}],
        },
        "text/csv": {
            "schema": {"type": "string"},
            "example": "code,name\nVNSGN,Ho Chi Minh City\nDEHAM,Hamburg\n",
        },
    },
}
LOCATION = {"Location": {"schema": {"type": "string"}, "description": "Where the version is."}}


class ReferenceTableLinks(ma.Schema):
    """Where to go on."""

    self = ma.fields.String(required=True)
    rows = ma.fields.String(required=True)


class ReferenceTable(ma.Schema):
    """One version of a reference table."""

    name = ma.fields.String(required=True)
    version = ma.fields.Integer(required=True)
    content_hash = ma.fields.String(required=True, metadata={"description": "SHA-256 of the rows, in hex."})
    source = ma.fields.String(required=True)
    row_count = ma.fields.Integer(required=True)
    bytes = ma.fields.Integer(required=True, metadata={"description": "Size of the rows as JSON."})
    created_at = ma.fields.DateTime(
        required=True, allow_none=True, metadata={"description": "null for a table that comes with the platform."}
    )
    created_by = ma.fields.String(required=True, metadata={"description": "`client:<id>`, `cli` or `platform`."})
    links = ma.fields.Nested(ReferenceTableLinks, required=True)


class ReferenceTables(ma.Schema):
    """A page of tables."""

    items = ma.fields.List(ma.fields.Nested(ReferenceTable), required=True)
    next = ma.fields.String(required=True, allow_none=True, metadata={"description": "Cursor of the page after."})


class ReferenceRow(ma.Schema):
    """One code."""

    code = ma.fields.String(required=True)
    attributes = ma.fields.Dict(required=True)


class ReferenceRows(ma.Schema):
    """A page of rows, by code."""

    items = ma.fields.List(ma.fields.Nested(ReferenceRow), required=True)
    next = ma.fields.String(required=True, allow_none=True, metadata={"description": "Cursor of the page after."})


@reference.route("")
@scope(Scope.REFERENCE_READ)
@reference.doc(parameters=pages.PARAMETERS)
@reference.response(200, ReferenceTables)
def newest() -> Response:
    """List the tables by name, each in its newest version."""
    return pages.answer(
        lambda session, page: tables.tables(session, after=page.after or "", limit=page.limit + 1),
        key=lambda table: table.name,
        shown=described,
    )


@reference.route("/<name>", parameters=[NAME])
@scope(Scope.REFERENCE_READ)
@reference.doc(parameters=pages.PARAMETERS)
@reference.response(200, ReferenceTables)
def versions(name: str) -> Response:
    """List the versions of a table, newest first."""
    return pages.answer(
        lambda session, page: tables.versions(session, name, before=page.after_number, limit=page.limit + 1),
        key=lambda table: table.version,
        shown=described,
    )


@reference.route("/<name>", methods=["PUT"], parameters=[NAME])
@scope(Scope.REFERENCE_WRITE)
@reference.doc(parameters=[SOURCE_QUERY], requestBody=CONTENT)
@reference.response(200, ReferenceTable, description="The newest version has this very content.", headers=etags.ETAG)
@reference.alt_response(
    201,
    schema=ReferenceTable,
    headers={**etags.ETAG, **LOCATION},
    description="Loaded: this is the newest version from now on.",
    success=True,
)
def load(name: str) -> Response:
    """Load a table: a new version of it, unless the newest has just this content.

    The body is a JSON list of codes, or of objects with a `code` and attributes; or a CSV with a column `code`.
    """
    tables.check_name(name)
    form = form_of(request)
    rows = tables.read(bodies.content(request, most=tables.MOST_BYTES), form)
    by = f"client:{caller().client_id}"
    with platform().database.transaction() as session:
        loaded = tables.load(session, name, rows, source=request.args.get("source", SOURCE), by=by)
    table = loaded.table
    if not loaded.new:
        return etags.write(request, described(table), table.content_hash.hex())
    log.info("reference.loaded", table=table.ref, rows=table.row_count)
    location = {"Location": VERSION_URL.format(name, table.version)}
    return etags.write(request, described(table), table.content_hash.hex(), 201, location)


@reference.route("/<name>/versions/<version>", parameters=[NAME, VERSION])
@scope(Scope.REFERENCE_READ)
@reference.doc(parameters=[etags.IF_NONE_MATCH])
@reference.response(200, ReferenceTable, headers=etags.ETAG)
@reference.alt_response(304, description="Known already.", success=True)
def version(name: str, version: str) -> Response:
    """See what one version is."""
    with platform().database.autocommit() as session:
        table = tables.find(session, name, number(version))
    return etags.write(request, described(table), table.content_hash.hex())


@reference.route("/<name>/versions/<version>/rows", parameters=[NAME, VERSION])
@scope(Scope.REFERENCE_READ)
@reference.doc(parameters=[*pages.PARAMETERS, etags.IF_NONE_MATCH])
@reference.response(200, ReferenceRows, headers=etags.ETAG)
@reference.alt_response(304, description="Known already.", success=True)
def rows(name: str, version: str) -> Response:
    """Read the rows of one version, by code."""
    page = pages.Page.of(request)
    start = page.after_number or 0
    with platform().database.autocommit() as session:
        table = tables.find(session, name, number(version))
        etag = table.content_hash.hex()
        if etags.is_known(request, etag):
            return etags.unchanged(etag)
        found = list(enumerate(tables.rows(session, table, start=start, limit=page.limit + 1), start=start + 1))
    return etags.write(request, page.told(found, key=lambda entry: entry[0], shown=shown), etag)


def form_of(request: Request) -> Format:
    """Return what the body is said to be. Raises UnsupportedMediaType."""
    if is_json_request(request):
        return Format.JSON
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if request.mimetype == "text/csv" and charset in ("utf-8", "us-ascii"):
        return Format.CSV
    raise UnsupportedMediaType("Send the table as application/json, or as text/csv in UTF-8.")


def number(version: str) -> int:
    """Return the version that a path names. Raises UnknownTable when no table can have it."""
    if not tables.VERSION.fullmatch(version):
        raise UnknownTable("There is no such version of a reference table.")
    return int(version)


def described(table: Table) -> dict[str, Any]:
    """Return what is told of a table."""
    url = VERSION_URL.format(table.name, table.version)
    return {
        "name": table.name,
        "version": table.version,
        "content_hash": table.content_hash.hex(),
        "source": table.source,
        "row_count": table.row_count,
        "bytes": table.bytes,
        "created_at": table.created_at,
        "created_by": table.created_by,
        "links": {"self": url, "rows": f"{url}/rows"},
    }


def shown(entry: tuple[int, Row]) -> dict[str, Any]:
    """Return what is told of the row in an entry."""
    code, attributes = entry[1]
    return {"code": code, "attributes": attributes}
