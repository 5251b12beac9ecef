"""What an answer says beside the verdict: what to do, what to write instead, what was corrected, in which language."""

from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app import bare
from app.database import Database
from app.models import requests, rulesets
from app.platform import Platform
from app.validation import judge, record
from tests.api.calls import GOOD_RATE, VALIDATE, problem, submit, told
from tests.rules.makers import definition, rule

CAREFUL = definition(
    name="careful",
    schema={"type": "object", "properties": {"a": {"type": "integer"}, "unit": {"enum": ["each", "kg"]}}},
    normalisers=[{"pointer": "/unit", "apply": ["trim"]}],
    rules=[
        rule(id="small", message={"en": "{a} is not small.", "vi": "{a} không nhỏ."}, params={"a": "item.a"}),
        rule(id="odd", expr="item.a % 2 == 1", severity="warning", message="Not odd."),
        rule(id="one", expr="item.a == 1", severity="info", message="Not one."),
    ],
)


@pytest.fixture
def platform(app: Flask, database: Database) -> Platform:
    """The application's own platform, which knows the rule set `careful`."""
    with database.transaction() as session:
        rulesets.publish(session, CAREFUL)
    platform: Platform = app.extensions["platform"]
    return platform


def answer(
    client: FlaskClient, auth: dict[str, str], platform: Platform, *items: Any, language: str = "", **more: Any
) -> TestResponse:
    """Return the answer to these items of the rule set `careful`, once a worker has judged them."""
    accepted = submit_items(client, auth, *items, **more)
    with platform.database.transaction() as session:
        (request,) = requests.claim(bare.of(session), [UUID(accepted["id"])])
        judgement = judge(platform.rulebook.get(session, request.ruleset), request.items, request.autofix)
        assert record(bare.of(session), [(request, judgement)])
    return client.get(accepted["links"]["result"], headers={**auth, "Accept-Language": language})


def submit_items(client: FlaskClient, auth: dict[str, str], *items: Any, **more: Any) -> dict[str, Any]:
    """Return the resource of a new request."""
    reply = client.post(VALIDATE, json={"ruleset": "careful", "items": list(items), **more}, headers=auth)
    assert reply.status_code == 202, reply.text
    return dict(told(reply))


@pytest.mark.parametrize(
    ("values", "each", "whole"),
    [
        ([1], ["accept"], "accept"),
        ([1, 3], ["accept", "accept"], "accept"),
        ([1, 2], ["accept", "confirm"], "confirm"),
        ([1, 2, 10], ["accept", "confirm", "fix"], "fix"),
    ],
)
def test_an_answer_says_what_to_do_about_each_item_and_the_whole(
    client: FlaskClient, auth: dict[str, str], platform: Platform, values: list[int], each: list[str], whole: str
) -> None:
    reply = told(answer(client, auth, platform, *({"a": value} for value in values)))

    assert [item["next_action"] for item in reply["items"]] == each
    assert reply["next_action"] == whole
    assert reply["verdict"] == ("invalid" if whole == "fix" else "valid")


def test_a_finding_says_what_to_write_instead(client: FlaskClient, auth: dict[str, str], platform: Platform) -> None:
    reply = told(answer(client, auth, platform, {"a": 1, "unit": "KG"}, {"a": 1, "unit": "box"}))

    (first,), (second,) = (item["findings"] for item in reply["items"])
    assert first["suggestion"] == {
        "op": "replace",
        "path": "/unit",
        "value": "kg",
        "confidence": 0.95,
        "reason": "case",
    }
    assert "suggestion" not in second


def test_safe_fixes_are_made_told_and_judged_and_the_ledger_keeps_what_was_sent(
    client: FlaskClient, auth: dict[str, str], platform: Platform, database: Database
) -> None:
    sent = [{"a": 1, "unit": " kg "}, {"a": 1, "unit": "kg"}]

    reply = told(answer(client, auth, platform, *sent, autofix="safe"))

    fixed, untouched = reply["items"]
    assert (reply["verdict"], reply["next_action"]) == ("valid", "accept")
    assert fixed["fixed"] == {"a": 1, "unit": "kg"}
    (fix,) = fixed["findings"]
    assert (fix["code"], fix["severity"], fix["pointer"]) == ("fix.trim", "info", "/unit")
    assert fix["params"] == {"from": " kg ", "to": "kg"}
    assert "fixed" not in untouched
    assert untouched["findings"] == []
    with database.transaction() as session:
        assert session.get_one(requests.Request, UUID(reply["id"])).items == sent


def test_nothing_is_fixed_unasked(client: FlaskClient, auth: dict[str, str], platform: Platform) -> None:
    reply = told(answer(client, auth, platform, {"a": 1, "unit": " kg "}))

    (item,) = reply["items"]
    (finding,) = item["findings"]
    assert (item["verdict"], finding["code"], finding["suggestion"]["value"]) == ("invalid", "schema.enum", "kg")
    assert "fixed" not in item


@pytest.mark.parametrize("autofix", ["all", "", True, None, ["safe"]])
def test_there_is_no_other_way_to_fix(client: FlaskClient, auth: dict[str, str], autofix: Any) -> None:
    reply = client.post(VALIDATE, json={"ruleset": "fx_rate", "item": {}, "autofix": autofix}, headers=auth)

    (fault,) = problem(reply, 422, "invalid_request")["errors"]
    assert fault["pointer"] == "/autofix"


def test_messages_are_in_the_language_that_is_asked_for(
    client: FlaskClient, auth: dict[str, str], platform: Platform
) -> None:
    bad = [{"a": 11}, {"a": "x"}]

    english, vietnamese = (answer(client, auth, platform, *bad, language=each) for each in ("en", "vi-VN,en;q=0.5"))

    assert [told(reply)["items"][0]["findings"][0]["message"] for reply in (english, vietnamese)] == [
        "11 is not small.",
        "11 không nhỏ.",
    ]
    assert told(vietnamese)["items"][1]["findings"][0]["message"] == "Phải thuộc kiểu integer."
    assert [reply.headers["Content-Language"] for reply in (english, vietnamese)] == ["en", "vi"]
    assert {reply.headers["Vary"] for reply in (english, vietnamese)} == {"Accept-Language"}


def test_one_stored_answer_can_be_read_in_every_language(
    client: FlaskClient, auth: dict[str, str], platform: Platform
) -> None:
    first = answer(client, auth, platform, {"a": 10}, language="vi")

    again = client.get(told(first)["links"]["result"], headers=auth)

    assert "không nhỏ" in first.text
    assert "is not small" in again.text
    assert again.headers["Content-Language"] == "en"


def test_a_request_without_an_answer_is_in_no_language(client: FlaskClient, auth: dict[str, str]) -> None:
    accepted = submit(client, auth, item=GOOD_RATE)

    reply = client.get(accepted["links"]["result"], headers=auth)

    assert reply.status_code == 202
    assert "Content-Language" not in reply.headers
