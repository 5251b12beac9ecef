"""A rule set, from the first draft to the verdicts that it gives: no deploy, no code, and never an unseen change.

As in `test_journey`, the whole platform runs in processes of its own, and the author is plain HTTP.
"""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from app.auth.scopes import Scope
from app.database import Database
from app.settings import Settings
from tests.authoring.makers import definition, rule
from tests.factories import issue_token
from tests.processes import Web, wait_for

SMALL = rule("small", "item.amount < 100")


@pytest.fixture
def author(web: Web, web_settings: Settings) -> Iterator[httpx.Client]:
    """Somebody who may write rule sets and have items judged."""
    database = Database.from_settings(web_settings, name="test")
    scopes = [Scope.RULESETS_READ, Scope.RULESETS_WRITE, Scope.VALIDATIONS_READ, Scope.VALIDATIONS_WRITE]
    token = issue_token(database, client="author", scopes=scopes)
    database.close()
    with httpx.Client(base_url=web.url, headers={"Authorization": f"Bearer {token}"}, timeout=40) as client:
        yield client


def judged(author: httpx.Client, amount: int) -> dict[str, Any]:
    """Return the answer to one item, by the newest version of the rule set."""
    body = {"ruleset": "journey", "item": {"amount": amount}}
    answer = author.post("/api/validation/validate", json=body, headers={"Prefer": "wait=20"})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_a_rule_set_is_drafted_tried_published_and_taken_back(author: httpx.Client) -> None:
    # An author writes a draft, which is nobody's business yet: it may be wrong.
    draft = author.put("/api/rulesets/journey/draft", json={"definition": definition("journey", rules="later")})
    assert draft.status_code == 201
    problems = author.post("/api/rulesets/journey/draft/check").json()["problems"]
    assert [problem["pointer"] for problem in problems] == ["/rules"]

    # The draft is mended, for the very state that was seen, and published with a reason.
    mended = author.put(
        "/api/rulesets/journey/draft",
        json={"definition": definition("journey")},
        headers={"If-Match": draft.headers["ETag"]},
    )
    assert mended.status_code == 200
    first = author.post("/api/rulesets/journey/draft/publish", json={"note": "The first."})
    assert (first.status_code, first.json()["version"]) == (201, 1)

    # From now on items are judged by it.
    assert judged(author, 1_000)["verdict"] == "valid"

    # A stricter draft is tried on a sample before anybody is judged by it.
    stricter = definition("journey", rules=[*definition()["rules"], SMALL])
    author.put("/api/rulesets/journey/draft", json={"definition": stricter})
    sample = author.post("/api/rulesets/journey/try", json={"items": [{"amount": 1}, {"amount": 1_000}]})
    assert [row["next_action"] for row in sample.json()["rows"]] == ["accept", "fix"]
    assert judged(author, 1_000)["ruleset"] == "journey@1"

    # Published, it judges in every process within two seconds, with no deploy.
    assert author.post("/api/rulesets/journey/draft/publish").json()["version"] == 2
    wait_for(lambda: judged(author, 1_000)["ruleset"] == "journey@2")
    refused = judged(author, 1_000)
    assert refused["verdict"] == "invalid"
    assert [finding["code"] for finding in refused["items"][0]["findings"]] == ["rule.small"]

    # It was too strict: what was there before is published again, as a new version.
    back = author.post("/api/rulesets/journey/versions/1/restore", json={"note": "Too strict."})
    assert (back.json()["version"], back.json()["restores"]) == (3, 1)
    wait_for(lambda: judged(author, 1_000)["verdict"] == "valid")
