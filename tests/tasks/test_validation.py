"""The validation actor: one verdict, however often the message comes; a crash of the rules ends as `failed`."""

from collections.abc import Callable
from contextvars import copy_context
from types import NoneType
from typing import Any
from uuid import UUID

import dramatiq
import pytest
from sqlalchemy import text

from app import bare, messages
from app.database import Database
from app.models import requests, standings
from app.models.base import new_id
from app.models.requests import Autofix, State
from app.models.standings import Outcome
from app.platform import Platform
from app.redis import connect
from app.settings import Settings
from app.validation import judge
from broker import Reschedule
from tasks.validation import Errand, validate_all
from tests.processes import wait_for

GOOD = {"date": "2026-11-20", "base": "EUR", "quote": "USD", "rate": "1.0842"}
BAD = {**GOOD, "quote": "EUR"}


def accept(platform: Platform, *items: Any, autofix: Autofix | None = None) -> UUID:
    """Return the id of a new request for `fx_rate`."""
    request_id = new_id()
    platform.intake.accept(
        request_id, client_id=new_id(), source="api", ruleset="fx_rate", items=items, autofix=autofix
    )
    return request_id


def state(database: Database, request_id: UUID) -> State | None:
    """Return where the request is."""
    with database.connection() as connection:
        return requests.states(connection, [request_id]).get(request_id)


def validate(platform: Platform, *request_ids: UUID) -> list[Exception | None]:
    """Return what came of the validation of these requests, as one group."""
    return list(validate_all(platform, [Errand(request_id, copy_context()) for request_id in request_ids]))


def outcome(database: Database, request_id: UUID) -> Outcome:
    """Return the verdict on a request that is done."""
    with database.connection() as connection:
        found = standings.read(connection, [request_id])[request_id].outcome
    assert found is not None
    return found


def test_a_request_gets_its_verdict_and_findings(platform: Platform, database: Database) -> None:
    request_id = accept(platform, GOOD, BAD)

    assert validate(platform, request_id) == [None]

    response = outcome(database, request_id)
    assert (response.verdict, response.item_count, response.invalid_items) == ("invalid", 2, [1])
    assert {item for item, _ in response.found} == {1}
    assert state(database, request_id) is State.DONE


def test_items_are_judged_as_their_safe_fixes_leave_them(platform: Platform, database: Database) -> None:
    sloppy = {**GOOD, "base": " eur"}
    request_id = accept(platform, GOOD, sloppy, BAD, autofix=Autofix.SAFE)

    validate(platform, request_id)

    response = outcome(database, request_id)
    with database.transaction() as session:
        items = session.get_one(requests.Request, request_id).items
    assert response.invalid_items == [2]
    assert response.fixed == {"1": GOOD}
    assert [(item, each.code) for item, each in response.found if item == 1] == [(1, "fix.trim"), (1, "fix.upper")]
    assert items == [GOOD, sloppy, BAD]


def test_a_finished_request_is_not_checked_again(platform: Platform, database: Database) -> None:
    request_id = accept(platform, BAD)
    validate(platform, request_id)
    with database.transaction() as session:
        before = session.execute(text("SELECT xmin FROM validation_responses")).scalars().all()

    validate(platform, request_id)

    with database.transaction() as session:
        assert session.execute(text("SELECT xmin FROM validation_responses")).scalars().all() == before
        assert len(before) == 1


def test_a_finished_request_is_told_about_again(platform: Platform) -> None:
    request_id = accept(platform, GOOD)
    validate(platform, request_id)

    with platform.hub.watch(request_id) as watch:
        validate(platform, request_id)

        wait_for(lambda: watch._event.is_set(), timeout_s=5, what="the notice")


def test_a_request_that_another_worker_holds_is_offered_again(platform: Platform, database: Database) -> None:
    request_id, free = accept(platform, GOOD), accept(platform, GOOD)

    with database.transaction() as session:
        requests.claim(bare.of(session), [request_id])
        came = validate(platform, request_id, free)

    assert [type(each) for each in came] == [Reschedule, NoneType]
    assert (state(database, request_id), state(database, free)) == (State.PENDING, State.DONE)


def test_a_message_about_an_unknown_request_is_dropped(platform: Platform) -> None:
    assert validate(platform, new_id()) == [None]


def test_messages_that_come_twice_make_one_verdict(
    platform: Platform, database: Database, running_worker: dramatiq.Worker
) -> None:
    request_id = accept(platform, GOOD)
    for _ in range(5):
        platform.broker.enqueue(messages.validate(request_id))

    platform.broker.join(messages.VALIDATION_REQUESTS, timeout=10_000)

    with database.transaction() as session:
        assert session.execute(text("SELECT count(*) FROM validation_responses")).scalar_one() == 1


def test_rules_that_crash_end_as_failed_and_the_waiter_is_told(
    platform: Platform,
    database: Database,
    settings: Settings,
    running_worker: dramatiq.Worker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def crash(*_: Any) -> Any:
        raise RuntimeError("the engine met item 4711")

    monkeypatch.setattr("tasks.validation.judge", crash)
    request_id = new_id()

    with platform.hub.watch(request_id) as watch:
        platform.intake.accept(request_id, client_id=new_id(), source="api", ruleset="fx_rate", items=[GOOD])
        ended = watch.until(lambda: ended_state(database, request_id), timeout_s=20)

    assert ended is State.FAILED
    with database.transaction() as session:
        reason = session.execute(text("SELECT reason FROM validation_requests")).scalar_one()
    assert "RuntimeError" in reason
    assert "4711" not in reason
    wait_for(lambda: len(dead_letters(platform)) == 1, what="the dead letter")
    [letter] = dead_letters(platform)
    assert any(b"the engine met item 4711" in value for value in letter.values())


def ended_state(database: Database, request_id: UUID) -> State | None:
    """Return how the request ended, None while it has not."""
    now = state(database, request_id)
    return None if now is State.PENDING else now


def dead_letters(platform: Platform) -> list[dict[bytes, bytes]]:
    """Return the fields of every dead validation message."""
    client = connect(platform.settings.redis_url, read_timeout_s=5)
    letters: Any = client.xrange(platform.broker.keys(messages.VALIDATION_REQUESTS).dead)
    return [fields for _, fields in letters]


def test_a_database_that_is_away_does_not_cost_a_retry(
    platform: Platform,
    database: Database,
    running_worker: dramatiq.Worker,
    monkeypatch: pytest.MonkeyPatch,
    open_platform: Callable[[Settings], Platform],
) -> None:
    request_id = accept(platform, GOOD)

    # More outages than there are retries; then the database is back.
    with database.transaction() as session:
        for _ in range(platform.settings.validation_retries + 2):
            cut_workers(session)
    platform.broker.join(messages.VALIDATION_REQUESTS, timeout=20_000)

    assert state(database, request_id) is State.DONE


def cut_workers(session: Any) -> None:
    """End every other connection to this database, as a restart of Postgres does."""
    session.execute(
        text(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    )


def test_one_whose_rules_crash_fails_alone(
    platform: Platform, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(ruleset: Any, items: Any, autofix: Any) -> Any:
        if items == [{}]:
            raise RuntimeError
        return judge(ruleset, items, autofix)

    monkeypatch.setattr("tasks.validation.judge", crash)
    first, bad, last = accept(platform, GOOD), accept(platform, {}), accept(platform, BAD)

    came = validate(platform, first, bad, last)

    assert [type(each) for each in came] == [NoneType, RuntimeError, NoneType]
    assert [state(database, each) for each in (first, bad, last)] == [State.DONE, State.PENDING, State.DONE]


def test_what_takes_long_is_judged_in_more_than_one_transaction(
    platform: Platform, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.validation.LONGEST_S", 0)
    both = accept(platform, GOOD), accept(platform, BAD)

    assert validate(platform, *both) == [None, None]

    with database.transaction() as session:
        assert len(set(session.execute(text("SELECT xmin FROM validation_responses")).scalars())) == 2
