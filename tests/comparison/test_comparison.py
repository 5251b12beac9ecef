"""Comparisons: exact counts in any number of steps, each taken once, over what was there when it began."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from app import bare, comparison, reference
from app.comparison import Drafts, chunk
from app.database import Database
from app.errors import (
    ComparisonEnded,
    ComparisonNotFound,
    ComparisonRunning,
    DraftNotFound,
    RuleSetInvalid,
)
from app.models import comparisons, requests
from app.models.base import new_id
from app.models.comparisons import Comparison, State
from app.platform import Platform
from tests.past import CODES, DRAFT, HUNDRED, NAME, add_judged, begin_draft, definition, publish, rule
from tests.processes import wait_for


@pytest.fixture
def drafts() -> Drafts:
    """The compiled drafts of one process."""
    return Drafts()


@pytest.fixture
def drafted(database: Database) -> None:
    """A rule set with a version and a draft."""
    publish(database)
    begin_draft(database)


def begin(database: Database, asked: int = 1_000, *, client_id: UUID | None = None) -> Comparison:
    """Return a new comparison."""
    with database.transaction() as session:
        return comparison.begin(session, NAME, new_id(), client_id=client_id or new_id(), asked=asked)


def take(database: Database, comparison_id: UUID, number: int, drafts: Drafts) -> int | None:
    """Take one step."""
    with database.transaction() as session:
        return comparison.step(session, comparison_id, number, drafts)


def run(database: Database, begun: Comparison, drafts: Drafts) -> int:
    """Take all steps that are left; return how many it took."""
    steps = 0
    following: int | None = look(database, begun).step
    while following is not None:
        following = take(database, begun.id, following, drafts)
        steps += 1
    return steps


def look(database: Database, begun: Comparison) -> Comparison:
    """Return the comparison as it is now."""
    with database.transaction() as session:
        return comparison.find(session, begun.ruleset, begun.id)


def flips(found: Comparison) -> dict[str, int]:
    """Return how many items flip, by kind."""
    return {kind: getattr(found, kind) for kind in HUNDRED}


def times(number: int, counts: dict[str, int]) -> dict[str, int]:
    """Return every count so many times."""
    return {name: number * count for name, count in counts.items()}


@pytest.mark.usefixtures("drafted")
def test_flips_are_counted_exactly_and_laid_at_the_door_of_rules(database: Database, drafts: Drafts) -> None:
    add_judged(database, 600)
    begun = begin(database)

    run(database, begun, drafts)

    done = look(database, begun)
    assert (done.state, done.seen, done.total) == (State.DONE, 600, 600)
    assert flips(done) == times(6, HUNDRED)
    assert done.result["codes"] == {code: times(6, parts) for code, parts in CODES.items()}
    assert done.result["items"] == 600
    assert done.result["judged_by"] == {"toll@1": 600}
    assert done.errors == 0
    assert done.baseline == "toll@1"


@pytest.mark.usefixtures("drafted")
def test_only_the_newest_requests_are_compared_when_there_are_more(database: Database, drafts: Drafts) -> None:
    add_judged(database, 300)
    begun = begin(database, 100)

    run(database, begun, drafts)

    done = look(database, begun)
    assert (done.seen, done.total) == (100, 100)
    assert flips(done) == HUNDRED


@pytest.mark.usefixtures("drafted")
def test_without_any_request_a_comparison_is_done_at_once(database: Database, drafts: Drafts) -> None:
    begun = begin(database)

    run(database, begun, drafts)

    done = look(database, begun)
    assert (done.state, done.seen, done.total, flips(done)) == (State.DONE, 0, 0, times(0, HUNDRED))


@pytest.mark.usefixtures("drafted")
def test_requests_of_other_rule_sets_and_those_without_a_verdict_are_passed_over(
    database: Database, drafts: Drafts
) -> None:
    add_judged(database, 10)
    add_judged(database, 10, ruleset={**definition(), "name": "toll_road", "version": 1})
    with database.transaction() as session:
        for state in ("pending", "failed"):
            request_id = new_id()
            new = requests.New(request_id, new_id(), "api", "toll@1", [{"amount": 1}])
            requests.add(bare.of(session), [new])
            if state == "failed":
                requests.fail(session, request_id, "It broke down.")
    begun = begin(database)

    run(database, begun, drafts)

    assert look(database, begun).seen == 10


@pytest.mark.usefixtures("drafted")
def test_a_rare_rule_set_is_found_far_back_a_stretch_at_a_time(
    database: Database, drafts: Drafts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunk, "STRETCH", 20)
    add_judged(database, 5)
    add_judged(database, 150, ruleset={**definition(), "name": "other", "version": 1})
    add_judged(database, 5)
    begun = begin(database)

    steps = run(database, begun, drafts)

    assert look(database, begun).seen == 10
    assert steps > 160 / 20


@pytest.mark.usefixtures("drafted")
def test_the_total_is_what_was_asked_for_while_counting_would_take_too_long(
    database: Database, drafts: Drafts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparison, "COUNTED", 50)
    add_judged(database, 100)
    begun = begin(database, 1_000)

    take(database, begun.id, 0, drafts)
    assert look(database, begun).total == 1_000

    run(database, begun, drafts)
    assert look(database, begun).total == 100


@pytest.mark.usefixtures("drafted")
def test_requests_that_come_after_its_beginning_are_not_compared(database: Database, drafts: Drafts) -> None:
    add_judged(database, 10)
    begun = begin(database)
    add_judged(database, 10)

    run(database, begun, drafts)

    assert look(database, begun).seen == 10


@pytest.mark.usefixtures("drafted")
def test_a_step_that_was_taken_is_not_taken_again(database: Database, drafts: Drafts) -> None:
    add_judged(database, 600)
    begun = begin(database)
    for number in (0, 1):
        assert take(database, begun.id, number, drafts) == number + 1
    before = look(database, begun)

    for number in (0, 1, 7):
        assert take(database, begun.id, number, drafts) is None

    after = look(database, begun)
    assert (after.step, after.seen, after.cursor, after.moved_at) == (
        before.step,
        before.seen,
        before.cursor,
        before.moved_at,
    )


@pytest.mark.usefixtures("drafted")
def test_a_step_that_somebody_is_taking_is_left_to_them(database: Database, drafts: Drafts) -> None:
    begun = begin(database)

    with database.transaction() as session:
        assert comparisons.claim(session, begun.id, step=0) is not None
        assert take(database, begun.id, 0, drafts) is None


@pytest.mark.usefixtures("drafted")
def test_a_step_that_was_killed_leaves_nothing_and_is_taken_again(database: Database, drafts: Drafts) -> None:
    add_judged(database, 600)
    begun = begin(database)
    take(database, begun.id, 0, drafts)

    def killed() -> None:
        with database.transaction() as session:
            comparison.step(session, begun.id, 1, drafts)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        killed()

    assert look(database, begun).seen == 0
    run(database, begun, drafts)
    assert flips(look(database, begun)) == times(6, HUNDRED)


@pytest.mark.usefixtures("drafted")
def test_progress_grows_and_time_ends_a_chunk_between_any_two_requests(
    database: Database, drafts: Drafts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunk, "LONGEST_S", 0.0)
    add_judged(database, 20)
    begun = begin(database)
    seen = []

    following: int | None = 0
    while following is not None:
        following = take(database, begun.id, following, drafts)
        seen.append(look(database, begun).seen)

    # The first step counts, each other one ends after one request, and the last finds none.
    assert seen == [0, *range(1, 21), 20]
    assert flips(look(database, begun))["to_invalid"] == 5


@pytest.mark.usefixtures("drafted")
def test_a_draft_that_is_changed_later_does_not_change_the_comparison(database: Database, drafts: Drafts) -> None:
    add_judged(database, 100)
    begun = begin(database)
    with database.transaction() as session:
        session.execute(
            text("UPDATE ruleset_drafts SET definition = jsonb_set(definition, '{rules}', '[]') WHERE name = 'toll'")
        )

    run(database, begun, drafts)

    assert flips(look(database, begun)) == HUNDRED


def test_a_table_that_is_loaded_later_does_not_change_the_comparison(database: Database, drafts: Drafts) -> None:
    before = load(database, "places", "DEHAM")
    publish(database)
    schema = {"type": "object", "required": ["place"], "properties": {"place": {"type": "string"}}}
    listed = rule("place", "item.place.listed")
    draft = definition(listed, schema=schema, tables={"places": "places"}, facts={"/place": {"listed": "places"}})
    begin_draft(database, draft)
    add_judged(database, 3, ruleset={**definition(schema=schema), "version": 1}, items=[{"place": "DEHAM"}])
    begun = begin(database)
    load(database, "places", "NLRTM")

    run(database, begun, drafts)

    done = look(database, begun)
    assert done.tables == {"places": before}
    assert (done.state, flips(done)) == (State.DONE, times(0, HUNDRED))


@pytest.mark.parametrize("source", ["nowhere", "nowhere@1", "places@99", "places@1e9", "places@99999999999999999999"])
def test_a_draft_that_names_a_table_which_does_not_exist_is_refused(database: Database, source: str) -> None:
    load(database, "places", "DEHAM")
    begin_draft(database, definition(tables={"places": source}))

    with pytest.raises(RuleSetInvalid):
        begin(database)


def load(database: Database, name: str, *codes: str) -> int:
    """Return the new version of a reference table."""
    with database.transaction() as session:
        return reference.load(session, name, reference.Rows.of(codes), source="test", by="cli").table.version


@pytest.mark.usefixtures("drafted")
def test_examples_are_of_the_own_requests_only(database: Database, drafts: Drafts) -> None:
    mine = new_id()
    add_judged(database, 100)
    own = add_judged(database, 20, client_id=mine)
    begun = begin(database, client_id=mine)

    run(database, begun, drafts)

    done = look(database, begun)
    assert flips(done)["to_invalid"] == 15 + 5
    examples = done.result["examples"]
    assert {example["request_id"] for example in examples} == {str(own[amount]) for amount in (0, 1, 2, 3, 4, 13)}
    [unlucky] = [example for example in examples if example["kind"] == "to_valid"]
    assert unlucky == {
        "request_id": str(own[13]),
        "item": 0,
        "kind": "to_valid",
        "new": [],
        "old": [{"code": "rule.unlucky", "severity": "error", "pointer": "/amount"}],
    }


def test_items_that_were_fixed_are_fixed_again_before_the_draft_judges_them(database: Database, drafts: Drafts) -> None:
    schema = {"type": "object", "properties": {"code": {"type": "string", "pattern": "^[A-Z]{3}$"}}}
    normalisers = [{"pointer": "/code", "apply": ["trim"]}]
    old = definition(schema=schema, normalisers=normalisers, version=1)
    begin_draft(database, definition(schema=schema, normalisers=[{"pointer": "/code", "apply": ["trim", "upper"]}]))
    add_judged(database, 1, ruleset=old, items=[{"code": " EUR"}, {"code": "eur"}], autofix="safe")
    add_judged(database, 1, ruleset=old, items=[{"code": "eur"}])
    begun = begin(database)

    run(database, begun, drafts)

    done = look(database, begun)
    assert flips(done) == {"to_invalid": 0, "to_valid": 1, "otherwise": 0}
    assert done.result["codes"] == {"schema.pattern": {"to_valid": 1}}


def test_items_on_which_a_rule_breaks_down_are_counted(database: Database, drafts: Drafts) -> None:
    begin_draft(database, definition(rule("fraction", "100 / item.amount > 0")))
    add_judged(database, 2, items=[{"amount": 0}, {"amount": 1}])
    begun = begin(database)

    run(database, begun, drafts)

    done = look(database, begun)
    assert (done.state, done.errors) == (State.DONE, 2)
    assert done.result["codes"]["rule.eval_error"] == {"to_invalid": 2}


@pytest.mark.usefixtures("drafted")
def test_a_rule_set_has_one_comparison_at_a_time(database: Database, drafts: Drafts) -> None:
    begun = begin(database)

    with pytest.raises(ComparisonRunning):
        begin(database)

    run(database, begun, drafts)
    assert begin(database).id != begun.id


@pytest.mark.usefixtures("drafted")
def test_of_two_that_begin_at_once_one_is_told_to_wait(database: Database) -> None:
    with database.transaction() as session, ThreadPoolExecutor() as pool:
        comparison.begin(session, NAME, new_id(), client_id=new_id(), asked=1)
        second = pool.submit(begin, database)
        wait_for(lambda: is_held_up(database), what="a second comparison that waits for the first")
        session.commit()

        with pytest.raises(ComparisonRunning):
            second.result()


def is_held_up(database: Database) -> bool:
    """Return whether somebody waits for another transaction's end."""
    with database.transaction() as session:
        waiting = "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)"
        waiting += " WHERE NOT granted AND locktype = 'transactionid' AND datname = current_database()"
        return bool(session.execute(text(waiting)).scalar_one())


def test_there_is_nothing_to_compare_without_a_draft(database: Database) -> None:
    publish(database)

    with pytest.raises(DraftNotFound):
        begin(database)


def test_a_draft_that_does_not_compile_is_refused_with_the_place(database: Database) -> None:
    begin_draft(database, definition(rule("broken", "item.amount >>> 1")))

    with pytest.raises(RuleSetInvalid) as refused:
        begin(database)

    [problem] = refused.value.params["errors"]
    assert problem["pointer"] == "/rules/0/expr"
    assert problem["params"]["line"] == 1


@pytest.mark.usefixtures("drafted")
def test_a_draft_that_does_not_compile_any_more_fails_the_comparison(database: Database, drafts: Drafts) -> None:
    begun = begin(database)
    take(database, begun.id, 0, drafts)
    broken: dict[str, Any] = {**DRAFT, "rules": [rule("broken", "item.")]}
    with database.transaction() as session:
        session.get_one(Comparison, begun.id).definition = broken

    assert take(database, begun.id, 1, drafts) is None

    failed = look(database, begun)
    assert failed.state == State.FAILED
    assert "does not compile" in (failed.reason or "")


@pytest.mark.usefixtures("drafted")
def test_a_canceled_comparison_keeps_what_it_has_and_goes_no_further(database: Database, drafts: Drafts) -> None:
    me = new_id()
    add_judged(database, 600)
    begun = begin(database, client_id=me)
    take(database, begun.id, 0, drafts)
    take(database, begun.id, 1, drafts)

    for _ in range(2):
        with database.transaction() as session:
            canceled = comparison.cancel(session, NAME, begun.id, by=me)

    assert canceled.state == State.CANCELED
    assert 0 < canceled.seen < 600
    assert take(database, begun.id, 2, drafts) is None
    assert look(database, begun).seen == canceled.seen
    assert audited(database, begun) == [
        (f"client:{me}", "comparison.start", "ruleset:toll"),
        (f"client:{me}", "comparison.cancel", "ruleset:toll"),
    ]


def audited(database: Database, begun: Comparison) -> list[tuple[str, str, str]]:
    """Return what was written down about the comparison: who, what, to what."""
    with database.transaction() as session:
        query = text("SELECT actor, action, subject FROM audit WHERE details ->> 'comparison' = :id ORDER BY id")
        return [tuple(row) for row in session.execute(query, {"id": str(begun.id)})]


@pytest.mark.usefixtures("drafted")
def test_what_is_over_cannot_be_canceled(database: Database, drafts: Drafts) -> None:
    begun = begin(database)
    run(database, begun, drafts)

    with pytest.raises(ComparisonEnded), database.transaction() as session:
        comparison.cancel(session, NAME, begun.id, by=new_id())


@pytest.mark.usefixtures("drafted")
def test_a_comparison_is_found_under_its_own_rule_set_only(database: Database) -> None:
    begun = begin(database)

    for name, comparison_id in (("fx_rate", begun.id), (NAME, new_id())):
        with pytest.raises(ComparisonNotFound), database.transaction() as session:
            comparison.cancel(session, name, comparison_id, by=new_id())


@pytest.mark.usefixtures("drafted")
def test_a_draft_is_compiled_once_for_all_steps_of_a_process(
    database: Database, drafts: Drafts, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_judged(database, 20)
    begun = begin(database)
    monkeypatch.setattr(chunk, "LONGEST_S", 0.0)
    compiled = []
    definition_of = comparisons.definition

    def counted(session: Session, comparison_id: UUID) -> dict[str, Any]:
        compiled.append(comparison_id)
        return definition_of(session, comparison_id)

    monkeypatch.setattr(comparisons, "definition", counted)

    run(database, begun, drafts)

    assert compiled == [begun.id]


@pytest.mark.usefixtures("drafted")
def test_a_comparison_that_stands_still_is_sent_again_and_its_message_is_not_doubled(
    platform: Platform, database: Database
) -> None:
    begin(database)

    assert comparison.resume(database, platform.broker, after_ms=60_000) == 0
    assert comparison.resume(database, platform.broker, after_ms=0) == 1
    assert comparison.resume(database, platform.broker, after_ms=0) == 0


@pytest.mark.usefixtures("drafted")
def test_a_comparison_that_is_over_is_not_sent_again(platform: Platform, database: Database, drafts: Drafts) -> None:
    run(database, begin(database), drafts)

    assert comparison.resume(database, platform.broker, after_ms=0) == 0


@pytest.mark.usefixtures("drafted")
def test_a_comparison_is_gone_some_days_after_its_end(database: Database, drafts: Drafts) -> None:
    old = begin(database)
    run(database, old, drafts)
    late = begin(database)
    run(database, late, drafts)
    running = begin(database)
    with database.transaction() as session:
        age = text("UPDATE comparisons SET finished_at = finished_at - interval '8 days' WHERE id = :id")
        session.execute(age, {"id": old.id})

    gone = [comparison.forget(database, days=7) for _ in range(2)]

    assert gone == [1, 0]
    with database.autocommit() as session:
        left = comparison.newest(session, NAME, before=None, limit=10)
    assert [each.id for each in left] == [running.id, late.id]
