"""The description for people: `/api/docs`, one page made of what `/api/openapi.json` says.

Made here, so that it works offline and without a script; its one style sheet is inside, named by its hash in the
page's policy.
"""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any

import jinja2
from flask import Response, request
from markupsafe import Markup, escape

from app.api import etags, openapi, problems
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
QUOTED = re.compile(r"`([^`]+)`")


@docs.route("/api/docs")
@public("people read it before they have a token; it holds nothing of anybody")
@docs.response(200, content_type="text/html")
def read() -> Response:
    """Read the description as a page."""
    body, policy = page()
    return etags.sealed(request, Response(body, headers={"Content-Security-Policy": policy}, mimetype="text/html"))


@lru_cache(maxsize=1)
def page() -> tuple[str, str]:
    """Return the page and its Content-Security-Policy. It stays the same as long as the process lives."""
    loader = jinja2.PackageLoader("app.api")
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.ChainableUndefined)
    environment.filters["words"] = words
    css = str(loader.get_source(environment, "docs.css")[0])
    spec = openapi.spec()
    body = environment.get_template("docs.html").render(
        css=css,
        info=spec["info"],
        limits=LIMITS,
        problems=dict(sorted(codes())),
        schemas=spec["components"]["schemas"],
        tags=[{**tag, "operations": list(operations(spec, tag["name"]))} for tag in spec["tags"]],
        titles={name: schema.get("title", name) for name, schema in spec["components"]["schemas"].items()},
    )
    style = b64encode(sha256(css.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'"
    return body, f"{policy}; frame-ancestors 'none'"


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
                "parameters": [*item.get("parameters", []), *told.get("parameters", [])],
                "scope": next(
                    (needed for way in told["security"] for scopes in way.values() for needed in scopes), None
                ),
                "answers": sorted(
                    (str(status), resolved(spec, answer)) for status, answer in told["responses"].items()
                ),
            }


def resolved(spec: Mapping[str, Any], answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the answer, or the one that it refers to."""
    if "$ref" not in answer:
        return answer
    named: Mapping[str, Any] = spec["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    return named


def codes() -> Iterator[tuple[str, tuple[int, str]]]:
    """Yield every code of a problem with its status and title."""
    for status, (code, title, _) in problems.STATUSES.items():
        yield code, (status, title)
    for error, kind in problems.KINDS.items():
        yield error.code, (kind.status, kind.title)


def words(text: object) -> Markup:
    """Return a description as HTML: what stands between backticks is code."""
    # `escape` leaves backticks as they are, and nothing else in the text has a meaning after it.
    return Markup(QUOTED.sub(r"<code>\1</code>", str(escape(text or ""))))
