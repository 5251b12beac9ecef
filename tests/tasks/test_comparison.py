"""The comparison actor: step after step in any worker, whatever is killed, lost or sent twice."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import dramatiq
import pytest
from sqlalchemy import text

from app import comparison, messages
from app.comparison import Drafts
from app.comparison.chunk import Chunk
from app.database import Database
from app.models.base import new_id
from app.models.comparisons import Comparison, State
from app.platform import Platform
from app.settings import Settings
from tasks.comparison import take_step
from tests.past import DRAFT, HUNDRED, NAME, add_judged, begin_draft, publish
from tests.processes import Worker, environment, wait_for


@pytest.fixture
def begun(platform: Platform, database: Database) -> Comparison:
    """A comparison of 1,500 requests that was not sent yet."""
    publish(database)
    begin_draft(database)
    add_judged(database, 1_500)
    return begin(database)


def begin(database: Database, name: str = NAME) -> Comparison:
    """Return a new comparison of all there is."""
    with database.transaction() as session:
        return comparison.begin(session, name, new_id(), client_id=new_id(), asked=100_000)


def look(database: Database, begun: Comparison) -> Comparison:
    """Return the comparison as it is now."""
    with database.transaction() as session:
        return comparison.find(session, begun.ruleset, begun.id)


def end(database: Database, begun: Comparison) -> Comparison:
    """Wait for the comparison's end, and return it."""
    wait_for(lambda: look(database, begun).finished_at is not None, timeout_s=60, what="the comparison's end")
    return look(database, begun)


def counts(found: Comparison) -> dict[str, int]:
    """Return how many items flip, by kind."""
    return {kind: getattr(found, kind) for kind in HUNDRED}


def of_hundreds(number: int) -> dict[str, int]:
    """Return what so many hundred requests come to."""
    return {kind: number * count for kind, count in HUNDRED.items()}


@pytest.mark.usefixtures("running_worker")
def test_a_comparison_runs_to_its_end_by_itself(platform: Platform, database: Database, begun: Comparison) -> None:
    comparison.send(platform.broker, begun.id, begun.step)

    done = end(database, begun)

    assert (done.state, done.seen, done.total) == (State.DONE, 1_500, 1_500)
    assert counts(done) == of_hundreds(15)


@pytest.mark.usefixtures("running_worker")
def test_messages_that_come_twice_count_nothing_twice(
    platform: Platform, database: Database, begun: Comparison
) -> None:
    for _ in range(5):
        # Without the key that keeps the broker from taking a second one.
        message = messages.compare(begun.id, begun.step)
        platform.broker.enqueue(message.copy(options={}))

    done = end(database, begun)
    platform.broker.join(messages.COMPARISONS, timeout=20_000)

    assert (done.seen, counts(done)) == (1_500, of_hundreds(15))
    assert look(database, begun).step == done.step


def test_a_worker_killed_in_the_middle_of_a_step_costs_nothing(
    platform: Platform, database: Database, settings: Settings, begun: Comparison, tmp_path: Path
) -> None:
    drafts = Drafts()
    for step in (0, 1):
        take_step(platform, drafts, begun.id, step)
    before = look(database, begun)
    assert 0 < before.seen < 1_500
    env = environment(settings)

    with Worker(env, tmp_path) as victim, database.transaction() as session:
        session.execute(text("LOCK TABLE findings IN ACCESS EXCLUSIVE MODE"))
        wait_for(lambda: is_held_up(database), what="a step that reads findings")
        victim.signal(signal.SIGKILL)

    assert look(database, begun).seen == before.seen
    with Worker(env, tmp_path):
        done = end(database, begun)

    assert (done.state, done.seen, counts(done)) == (State.DONE, 1_500, of_hundreds(15))


def is_held_up(database: Database) -> bool:
    """Return whether somebody waits for the lock on findings."""
    with database.transaction() as session:
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'findings'::regclass")
        return bool(session.execute(waiting).scalar_one())


@pytest.mark.usefixtures("running_worker")
def test_a_comparison_whose_message_is_lost_is_taken_up_again(
    platform: Platform, database: Database, settings: Settings, begun: Comparison
) -> None:
    def stands_still() -> bool:
        with database.transaction() as session:
            query = text("SELECT moved_at < clock_timestamp() - make_interval(secs => :age) FROM comparisons")
            return bool(session.execute(query, {"age": settings.rescue_after_ms / 1000}).scalar_one())

    wait_for(stands_still, what="the age of a comparison that nobody sent")

    platform.broker.enqueue(messages.resume())

    assert counts(end(database, begun)) == of_hundreds(15)


@pytest.mark.usefixtures("running_worker")
def test_a_canceled_comparison_stops(platform: Platform, database: Database, begun: Comparison) -> None:
    take_step(platform, Drafts(), begun.id, 0)
    with database.transaction() as session:
        comparison.cancel(session, NAME, begun.id, by=new_id())

    platform.broker.join(messages.COMPARISONS, timeout=20_000)

    assert look(database, begun).state == State.CANCELED


@pytest.mark.usefixtures("running_worker")
def test_upkeep_removes_a_comparison_that_was_kept_long_enough(
    platform: Platform, database: Database, settings: Settings, begun: Comparison
) -> None:
    with database.transaction() as session:
        comparison.cancel(session, NAME, begun.id, by=new_id())
        age = text("UPDATE comparisons SET finished_at = finished_at - make_interval(days => :days)")
        session.execute(age, {"days": settings.comparison_days})

    platform.broker.enqueue(messages.forget_comparisons())

    def is_gone() -> bool:
        with database.transaction() as session:
            return not comparison.newest(session, NAME, before=None, limit=1)

    wait_for(is_gone, what="the end of an old comparison")


@pytest.mark.usefixtures("running_worker")
def test_comparisons_of_two_rule_sets_take_turns_and_both_end(
    platform: Platform, database: Database, begun: Comparison
) -> None:
    other = {**DRAFT, "name": "toll_road"}
    begin_draft(database, other)
    add_judged(database, 300, ruleset={**other, "version": 1})
    second = begin(database, "toll_road")

    for each in (begun, second):
        comparison.send(platform.broker, each.id, each.step)

    assert counts(end(database, begun)) == of_hundreds(15)
    assert (end(database, second).seen, counts(look(database, second))) == (300, of_hundreds(0))


@pytest.mark.usefixtures("running_worker")
def test_an_engine_that_breaks_down_fails_the_comparison(
    platform: Platform, database: Database, begun: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*given: Any) -> Any:
        raise RuntimeError("the engine met item 4711")

    monkeypatch.setattr(Chunk, "look", crash)
    comparison.send(platform.broker, begun.id, begun.step)

    failed = end(database, begun)

    assert failed.state == State.FAILED
    assert "RuntimeError" in (failed.reason or "")
    assert "4711" not in (failed.reason or "")


def test_a_redis_that_is_away_leaves_the_next_step_to_upkeep(
    database: Database, begun: Comparison, settings: Settings, open_platform: Callable[[Settings], Platform]
) -> None:
    away = open_platform(without_redis(settings))

    take_step(away, Drafts(), begun.id, 0)

    assert look(database, begun).state == State.RUNNING


def without_redis(settings: Settings) -> Settings:
    """Return the settings with a Redis that is not there."""
    return Settings(**{**vars(settings), "redis_url": "redis://127.0.0.1:1/0"})


def test_clicks_go_first(running_worker: dramatiq.Worker) -> None:
    compare = running_worker.broker.get_actor(messages.COMPARE)
    validate = running_worker.broker.get_actor(messages.VALIDATE)

    assert compare.priority > validate.priority
    assert compare.queue_name != validate.queue_name


def test_a_message_about_an_unknown_comparison_is_dropped(platform: Platform) -> None:
    unknown: UUID = new_id()

    take_step(platform, Drafts(), unknown, 0)

    platform.broker.join(messages.COMPARISONS, timeout=5_000)
