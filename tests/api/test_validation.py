from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Thread
from typing import Any
from uuid import UUID, uuid4

import pytest
from dramatiq import BrokerConnectionError, Worker
from flask import Flask
from flask.testing import FlaskClient

from app import bare
from app.database import Database
from app.errors import DatabaseAway
from app.ledger import Ledger
from app.models import requests
from app.models.base import new_id
from app.platform import Platform
from app.validation import judge, record
from tests.api.calls import GOOD_RATE, VALIDATE, bearer, problem, submit, told
from tests.factories import issue_token
from tests.processes import wait_for

BAD_RATE = {**GOOD_RATE, "rate": "-1"}


@pytest.fixture
def platform(app: Flask) -> Platform:
    """The application's own platform."""
    platform: Platform = app.extensions["platform"]
    platform.start()
    assert platform.hub.ready(timeout_s=5)
    return platform


def finish(platform: Platform, request_id: str) -> None:
    """Do what a worker does."""
    with platform.database.transaction() as session:
        (request,) = requests.claim(bare.of(session), [UUID(request_id)])
        judgement = judge(platform.rulebook.get(session, request.ruleset), request.items)
        (standing,) = record(bare.of(session), [(request, judgement)])
    platform.notices.tell({standing.id: standing.encode()})


def fail(platform: Platform, request_id: str) -> None:
    """Do what happens after a worker's last attempt."""
    with platform.database.transaction() as session:
        assert requests.fail(session, UUID(request_id), "The rules broke down.")
    platform.notices.tell({UUID(request_id): b""})


def in_background(work: Callable[[], None]) -> Thread:
    thread = Thread(target=work)
    thread.start()
    return thread


def test_an_accepted_request_says_where_its_answer_will_be(client: FlaskClient, auth: dict[str, str]) -> None:
    reply = client.post(VALIDATE, json={"ruleset": "fx_rate", "item": GOOD_RATE}, headers=auth)

    assert reply.status_code == 202
    url = f"/api/validation/requests/{told(reply)['id']}"
    assert reply.headers["Location"] == url
    assert reply.headers["Retry-After"] == "1"
    assert reply.headers["Cache-Control"] == "no-store"
    assert told(reply)["links"] == {"self": url, "result": f"{url}/result"}
    assert told(reply)["state"] == "pending"
    assert told(reply)["ruleset"] == "fx_rate@1"
    assert told(reply)["source"] == "api"
    assert told(reply)["retry_after"] == 1
    age = datetime.now(UTC) - datetime.fromisoformat(told(reply)["created_at"])
    assert timedelta(0) <= age < timedelta(minutes=1)


def test_an_accepted_request_is_in_the_ledger(client: FlaskClient, auth: dict[str, str], database: Database) -> None:
    items: list[Any] = [GOOD_RATE, None, [], "text", 1.5]

    reply = client.post(VALIDATE, json={"ruleset": "fx_rate@1", "items": items, "source": "importer"}, headers=auth)

    with database.transaction() as session:
        request = session.get_one(requests.Request, UUID(told(reply)["id"]))
        assert (request.state, request.ruleset, request.source) == ("pending", "fx_rate@1", "importer")
        assert request.items == items


def test_the_state_of_a_request_is_what_was_told_when_it_was_accepted(
    client: FlaskClient, auth: dict[str, str]
) -> None:
    accepted = submit(client, auth)

    reply = client.get(accepted["links"]["self"], headers=auth)

    assert reply.status_code == 200
    assert told(reply) == accepted


@pytest.mark.parametrize("name", ["nothing", "fx_rate@99", "fx_rate@one", "@1", "fx_rate@99999999999999999999"])
def test_an_unknown_rule_set_is_refused(client: FlaskClient, auth: dict[str, str], name: str) -> None:
    reply = client.post(VALIDATE, json={"ruleset": name, "item": {}}, headers=auth)

    [fault] = problem(reply, 422, "ruleset_unknown")["errors"]
    assert fault["pointer"] == "/ruleset"
    assert "fx_rate" in fault["params"]["known"]


def test_the_answer_has_a_verdict_for_each_item(client: FlaskClient, auth: dict[str, str], platform: Platform) -> None:
    items = [GOOD_RATE, BAD_RATE]
    accepted = told(client.post(VALIDATE, json={"ruleset": "fx_rate", "items": items}, headers=auth))
    finish(platform, accepted["id"])

    reply = client.get(accepted["links"]["result"], headers=auth)

    assert reply.status_code == 200
    assert told(reply)["state"] == "done"
    assert told(reply)["verdict"] == "invalid"
    assert (told(reply)["item_count"], told(reply)["invalid_count"]) == (2, 1)
    assert told(reply)["duration_ms"] >= 0
    assert told(reply)["finished_at"] >= told(reply)["created_at"]
    good, bad = told(reply)["items"]
    assert good == {"index": 0, "verdict": "valid", "next_action": "accept", "findings": []}
    assert (bad["index"], bad["verdict"], bad["next_action"]) == (1, "invalid", "fix")
    for finding in bad["findings"]:
        assert set(finding) == {"pointer", "code", "severity", "params", "message", "rule_id"}
        assert finding["pointer"] == "/rate"
        assert finding["message"]
    assert bad["findings"]


def test_a_valid_item_makes_a_valid_answer(client: FlaskClient, auth: dict[str, str], platform: Platform) -> None:
    accepted = submit(client, auth)
    finish(platform, accepted["id"])

    reply = client.get(accepted["links"]["result"], headers=auth)

    assert (told(reply)["verdict"], told(reply)["invalid_count"]) == ("valid", 0)


def test_what_a_client_knows_of_its_request_is_not_sent_again(
    client: FlaskClient, auth: dict[str, str], platform: Platform
) -> None:
    accepted = submit(client, auth)
    pending = client.get(accepted["links"]["self"], headers=auth)
    finish(platform, accepted["id"])

    for url in accepted["links"].values():
        done = client.get(url, headers={**auth, "If-None-Match": pending.headers["ETag"]})
        again = client.get(url, headers={**auth, "If-None-Match": done.headers["ETag"]})

        assert done.status_code == 200
        assert done.headers["ETag"].startswith('"')
        assert (again.status_code, again.data) == (304, b"")
        for name in ("ETag", "Cache-Control", "Vary"):
            assert again.headers.get(name) == done.headers.get(name)
        assert again.headers["Cache-Control"] == "private, no-cache"


def test_an_answer_in_another_language_has_another_tag(
    client: FlaskClient, auth: dict[str, str], platform: Platform
) -> None:
    accepted = told(client.post(VALIDATE, json={"ruleset": "fx_rate", "item": BAD_RATE}, headers=auth))
    finish(platform, accepted["id"])
    url = accepted["links"]["result"]
    english = client.get(url, headers=auth).headers["ETag"]

    reply = client.get(url, headers={**auth, "Accept-Language": "vi", "If-None-Match": english})

    assert reply.status_code == 200
    assert reply.headers["ETag"] != english


def test_what_may_still_come_is_not_to_be_kept(client: FlaskClient, auth: dict[str, str]) -> None:
    accepted = submit(client, auth)

    reply = client.get(accepted["links"]["result"], headers={**auth, "If-None-Match": "*"})

    assert (reply.status_code, reply.headers["Cache-Control"]) == (202, "no-store")
    assert "ETag" not in reply.headers


def test_a_failed_request_is_an_answer_with_a_reason(
    client: FlaskClient, auth: dict[str, str], platform: Platform
) -> None:
    accepted = submit(client, auth)
    fail(platform, accepted["id"])

    for url in accepted["links"].values():
        reply = client.get(url, headers=auth)

        assert reply.status_code == 200
        assert (told(reply)["state"], told(reply)["reason"]) == ("failed", "The rules broke down.")
        assert "verdict" not in told(reply)


def test_a_result_that_is_not_there_yet_is_202(client: FlaskClient, auth: dict[str, str]) -> None:
    accepted = submit(client, auth)

    for url in (accepted["links"]["result"], accepted["links"]["result"] + "?wait=0"):
        reply = client.get(url, headers=auth)

        assert reply.status_code == 202
        assert reply.headers["Retry-After"] == "1"
        assert told(reply) == accepted


def test_a_result_that_is_still_not_there_when_the_time_is_up_is_202(client: FlaskClient, auth: dict[str, str]) -> None:
    accepted = submit(client, auth)

    reply = client.get(accepted["links"]["result"] + "?wait=1", headers=auth)

    assert (reply.status_code, told(reply)) == (202, accepted)


@pytest.mark.parametrize("end", [finish, fail])
def test_whoever_waits_for_the_result_is_woken_when_it_is_there(
    client: FlaskClient, auth: dict[str, str], platform: Platform, end: Callable[[Platform, str], None]
) -> None:
    accepted = submit(client, auth)

    def end_once_waited_for() -> None:
        wait_for(lambda: platform.hub.waiters() == 1)
        end(platform, accepted["id"])

    worker = in_background(end_once_waited_for)
    reply = client.get(accepted["links"]["result"] + "?wait=25", headers=auth)
    worker.join()

    assert reply.status_code == 200
    assert told(reply)["state"] in ("done", "failed")
    assert platform.hub.waiters() == 0


def test_a_waiter_holds_no_connection_to_the_database(
    client: FlaskClient, auth: dict[str, str], platform: Platform
) -> None:
    accepted = submit(client, auth)
    held: list[int] = []

    def look_then_end() -> None:
        wait_for(lambda: platform.hub.waiters() == 1)
        wait_for(lambda: platform.database.engine.pool.checkedout() == 0)  # type: ignore[attr-defined]
        held.append(platform.hub.waiters())
        finish(platform, accepted["id"])

    worker = in_background(look_then_end)
    client.get(accepted["links"]["result"] + "?wait=25", headers=auth)
    worker.join()

    assert held == [1]


def test_a_process_that_is_to_end_answers_its_waiters_with_the_present_state(own_app: Flask) -> None:
    client, platform = own_app.test_client(), own_app.extensions["platform"]
    auth = bearer(issue_token(platform.database))
    accepted = submit(client, auth)

    def drain() -> None:
        wait_for(lambda: platform.hub.waiters() == 1)
        platform.hub.drain()

    stopper = in_background(drain)
    reply = client.get(accepted["links"]["result"] + "?wait=25", headers=auth)
    stopper.join()

    assert (reply.status_code, told(reply)) == (202, accepted)


@pytest.mark.parametrize(
    ("query", "headers", "applied"),
    [("", {"Prefer": "wait=20"}, "wait=20"), ("", {"Prefer": "wait=100"}, "wait=25"), ("?wait=20", {}, None)],
)
def test_a_verdict_comes_in_the_same_answer_when_that_is_preferred(
    client: FlaskClient,
    auth: dict[str, str],
    running_worker: Worker,
    query: str,
    headers: dict[str, str],
    applied: str | None,
) -> None:
    reply = client.post(VALIDATE + query, json={"ruleset": "fx_rate", "item": BAD_RATE}, headers={**auth, **headers})

    assert reply.status_code == 200, reply.text
    assert (told(reply)["state"], told(reply)["verdict"]) == ("done", "invalid")
    assert reply.headers.get("Preference-Applied") == applied


@pytest.mark.parametrize(
    ("preference", "applied"), [("wait=1", "wait=1"), ("respond-async", "respond-async"), ("wait=0", "wait=0")]
)
def test_a_verdict_that_is_not_there_in_time_is_202(
    client: FlaskClient, auth: dict[str, str], preference: str, applied: str
) -> None:
    reply = client.post(
        VALIDATE, json={"ruleset": "fx_rate", "item": GOOD_RATE}, headers={**auth, "Prefer": preference}
    )

    assert reply.status_code == 202
    assert reply.headers["Preference-Applied"] == applied
    assert reply.headers["Location"] == f"/api/validation/requests/{told(reply)['id']}"


def test_a_request_whose_message_cannot_be_sent_is_accepted_all_the_same(
    app: Flask, client: FlaskClient, auth: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise BrokerConnectionError("Redis is away")  # type: ignore[no-untyped-call]

    monkeypatch.setattr(app.extensions["platform"].broker, "enqueue", away)

    accepted = submit(client, auth)

    assert told(client.get(accepted["links"]["self"], headers=auth))["state"] == "pending"


def test_a_database_that_goes_away_after_the_commit_does_not_take_the_promise_back(
    client: FlaskClient, auth: dict[str, str], platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> None:
        raise DatabaseAway("The database cannot be reached right now.")

    monkeypatch.setattr(Ledger, "read", away)

    reply = client.post(VALIDATE + "?wait=1", json={"ruleset": "fx_rate", "item": GOOD_RATE}, headers=auth)

    assert reply.status_code == 202
    with platform.database.connection() as connection:
        assert list(requests.states(connection, [UUID(told(reply)["id"])]).values()) == ["pending"]


@pytest.mark.parametrize("end", ["", "/result", "/result?wait=5"])
def test_a_request_of_another_client_is_not_there(
    client: FlaskClient, auth: dict[str, str], database: Database, end: str
) -> None:
    accepted = submit(client, auth)
    stranger = bearer(issue_token(database, client="stranger"))

    reply = client.get(accepted["links"]["self"] + end, headers=stranger)

    problem(reply, 404, "request_not_found")
    assert accepted["id"] not in reply.text


@pytest.mark.parametrize(
    "request_id",
    [str(new_id()), str(uuid4()), "1", "x" * 300, "00000000-0000-0000-0000-000000000000", new_id().hex, "a%00b"],
    ids=["a new one", "of version 4", "a number", "long", "zero", "without hyphens", "with a NUL"],
)
@pytest.mark.parametrize("end", ["", "/result"])
def test_an_id_that_nothing_has_is_not_found(
    client: FlaskClient, auth: dict[str, str], request_id: str, end: str
) -> None:
    problem(client.get(f"/api/validation/requests/{request_id}{end}", headers=auth), 404, "request_not_found")


@pytest.mark.parametrize("wait", ["-1", "1.5", "soon", "", "1e3", "99999999999999999999"])
def test_a_wait_that_makes_no_sense_is_refused(client: FlaskClient, auth: dict[str, str], wait: str) -> None:
    accepted = submit(client, auth)

    for reply in (
        client.get(f"{accepted['links']['result']}?wait={wait}", headers=auth),
        client.post(f"{VALIDATE}?wait={wait}", json={"ruleset": "fx_rate", "item": {}}, headers=auth),
    ):
        [fault] = problem(reply, 422, "invalid_request")["errors"]
        assert fault["params"] == {"parameter": "wait"}
