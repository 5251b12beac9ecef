"""One validation, door to door. Read this first: it is what the platform is for, told as a client sees it.

The whole platform runs as it does in production: the Procfile's own web, worker and clock processes, a real Postgres,
a real Redis. The client is plain HTTP.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, cast

import httpx
import pytest
from sqlalchemy import text

from app.database import Database
from app.settings import Settings
from tests.connection import Connection
from tests.factories import issue_token
from tests.processes import Web

GOOD_RATE = {"date": "2026-11-20", "base": "EUR", "quote": "USD", "rate": "1.0842", "source": "ECB"}
#: Bulgaria has the euro since 2026-01: there is no lev to quote any more.
DEAD_CURRENCY = {**GOOD_RATE, "quote": "BGN"}


@pytest.fixture
def client(web: Web, token: str) -> Iterator[httpx.Client]:
    """A client of the API that shows its token."""
    with httpx.Client(base_url=web.url, headers={"Authorization": f"Bearer {token}"}, timeout=40) as client:
        yield client


def test_one_item_is_sent_and_its_verdict_is_waited_for(client: httpx.Client) -> None:
    # A client sends one item, and says which rule set is to judge it.
    accepted = client.post("/api/validation/validate", json={"ruleset": "fx_rate", "item": GOOD_RATE})

    # 202: the item is committed, and will be answered, whatever happens to any process from here on.
    assert accepted.status_code == 202
    assert accepted.json()["state"] in ("pending", "done")
    location = accepted.headers["Location"]

    # The client waits at the request's result. The answer comes the moment it is there.
    answer = client.get(f"{location}/result", params={"wait": 20})
    assert answer.status_code == 200
    assert answer.json()["verdict"] == "valid"
    assert answer.json()["items"] == [{"index": 0, "verdict": "valid", "next_action": "accept", "findings": []}]

    # The link never dies: the same answer, now and tomorrow.
    again = client.get(f"{location}/result")
    assert again.json() == answer.json()


def test_a_client_in_a_hurry_gets_the_verdict_in_the_same_breath(client: httpx.Client) -> None:
    answer = client.post(
        "/api/validation/validate",
        json={"ruleset": "fx_rate", "item": GOOD_RATE},
        headers={"Prefer": "wait=20"},
    )

    assert answer.status_code == 200
    assert answer.headers["Preference-Applied"] == "wait=20"
    assert answer.json()["verdict"] == "valid"


def test_a_broken_item_is_a_good_request_with_findings(client: httpx.Client) -> None:
    # An item that breaks rules is never an HTTP error: the request was fine, the verdict is "invalid".
    answer = client.post(
        "/api/validation/validate",
        json={"ruleset": "fx_rate", "items": [GOOD_RATE, DEAD_CURRENCY]},
        headers={"Prefer": "wait=20"},
    )

    assert answer.status_code == 200
    assert answer.json()["verdict"] == "invalid"
    assert (answer.json()["item_count"], answer.json()["invalid_count"]) == (2, 1)
    good, broken = answer.json()["items"]
    assert good["verdict"] == "valid"
    # Each finding says where (JSON Pointer), what (a stable code), how bad, and in words.
    [finding] = broken["findings"]
    assert finding["pointer"] == "/quote"
    assert finding["severity"] == "error"
    assert finding["params"]["currency"] == "BGN"
    assert "BGN" in finding["message"]


def test_nobody_else_can_see_it(client: httpx.Client, web_settings: Settings) -> None:
    accepted = client.post("/api/validation/validate", json={"ruleset": "fx_rate", "item": GOOD_RATE})
    database = Database.from_settings(web_settings, name="test")
    stranger = issue_token(database, client="stranger")
    database.close()

    answer = client.get(accepted.headers["Location"], headers={"Authorization": f"Bearer {stranger}"})

    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_thousand_at_once_are_all_answered_and_none_twice(web: Web, token: str, web_settings: Settings) -> None:
    amount = 1_000
    items = [GOOD_RATE if number % 5 else DEAD_CURRENCY for number in range(amount)]
    started = time.monotonic()

    answers = asyncio.run(validate_all(web.url, token, items))

    elapsed = time.monotonic() - started
    assert Counter(answer["verdict"] for answer in answers) == {"valid": 800, "invalid": 200}
    assert len({answer["id"] for answer in answers}) == amount
    assert verdict_rows(web_settings, [answer["id"] for answer in answers]) == amount
    # Half a minute is what was promised for this very test; a healthy run takes a fraction of it.
    assert elapsed < 30


async def validate_all(url: str, token: str, items: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Return the answers to all items, every one sent and waited for at the same time, on a connection of its own."""

    async def validate(item: dict[str, str]) -> dict[str, Any]:
        async with Connection(url, token) as connection:
            status, headers, _ = await connection.ask(
                "POST", "/api/validation/validate", {"ruleset": "fx_rate", "item": item}
            )
            assert status == 202
            status, _, answer = await connection.ask("GET", f"{headers['location']}/result?wait=25")
            while status == 202:  # The wait was up: the link still stands.
                status, _, answer = await connection.ask("GET", f"{headers['location']}/result?wait=25")
            assert status == 200, answer
            return cast(dict[str, Any], answer)

    return await asyncio.gather(*map(validate, items))


def verdict_rows(web_settings: Settings, request_ids: list[str]) -> int:
    """Return how many verdict rows these requests have together."""
    database = Database.from_settings(web_settings, name="test")
    with database.transaction() as session:
        count: int = session.execute(
            text("SELECT count(*) FROM validation_responses WHERE request_id = ANY(CAST(:ids AS uuid[]))"),
            {"ids": request_ids},
        ).scalar_one()
    database.close()
    return count
