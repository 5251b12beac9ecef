"""Trials over HTTP: what a draft or a version says of pasted items, or of some rows of a file."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.api.trials import MOST_FILE_BYTES
from tests.api.authors import publish, put, unused, url
from tests.api.calls import problem, told
from tests.authoring.makers import rule

Auth = dict[str, str]

LINES = "".join(f'{{"amount": {number % 4}}}\n' for number in range(400)).encode()
#: The cells of a CSV are texts.
TEXTS: dict[str, Any] = {
    "schema": {"type": "object", "required": ["amount"], "properties": {"amount": {"type": "string"}}},
    "rules": [rule("positive", "item.amount != '0'", message={"en": "No.", "vi": "Không."})],
    "examples": [],
}


def attempt(
    client: FlaskClient, auth: Auth, name: str, data: bytes, kind: str = "application/x-ndjson", query: str = ""
) -> TestResponse:
    """Return the answer to trying the rule set on a file."""
    return client.post(url(name, f"try?{query}"), data=data, content_type=kind, headers=auth)


def tried(client: FlaskClient, auth: Auth, name: str, items: list[Any], query: str = "") -> TestResponse:
    """Return the answer to trying the rule set on some items."""
    return client.post(url(name, f"try?{query}"), json={"items": items}, headers=auth)


def test_pasted_items_are_judged_one_by_one(client: FlaskClient, author: Auth) -> None:
    name = unused()
    put(client, author, name)

    reply = tried(client, author, name, [{"amount": 1}, {"amount": 0}, None])

    assert reply.status_code == 200
    assert [row["next_action"] for row in told(reply)["rows"]] == ["accept", "fix", "fix"]
    [finding] = told(reply)["rows"][1]["findings"]
    assert (finding["pointer"], finding["code"], finding["message"]) == ("/amount", "rule.positive", "No.")
    assert told(reply)["rows"][1]["item"] == {"amount": 0}
    assert told(reply)["summary"]["next_actions"] == {"accept": 1, "confirm": 0, "fix": 2}
    assert [code["code"] for code in told(reply)["summary"]["codes"]] == ["rule.positive", "schema.type"]
    assert (told(reply)["read"], told(reply)["complete"], told(reply)["in_time"]) == (3, True, True)


def test_without_a_word_the_draft_is_tried_and_else_the_newest_version(client: FlaskClient, author: Auth) -> None:
    name = unused()
    publish(client, author, name)
    newest = tried(client, author, name, [{"amount": 5}])
    put(client, author, name, rules=[rule("positive", "item.amount > 9")], examples=[])

    draft = tried(client, author, name, [{"amount": 5}])
    first = tried(client, author, name, [{"amount": 5}], "of=1")

    assert [told(each)["ruleset"] for each in (newest, draft, first)] == [f"{name}@1", name, f"{name}@1"]
    assert [told(each)["rows"][0]["next_action"] for each in (newest, draft, first)] == ["accept", "fix", "accept"]


def test_the_first_rows_of_a_file_and_some_random_ones_are_judged(client: FlaskClient, author: Auth) -> None:
    name = unused()
    put(client, author, name)

    one, same, other = (
        told(attempt(client, author, name, LINES, query=f"first=4&random=6&seed={seed}")) for seed in (1, 1, 2)
    )

    assert [row["index"] for row in one["rows"]][:4] == [0, 1, 2, 3]
    assert (one["read"], len(one["rows"]), one["summary"]["rows"]) == (400, 10, 10)
    assert all((row["next_action"] == "fix") == (row["index"] % 4 == 0) for row in one["rows"])
    assert one == same != other


def test_a_csv_is_judged_in_the_language_that_the_caller_reads(client: FlaskClient, author: Auth) -> None:
    name = unused()
    put(client, author, name, **TEXTS)

    reply = attempt(client, author | {"Accept-Language": "vi"}, name, b"amount\n1\n0\n1,2\n", "text/csv; charset=utf-8")

    good, bad, odd = told(reply)["rows"]
    assert (good["item"], good["line"], good["findings"]) == ({"amount": "1"}, 2, [])
    assert bad["findings"][0]["message"] == "Không."
    assert odd["findings"][0]["code"] == "file.wrong_cells"
    assert reply.headers["Content-Language"] == "vi"


def test_rules_across_rows_are_tried_too(client: FlaskClient, author: Auth) -> None:
    name = unused()
    twice = {"en": "Rows {rows} are alike.", "vi": "Các dòng {rows} giống nhau."}
    across = {"id": "once", "kind": "unique", "key": ["/amount"], "message": twice, "severity": "error"}
    put(client, author, name, across=[across])

    reply = tried(client, author | {"Accept-Language": "vi"}, name, [{"amount": 4}, {"amount": 5}, {"amount": 4}])

    first, other, last = told(reply)["rows"]
    assert [(each["code"], each["rule_id"]) for each in last["findings"]] == [("file.duplicate_key", "once")]
    assert first["findings"][0]["message"] == "Các dòng 0, 2 giống nhau."
    assert [row["next_action"] for row in (first, other, last)] == ["fix", "accept", "fix"]
    assert told(reply)["summary"]["codes"] == [
        {"code": "file.duplicate_key", "severity": "error", "rows": 2, "first_index": 0}
    ]


def test_a_draft_that_does_not_compile_cannot_be_tried(client: FlaskClient, author: Auth) -> None:
    name = unused()
    put(client, author, name, rules=[rule("positive", "item.amount >")])

    [fault] = problem(tried(client, author, name, [{}]), 422, "ruleset_invalid")["errors"]

    assert fault["pointer"] == "/rules/0/expr"
    assert fault["params"]["line"] == 1


@pytest.mark.parametrize("query", ["first=501", "random=x", "seed=-1", "of=x", "of=0", "first="])
def test_an_odd_query_is_refused(client: FlaskClient, author: Auth, query: str) -> None:
    problem(attempt(client, author, "fx_rate", LINES, query=query), 422, "invalid_request")


@pytest.mark.parametrize(
    "body", [{}, {"items": []}, {"items": {}}, {"items": [1] * 101}, {"items": [1], "more": 1}, []]
)
def test_what_is_no_list_of_items_is_refused(client: FlaskClient, author: Auth, body: object) -> None:
    problem(client.post(url("fx_rate", "try"), json=body, headers=author), 422, "invalid_request")


@pytest.mark.parametrize("kind", ["text/plain", "", "application/xml", "multipart/form-data"])
def test_what_is_no_file_that_can_be_read_is_refused(client: FlaskClient, author: Auth, kind: str) -> None:
    problem(attempt(client, author, "fx_rate", LINES, kind), 415, "unsupported_media_type")


def test_a_file_has_a_limit_of_its_own(client: FlaskClient, author: Auth) -> None:
    line = b'{"amount": "' + b"x" * 1_000_000 + b'"}\n'
    large = line * (MOST_FILE_BYTES // len(line))

    assert attempt(client, author, "fx_rate", large, query="first=1&random=0").status_code == 200
    problem(attempt(client, author, "fx_rate", large + line), 413, "body_too_large")


def test_a_header_that_names_no_fields_is_told(client: FlaskClient, author: Auth) -> None:
    [fault] = problem(attempt(client, author, "fx_rate", b"a,a\n1,2\n", "text/csv"), 422, "invalid_request")["errors"]

    assert (fault["code"], fault["params"]) == ("file.duplicate_label", {"label": "a"})


def test_a_file_in_another_encoding_is_told(client: FlaskClient, author: Auth) -> None:
    problem(attempt(client, author, "fx_rate", "a\nGenève\n".encode("latin-1"), "text/csv"), 400, "bad_request")


@pytest.mark.parametrize(("name", "query"), [("nobody", ""), ("fx_rate", "of=99"), ("Odd", "")])
def test_what_there_is_not_cannot_be_tried(client: FlaskClient, author: Auth, name: str, query: str) -> None:
    problem(tried(client, author, name, [{}], query), 404, "ruleset_not_found")
