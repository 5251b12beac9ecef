"""Every limit of the API, at it and one over it: what just fits is taken, one more is refused and says why.

The table is `LIMITS`. Limits that are about time have files of their own: requests (`test_limits`), waiters
(`test_seats`), gzip (`test_gzip`), how long a dry run may take (`test_dry_runs`), and what gunicorn takes
(`test_server`). A wait that is too long is cut, see `test_waits`, and so is a page, at the end.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import comparison
from app.api import audit, history, pages, ruleset_shapes, tokens, trials
from app.auth.scopes import Scope
from app.authoring import samples
from app.database import Database
from app.models.base import new_id
from app.reference import content
from app.rules import limits
from app.settings import Settings
from tests.api.authors import put, unused
from tests.api.calls import GOOD_RATE, VALIDATE, bearer, problem, told
from tests.authoring.makers import rule
from tests.factories import issue_token

Auth = dict[str, str]
Ask = Callable[[FlaskClient, Auth, int], TestResponse]
DEFAULTS = Settings(database_url="", redis_url="")
JSON = "application/json"


@dataclass(frozen=True)
class Limit:
    """How to ask for so much of something; the most there may be; the status then; status and code of one more."""

    ask: Ask
    most: int
    passes: int
    refused: tuple[int, str]
    #: The constant that is made as small as `most`, where to reach it would take too long.
    lowered: tuple[ModuleType, str] | None = None


def posted(client: FlaskClient, auth: Auth, **more: Any) -> TestResponse:
    return client.post(VALIDATE, json={"ruleset": "fx_rate", "item": GOOD_RATE, **more}, headers=auth)


def body(client: FlaskClient, auth: Auth, size: int) -> TestResponse:
    sent = json.dumps({"ruleset": "fx_rate", "item": GOOD_RATE})
    return client.post(VALIDATE, data=sent.ljust(size), headers=auth, content_type=JSON)


def items(client: FlaskClient, auth: Auth, count: int) -> TestResponse:
    return client.post(VALIDATE, json={"ruleset": "fx_rate", "items": [GOOD_RATE] * count}, headers=auth)


def dry_items(client: FlaskClient, auth: Auth, count: int) -> TestResponse:
    sent = {"ruleset": "fx_rate", "items": [GOOD_RATE] * count}
    return client.post(f"{VALIDATE}?dry_run=true", json=sent, headers=auth)


def depth(client: FlaskClient, auth: Auth, levels: int) -> TestResponse:
    item: Any = 0
    for _ in range(levels - 1):  # The body itself is one.
        item = [item]
    return posted(client, auth, item=item)


def ruleset_name(client: FlaskClient, auth: Auth, length: int) -> TestResponse:
    return posted(client, auth, ruleset="x" * length)


def idempotency_key(client: FlaskClient, auth: Auth, length: int) -> TestResponse:
    return posted(client, {**auth, "Idempotency-Key": uuid4().hex.ljust(length, "x")})


def wait_digits(client: FlaskClient, auth: Auth, digits: int) -> TestResponse:
    return client.get(f"/api/validation/requests/{new_id()}/result?wait={'9' * digits}", headers=auth)


def page_digits(client: FlaskClient, auth: Auth, digits: int) -> TestResponse:
    return client.get(f"/api/tokens?limit={'9' * digits}", headers=auth)


def cursor_key(client: FlaskClient, auth: Auth, length: int) -> TestResponse:
    return client.get(f"/api/reference?cursor={pages.cursor('x' * length)}", headers=auth)


def listed_ruleset(client: FlaskClient, auth: Auth, length: int) -> TestResponse:
    return client.get(f"/api/validation/requests?ruleset={'x' * length}", headers=auth)


def audit_filter(client: FlaskClient, auth: Auth, length: int) -> TestResponse:
    return client.get(f"/api/audit?subject={'x' * length}", headers=auth)


def token(client: FlaskClient, auth: Auth, **more: Any) -> TestResponse:
    return client.post("/api/tokens", json={"name": "x", "scopes": ["validations:read"], **more}, headers=auth)


def note(client: FlaskClient, auth: Auth, length: int) -> TestResponse:
    return client.post("/api/rulesets/fx_rate/versions/1/restore", json={"note": "x" * length}, headers=auth)


def published(client: FlaskClient, auth: Auth, **more: Any) -> TestResponse:
    name = unused()
    assert put(client, auth, name, **more).status_code == 201
    return client.post(f"/api/rulesets/{name}/draft/publish", headers=auth)


def rules(client: FlaskClient, auth: Auth, count: int) -> TestResponse:
    others = [rule(f"other_{number}", "item.amount > -1") for number in range(count - 1)]
    return published(client, auth, rules=[rule("positive", "item.amount > 0"), *others])


def expression(client: FlaskClient, auth: Auth, length: int) -> TestResponse:
    return published(client, auth, rules=[rule("positive", "item.amount > 0".ljust(length))])


def expressions(client: FlaskClient, auth: Auth, length: int) -> TestResponse:
    count = 30
    texts = ["item.amount > 0", *["item.amount > -1"] * (count - 1)]
    lengths = [length // count + (number < length % count) for number in range(count)]
    padded = [rule(f"r{number}", text.ljust(lengths[number])) for number, text in enumerate(texts)]
    return published(client, auth, rules=[{**padded[0], "id": "positive"}, *padded[1:]])


def examples(client: FlaskClient, auth: Auth, count: int) -> TestResponse:
    return published(
        client,
        auth,
        examples=[{"title": f"{number}", "item": {"amount": 1}, "findings": []} for number in range(count)],
    )


def table(client: FlaskClient, auth: Auth, rows: Any) -> TestResponse:
    sent = {"json": rows} if isinstance(rows, list) else {"data": rows, "content_type": "text/csv"}
    return client.put(f"/api/reference/t{uuid4().hex}", headers=auth, **sent)


def table_name(client: FlaskClient, auth: Auth, length: int) -> TestResponse:
    return client.put(
        f"/api/reference/t{uuid4().hex}".ljust(length + len("/api/reference/"), "x"), json=["A"], headers=auth
    )


def table_bytes(client: FlaskClient, auth: Auth, size: int) -> TestResponse:
    return client.put(f"/api/reference/t{uuid4().hex}", data='["A"]'.ljust(size), content_type=JSON, headers=auth)


def table_source(client: FlaskClient, auth: Auth, length: int) -> TestResponse:
    return client.put(f"/api/reference/t{uuid4().hex}?source={'x' * length}", json=["A"], headers=auth)


def tried(client: FlaskClient, auth: Auth, count: int) -> TestResponse:
    return client.post("/api/rulesets/fx_rate/try", json={"items": [GOOD_RATE] * count}, headers=auth)


def tried_file(
    client: FlaskClient, auth: Auth, size: int = 0, query: str = "", sent: str = "base\nEUR\n"
) -> TestResponse:
    url = f"/api/rulesets/fx_rate/try?{query}"
    return client.post(url, data=sent.ljust(size), content_type="text/csv", headers=auth)


def compared(client: FlaskClient, auth: Auth, requests: int) -> TestResponse:
    return client.post(f"/api/rulesets/{unused()}/comparisons", json={"requests": requests}, headers=auth)


SHAPE, TABLE, RULESET = (422, "invalid_request"), (422, "reference_invalid"), (422, "ruleset_invalid")

LIMITS = {
    "bytes of a body": Limit(body, DEFAULTS.max_body_bytes, 202, (413, "body_too_large")),
    "items": Limit(items, DEFAULTS.max_items, 202, SHAPE),
    "items of a dry run": Limit(dry_items, DEFAULTS.max_items, 200, SHAPE),
    "levels of JSON": Limit(depth, DEFAULTS.max_depth, 202, (400, "bad_request")),
    "name of a rule set": Limit(ruleset_name, 100, 422, SHAPE),
    "idempotency key": Limit(idempotency_key, 255, 202, (400, "idempotency_key_invalid")),
    "digits of a wait": Limit(wait_digits, 9, 404, SHAPE),
    "digits of a page's size": Limit(page_digits, 9, 200, SHAPE),
    "key in a cursor": Limit(cursor_key, pages.LONGEST_CURSOR * 3 // 4, 200, SHAPE),
    "rule set of a list": Limit(listed_ruleset, history.LONGEST_RULESET, 200, SHAPE),
    "filter of the audit trail": Limit(audit_filter, audit.LONGEST_FILTER, 200, SHAPE),
    "name of a token": Limit(lambda c, a, n: token(c, a, name="x" * n), tokens.LONGEST_NAME, 201, SHAPE),
    "days of a token": Limit(lambda c, a, n: token(c, a, expires_in_days=n), tokens.MOST_DAYS, 201, SHAPE),
    "scopes of a token": Limit(lambda c, a, n: token(c, a, scopes=[*Scope, *Scope][:n]), len(Scope), 201, SHAPE),
    "note of a version": Limit(note, ruleset_shapes.LONGEST_NOTE, 200, SHAPE),
    "rules": Limit(rules, 200, 201, RULESET),
    "one expression": Limit(expression, 2_000, 201, RULESET),
    "all expressions": Limit(expressions, limits.LONGEST_EXPRESSIONS, 201, RULESET),
    "examples": Limit(examples, 200, 201, RULESET),
    "rows of a table": Limit(
        lambda c, a, n: table(c, a, "code\n" + "\n".join(map(str, range(n)))),
        1_000,
        201,
        TABLE,
        lowered=(content, "MOST_ROWS"),
    ),
    "bytes of a table": Limit(table_bytes, content.MOST_BYTES, 201, (413, "body_too_large")),
    "name of a table": Limit(table_name, 63, 201, TABLE),
    "source of a table": Limit(table_source, 500, 201, TABLE),
    "code of a row": Limit(lambda c, a, n: table(c, a, ["x" * n]), content.LONGEST_CODE, 201, TABLE),
    "attributes of a row": Limit(
        lambda c, a, n: table(c, a, [{"code": "A", **{f"a{number}": 1 for number in range(n)}}]),
        content.MOST_ATTRIBUTES,
        201,
        TABLE,
    ),
    "name of an attribute": Limit(
        lambda c, a, n: table(c, a, [{"code": "A", "x" * n: 1}]), content.LONGEST_NAME, 201, TABLE
    ),
    "text of an attribute": Limit(
        lambda c, a, n: table(c, a, [{"code": "A", "text": "x" * n}]), content.LONGEST_TEXT, 201, TABLE
    ),
    "items to try": Limit(tried, DEFAULTS.max_items, 200, SHAPE),
    "bytes of a file to try": Limit(tried_file, trials.MOST_FILE_BYTES, 200, (413, "body_too_large")),
    "first rows": Limit(lambda c, a, n: tried_file(c, a, query=f"first={n}"), trials.MOST_ROWS, 200, SHAPE),
    "random rows": Limit(lambda c, a, n: tried_file(c, a, query=f"random={n}"), trials.MOST_ROWS, 200, SHAPE),
    "columns of a file": Limit(
        lambda c, a, n: tried_file(c, a, sent=",".join(f"c{number}" for number in range(n)) + "\n"),
        samples.MOST_COLUMNS,
        200,
        SHAPE,
    ),
    "requests to compare": Limit(compared, comparison.MOST_REQUESTS, 404, SHAPE),
}


@pytest.fixture(scope="module")
def everything(database: Database) -> Auth:
    """The headers of a client that may do everything."""
    return bearer(issue_token(database, client=f"client-{uuid4()}", scopes=list(Scope)))


@pytest.mark.parametrize("what", LIMITS)
def test_what_just_fits_is_taken_and_one_more_is_refused(
    client: FlaskClient, everything: Auth, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    limit = LIMITS[what]
    if limit.lowered:
        monkeypatch.setattr(*limit.lowered, limit.most)

    at_it = limit.ask(client, everything, limit.most)
    one_over = limit.ask(client, everything, limit.most + 1)

    assert at_it.status_code == limit.passes, at_it.text
    assert limit.refused[1] not in at_it.text
    problem(one_over, *limit.refused)


def test_a_page_is_never_longer_than_the_longest(client: FlaskClient, everything: Auth) -> None:
    url = f"/api/reference/t{uuid4().hex}"
    codes = [f"{number:05}" for number in range(pages.MOST + 1)]
    assert client.put(url, json=codes, headers=everything).status_code == 201

    page = told(client.get(f"{url}/versions/1/rows?limit={pages.MOST + 1}", headers=everything))

    assert len(page["items"]) == pages.MOST
    assert page["next"]
