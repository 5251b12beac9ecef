"""The description for people: `/api/docs`, one page made of what `/api/openapi.json` says.

Made here, so that it works offline and without a script.
"""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from flask import Response

from app import json
from app.api import documents, openapi, problems
from app.api.documents import Document
from app.api.openapi import Blueprint
from app.auth.guard import public

docs = Blueprint("docs", __name__, description="This page.")

#: What may stand in a path item beside its operations.
METHODS = ("get", "post", "put", "patch", "delete")
#: How people read the limits of a value, which stands between the two.
LIMITS = {
    "minimum": ("at least", ""),
    "maximum": ("at most", ""),
    "minLength": ("at least", "characters"),
    "maxLength": ("at most", "characters"),
    "minItems": ("at least", "of them"),
    "maxItems": ("at most", "of them"),
    "pattern": ("of the form", ""),
    "default": ("else", ""),
}
#: The first call that anybody makes.
FIRST = """curl "$URL/api/validation/validate" -H "Authorization: Bearer $TOKEN" -H "Prefer: wait=20" \\
  --json '{"ruleset": "fx_rate", "item": {"date": "2026-11-20", "base": "EUR", "quote": "BGN", "rate": "1.9558"}}'"""


@docs.route("/api/docs")
@public("people read it before they have a token; it holds nothing of anybody")
@docs.response(200, content_type="text/html")
def read() -> Response:
    """Read the description as a page."""
    return documents.answer(page())


@lru_cache(maxsize=1)
def page() -> Document:
    """Return the page. It stays the same as long as the process lives."""
    spec = openapi.spec()
    return documents.render(
        "docs.html",
        extension=documents.source("extension.js").rstrip(),
        first=FIRST,
        info=spec["info"],
        limits=LIMITS,
        problems=dict(sorted(problems.codes())),
        schemas=spec["components"]["schemas"],
        tags=[{**tag, "operations": list(operations(spec, tag["name"]))} for tag in spec["tags"]],
        titles={name: schema.get("title", name) for name, schema in spec["components"]["schemas"].items()},
    )


def operations(spec: Mapping[str, Any], tag: str) -> Iterator[dict[str, Any]]:
    """Yield what the page says of the operations with this tag."""
    for path, item in spec["paths"].items():
        for method in METHODS:
            told = item.get(method)
            if told is None or tag not in told["tags"]:
                continue
            yield {
                "id": f"{method}{re.sub('[^a-z_]+', '-', path)}",
                "method": method.upper(),
                "path": path,
                "told": told,
                "parameters": (parameters := [*item.get("parameters", []), *told.get("parameters", [])]),
                "sample": sample(spec, method.upper(), path, told, parameters),
                "scope": next(
                    (needed for way in told["security"] for scopes in way.values() for needed in scopes), None
                ),
                "answers": sorted(
                    (str(status), resolved(spec, answer)) for status, answer in told["responses"].items()
                ),
            }


def sample(
    spec: Mapping[str, Any],
    method: str,
    path: str,
    told: Mapping[str, Any],
    parameters: Iterable[Mapping[str, Any]],
) -> str:
    """Return the call as a command for people to copy; what is theirs to fill in stands in braces, or is `…`."""
    kinds = told.get("requestBody", {}).get("content", {})
    needed = [each["name"] for each in parameters if each["in"] == "query" and each.get("required")]
    url = f"$URL{path}" + (f"?{'&'.join(f'{name}={{{name}}}' for name in needed)}" if needed else "")
    words = ["curl", f'"{url}"']
    if method != ("POST" if kinds else "GET"):
        words += ["-X", method]
    if told["security"]:
        words += ["-H", '"Authorization: Bearer $TOKEN"']
    if method == "DELETE" and any(each["name"] == "If-Match" for each in parameters):
        words += ["-H", "'If-Match: \"…\"'"]
    if media := kinds.get("application/json"):
        body = media["example"] if "example" in media else example(spec, media["schema"])
        words += ["\\\n  --json", shlex.quote(json.dumps(body).decode())]
    elif "application/x-www-form-urlencoded" in kinds:
        words += ["-u", '"$ID:$SECRET"', "-d", "grant_type=client_credentials"]
    return " ".join(words)


def example(spec: Mapping[str, Any], schema: Mapping[str, Any]) -> Any:
    """Return an example of what the schema describes: its members that have one."""
    if "$ref" in schema:
        return example(spec, spec["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    if "example" in schema:
        return schema["example"]
    return {name: field["example"] for name, field in schema.get("properties", {}).items() if "example" in field}


def resolved(spec: Mapping[str, Any], answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the answer, or the one that it refers to."""
    if "$ref" not in answer:
        return answer
    named: Mapping[str, Any] = spec["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    return named
