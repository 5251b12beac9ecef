"""Trials over HTTP: what a version or the draft would say of some items, or of a few rows of a file."""

import re
from typing import Any

from flask import Request, Response, request
from webargs.flaskparser import is_json_request
from werkzeug.exceptions import UnsupportedMediaType

from app import authoring
from app.api import answers, bodies, languages, limits, pages
from app.api.current import platform
from app.api.openapi import Blueprint
from app.api.problems import fault
from app.api.ruleset_shapes import Items, Trying
from app.api.rulesets import DRAFT, EITHER, NAME, definition_of, either, known, loaded
from app.auth.guard import scope
from app.auth.scopes import Scope
from app.authoring import Row, Sample, Tried, samples
from app.errors import InvalidRequest
from app.models import rulesets as model
from app.rules import RuleSet

trials = Blueprint("trials", __name__, url_prefix="/api/rulesets/<name>", description="Try a rule set on a few items.")

#: For what may be 0.
AMOUNT = re.compile(r"[0-9]{1,9}")
#: A file to try a rule set on, in bytes, and the rows that are taken from either part of it.
MOST_FILE_BYTES = 8 * 1024 * 1024
ROWS, MOST_ROWS = 100, 500
#: Media types of files, by what they hold.
FILES = {
    "text/csv": samples.Format.CSV,
    "application/x-ndjson": samples.Format.NDJSON,
    "application/jsonl": samples.Format.NDJSON,
}

OF = {
    "in": "query",
    "name": "of",
    "schema": EITHER,
    "description": f"A version, or `{DRAFT}`. Without: the draft where there is one, else the newest version.",
}
AMOUNTS = [
    {
        "in": "query",
        "name": name,
        "schema": {"type": "integer", "minimum": 0, "maximum": MOST_ROWS, "default": ROWS},
        "description": f"Rows of a file to take {where}.",
    }
    for name, where in (("first", "from its beginning"), ("random", "at random from the others"))
]
SEED = {
    "in": "query",
    "name": "seed",
    "schema": {"type": "integer", "minimum": 0, "default": 0},
    "description": "The same file and the same seed give the same random rows.",
}
SAMPLE = {
    "required": True,
    "description": f"Items, or a file of at most {MOST_FILE_BYTES} bytes in UTF-8.",
    "content": {
        "application/json": {"schema": Items},
        "text/csv": {"schema": {"type": "string"}, "example": "date,base,quote,rate\n2026-11-20,EUR,USD,1.0842\n"},
        **{
            kind: {"schema": {"type": "string"}, "example": '{"base": "EUR"}\n{"base": "USD"}\n'}
            for kind, form in FILES.items()
            if form is samples.Format.NDJSON
        },
    },
}


@trials.route("/try", methods=["POST"], parameters=[NAME])
@scope(Scope.RULESETS_READ)
@trials.doc(parameters=[OF, *AMOUNTS, SEED, languages.PARAMETER], requestBody=SAMPLE)
@trials.response(200, Trying, headers=languages.HEADER)
def attempt(name: str) -> Response:
    """Try a version, or the draft, on some items, or on the first and some random rows of a file. Nothing is stored.

    The cells of a CSV are texts, under the names in its header; an empty cell is a field that is not there. Rules
    across rows compare the rows that are tried, and no others; `rows` in their findings counts as `index` does.
    """
    wanted, language = either("of"), languages.chosen(request.headers.get("Accept-Language"))
    sample = sampled(request)
    limits.charge(len(sample.rows) - 1)
    with platform().database.autocommit() as session:
        wanted = wanted or (DRAFT if model.draft(session, known(name)) else None)
        definition = definition_of(session, known(name), wanted)
        ruleset = authoring.usable(session, definition)
    tried = authoring.judge(ruleset, definition, sample.rows)
    return bodies.write(
        {
            "ruleset": ruleset.ref if ruleset.version else name,
            "read": sample.read,
            "complete": sample.complete,
            "in_time": len(tried) == len(sample.rows),
            "summary": authoring.summary(tried),
            "rows": [row_of(each, ruleset, language) for each in tried],
        },
        headers=languages.headers(language),
    )


def amount(parameter: str, default: int, most: int) -> int:
    """Return the whole number that the query gives, at most `most`. Raises InvalidRequest."""
    text = request.args.get(parameter, str(default))
    if not AMOUNT.fullmatch(text) or int(text) > most:
        pages.refuse(parameter, f"The query parameter {parameter} must be a whole number from 0 to {most}.")
    return int(text)


def sampled(request: Request) -> Sample:
    """Return the rows to try a rule set on. Raises InvalidRequest, BadRequest, UnsupportedMediaType."""
    settings = platform().settings
    if is_json_request(request):
        items = loaded(Items(), bodies.read(request))["items"]
        if len(items) > settings.max_items:
            message = f"At most {settings.max_items} items can be tried at once."
            wrong = fault("/items", "too_many_items", message, {"most": settings.max_items})
            raise InvalidRequest(message, errors=[wrong])
        return Sample([Row(index, item) for index, item in enumerate(items)], read=len(items), complete=True)
    if request.mimetype not in FILES:
        raise UnsupportedMediaType(f"Send items as application/json, or a file as one of {', '.join(FILES)}.")
    return samples.of(
        bodies.content(request, most=MOST_FILE_BYTES),
        FILES[request.mimetype],
        first=amount("first", ROWS, MOST_ROWS),
        random=amount("random", ROWS, MOST_ROWS),
        seed=amount("seed", 0, 10**9 - 1),
        max_depth=settings.max_depth,
    )


def row_of(tried: Tried, ruleset: RuleSet, language: str) -> dict[str, Any]:
    """Return what is told of a row, its messages in `language`."""
    return {
        "index": tried.row.index,
        "line": tried.row.line,
        "item": tried.row.item,
    } | answers.item(tried.findings, ruleset.messages, language)
