"""Documents: pages for people, in one piece: without a script, and with the one style sheet that all of them have.

The style is named by its hash in the policy that goes with a page, so that a browser takes it and nothing else.
"""

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from typing import Any, NamedTuple

import jinja2
from flask import Response, request
from markupsafe import Markup, escape

from app.api import etags

QUOTED = re.compile(r"`([^`]+)`")
#: Where a path may be broken on a narrow page.
JOINT = re.compile(r"(?<=.)/")


class Document(NamedTuple):
    """A page and its Content-Security-Policy."""

    body: str
    policy: str


def render(template: str, **values: Any) -> Document:
    """Return the page that a template makes of the values."""
    css = source("docs.css")
    style = b64encode(sha256(css.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'"
    body = environment().get_template(template).render(css=css, **values)
    return Document(body, f"{policy}; frame-ancestors 'none'")


def answer(document: Document) -> Response:
    """Return the page as the answer to the current request, 304 for whoever has it."""
    told = etags.sealed(request, Response(document.body, mimetype="text/html"))
    # On 304, too: its headers take the place of those that a browser has kept (RFC 9111 §3.2), and the policy that
    # everything else has would take the page's style away.
    told.headers["Content-Security-Policy"] = document.policy
    return told


def source(name: str) -> str:
    """Return the text of a file that lies with the templates."""
    environment_ = environment()
    assert environment_.loader
    return environment_.loader.get_source(environment_, name)[0]


@cache
def environment() -> jinja2.Environment:
    """Return what the templates are rendered by."""
    loader = jinja2.PackageLoader("app.api")
    made = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.ChainableUndefined)
    made.filters |= {"words": words, "breaks": breaks}
    return made


def words(text: object) -> Markup:
    """Return a description as HTML: what stands between backticks is code."""
    # `escape` leaves backticks as they are, and nothing else in the text has a meaning after it.
    return Markup(QUOTED.sub(r"<code>\1</code>", str(escape(text or ""))))


def breaks(path: str) -> Markup:
    """Return a path as HTML that is broken between its parts where it has to be."""
    return Markup(JOINT.sub("/<wbr>", str(escape(path))))
