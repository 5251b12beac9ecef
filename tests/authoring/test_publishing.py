"""Publishing: numbers follow one another, what is published never changes, and nothing that is wrong gets through."""

from threading import Event
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app import authoring, reference
from app.authoring import Outcome, publishing
from app.database import Database
from app.errors import DraftChanged, DraftConflict, DraftNotFound, RuleSetInvalid, RuleSetNotFound
from app.models import rulesets
from app.models.base import new_id
from app.models.rulesets import Draft, PublishedRuleSet
from app.reference import Format
from tests.authoring.makers import definition, rule
from tests.authoring.test_differences import VALUES
from tests.authoring.test_drafts import acts, at_once
from tests.processes import wait_for


def draft(database: Database, **more: Any) -> Draft:
    """Return a new draft."""
    with database.transaction() as session:
        return authoring.create(session, "tiny", definition(**more), by="cli")


def publish(database: Database, **more: Any) -> Outcome:
    """Return what became of publishing a definition."""
    return authoring.publish(database, definition(**more), by="cli")


def publish_draft(database: Database, **more: Any) -> Outcome:
    """Return what became of publishing the draft."""
    return authoring.publish_draft(database, "tiny", by="client:x", **more)


def has_draft(database: Database) -> bool:
    """Return whether there is a draft."""
    with database.transaction() as session:
        return rulesets.draft(session, "tiny") is not None


def version(database: Database, number: int) -> PublishedRuleSet:
    """Return a version."""
    with database.transaction() as session:
        return authoring.find(session, "tiny", number)


def waits_for_a_lock(database: Database) -> bool:
    """Return whether somebody waits to publish."""
    waiting = """
        SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
        WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()
    """
    with database.transaction() as session:
        return bool(session.scalar(text(waiting)))


def refusal(refused: pytest.ExceptionInfo[RuleSetInvalid]) -> list[dict[str, Any]]:
    """Return what was wrong."""
    return list(refused.value.params["errors"])


def test_a_draft_becomes_the_first_version_and_is_gone(database: Database) -> None:
    draft(database)

    outcome = publish_draft(database, note="It is time.")

    assert outcome.new
    assert outcome.published.ref == "tiny@1"
    there = version(database, 1)
    assert there.definition == definition(version=1)
    assert there.content_hash == rulesets.content_hash(there.definition)
    assert (there.published_by, there.note, there.restores) == ("client:x", "It is time.", None)
    assert not has_draft(database)


def test_versions_follow_one_another(database: Database) -> None:
    assert [publish(database, title=title).published.version for title in ("One", "Two", "Three")] == [1, 2, 3]


def test_a_draft_knows_which_version_it_began_with(database: Database) -> None:
    publish(database, title="One")
    publish(database, title="Two")

    first = draft(database, version=1)
    with database.transaction() as session:
        authoring.discard(session, "tiny", by="cli", expected=[str(first.revision)])
    second = draft(database)

    assert (first.based_on, second.based_on) == (1, 2)


@pytest.mark.parametrize("odd", [0, -1, 9, 10**12, True, "1", None, 1.5, []])
def test_a_version_that_there_is_not_is_none_to_begin_with(database: Database, odd: Any) -> None:
    publish(database, title="One")

    assert draft(database, version=odd).based_on == 1


def test_the_same_content_as_the_newest_is_not_published_again(database: Database) -> None:
    publish(database, title="One")
    draft(database, title="One")
    start = new_id()

    outcome = publish_draft(database)

    assert (outcome.new, outcome.published.version) == (False, 1)
    assert not has_draft(database)
    assert [act.action for act in acts(database, since=start)] == ["ruleset.draft.discard"]


def test_numbers_that_postgres_writes_in_another_way_are_the_same_content(database: Database) -> None:
    odd = definition(
        examples=[{"title": "large", "item": {"amount": 10, "other": [1e16, -0.0, 1.50, 1e300]}, "findings": []}]
    )
    authoring.publish(database, odd, by="cli")

    outcome = authoring.publish(database, odd, by="cli")

    assert not outcome.new
    there = version(database, 1)
    assert rulesets.content_hash(there.definition) == there.content_hash


def test_an_older_content_is_published_again_when_another_came_between(database: Database) -> None:
    for title in ("One", "Two"):
        publish(database, title=title)

    assert publish(database, title="One").published.version == 3


def test_a_version_is_restored_as_a_new_one(database: Database) -> None:
    for title in ("One", "Two"):
        publish(database, title=title)

    outcome = authoring.restore(database, "tiny", 1, by="cli", note="Two was wrong.")

    assert (outcome.new, outcome.published.version, outcome.published.restores) == (True, 3, 1)
    assert version(database, 3).definition == definition(title="One", version=3)


def test_restoring_the_newest_changes_nothing(database: Database) -> None:
    publish(database)

    assert not authoring.restore(database, "tiny", 1, by="cli").new


@pytest.mark.parametrize(("name", "number"), [("tiny", 9), ("nobody", 1)])
def test_what_is_not_published_cannot_be_restored(database: Database, name: str, number: int) -> None:
    publish(database)

    with pytest.raises(RuleSetNotFound):
        authoring.restore(database, name, number, by="cli")


def test_there_must_be_a_draft_and_the_one_that_is_meant(database: Database) -> None:
    with pytest.raises(DraftNotFound):
        publish_draft(database)
    there = draft(database)

    with pytest.raises(DraftChanged):
        publish_draft(database, expected=["another"])

    assert publish_draft(database, expected=[str(there.revision)]).new


def test_an_expression_that_is_wrong_is_told_with_line_and_column(database: Database) -> None:
    draft(database, rules=[rule("positive", "item.amount >\n  nothing")])

    with pytest.raises(RuleSetInvalid) as refused:
        publish_draft(database)

    [problem] = refusal(refused)
    assert problem["code"] == "does_not_compile"
    assert problem["pointer"] == "/rules/0/expr"
    assert (problem["params"]["line"], problem["params"]["column"]) == (2, 3)
    assert has_draft(database)


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"rules": "none"}, "/rules"),
        ({"schema": {"type": "nothing"}}, "/schema"),
        ({"nonsense": 1}, "/nonsense"),
        ({"tables": {"ports": "ports"}}, "/tables/ports"),
        ({"tables": {"ports": "ports@99999999999"}}, "/tables/ports"),
        ({"tables": ["ports"]}, "/tables"),
    ],
)
def test_what_does_not_compile_is_refused_with_its_place(
    database: Database, wrong: dict[str, Any], pointer: str
) -> None:
    draft(database, **wrong)

    with pytest.raises(RuleSetInvalid) as refused:
        publish_draft(database)

    assert refusal(refused)[0]["pointer"].startswith(pointer)
    with pytest.raises(RuleSetNotFound):
        version(database, 1)


def test_examples_that_fail_are_listed_and_nothing_is_published(database: Database) -> None:
    examples = [
        {"title": "good", "item": {"amount": 1}, "findings": []},
        {"title": "wrongly good", "item": {"amount": 0}, "findings": []},
        {"title": "wrongly bad", "item": {"amount": 1}, "findings": [{"code": "rule.positive", "pointer": "/amount"}]},
    ]
    draft(database, examples=examples)

    with pytest.raises(RuleSetInvalid, match="2 of 3 examples") as refused:
        publish_draft(database)

    found = {"code": "rule.positive", "pointer": "/amount"}
    one, other = refusal(refused)
    assert (one["pointer"], one["code"], one["params"]["unexpected"]) == ("/examples/1", "example_failed", [found])
    assert (other["pointer"], other["params"]["title"], other["params"]["missing"]) == (
        "/examples/2",
        "wrongly bad",
        [found],
    )
    assert has_draft(database)


def test_a_check_says_what_publishing_would_and_which_rules_no_example_breaks(database: Database) -> None:
    rules = [rule("positive", "item.amount > 0"), rule("small", "item.amount < 100")]
    with database.transaction() as session:
        good = authoring.check(session, definition(rules=rules))
        bad = authoring.check(session, definition(rules="none"))

    assert good.problems == ()
    assert good.trial is not None
    assert (good.trial.examples, good.trial.never_hit) == (2, ("small",))
    assert bad.trial is None
    assert len(bad.problems) == 1


def test_a_rule_set_is_checked_with_the_tables_that_it_names(database: Database) -> None:
    with database.transaction() as session:
        rows = reference.read(b'["VNSGN"]', Format.JSON)
        reference.load(session, "harbours", rows, source="test", by="cli")
    port = {"type": "object", "properties": {"amount": {"type": "string"}}, "required": ["amount"]}
    listed = definition(
        schema=port,
        tables={"harbours": "harbours"},
        facts={"/amount": {"listed": "harbours"}},
        rules=[rule("port_unknown", "item.amount.listed")],
        examples=[
            {"title": "known", "item": {"amount": "VNSGN"}, "findings": []},
            {
                "title": "not",
                "item": {"amount": "X"},
                "findings": [{"code": "rule.port_unknown", "pointer": "/amount"}],
            },
        ],
    )

    assert authoring.publish(database, listed, by="cli").new


@given(st.sampled_from([*definition(), "description", "tables", "facts", "normalisers", "across"]), VALUES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_check_has_an_answer_whatever_stands_in_a_draft(database: Database, member: str, value: Any) -> None:
    with database.transaction() as session:
        found = authoring.check(session, {**definition(), member: value})

    assert found.problems or found.trial


def test_two_publishers_of_one_draft_make_one_version(database: Database) -> None:
    draft(database)

    ends = at_once(*[lambda: publish_draft(database)] * 4)

    assert sum(isinstance(end, Outcome) for end in ends) == 1, ends
    assert all(isinstance(end, Outcome | DraftConflict | DraftNotFound) for end in ends), ends
    with database.transaction() as session:
        assert len(rulesets.versions(session, "tiny", before=None, limit=10)) == 1


def test_a_draft_that_changes_while_it_is_checked_is_not_published(database: Database) -> None:
    there = draft(database)

    def change() -> None:
        with database.transaction() as session:
            rulesets.hold(session, "tiny")
            begun.set()
            wait_for(lambda: waits_for_a_lock(database))
            authoring.replace(session, "tiny", definition(title="Other"), by="cli", expected=[str(there.revision)])

    def publish() -> Outcome:
        begun.wait()
        return publish_draft(database)

    begun = Event()
    _, end = at_once(change, publish)

    assert isinstance(end, DraftConflict)
    assert has_draft(database)
    with pytest.raises(RuleSetNotFound):
        version(database, 1)


def test_publishers_of_different_contents_at_once_get_different_versions(database: Database) -> None:
    titles = [f"Title {number}" for number in range(6)]

    ends = at_once(*(lambda title=title: publish(database, title=title) for title in titles))

    assert all(isinstance(end, Outcome) for end in ends), ends
    assert sorted(end.published.version for end in ends) == [1, 2, 3, 4, 5, 6]
    assert {version(database, number).definition["title"] for number in range(1, 7)} == set(titles)


def test_every_version_is_written_down_with_its_content(database: Database) -> None:
    start = new_id()
    publish(database, title="One")
    publish(database, title="One")
    publish(database, title="Two")
    authoring.restore(database, "tiny", 1, by="client:x", note="Why not.")

    found = acts(database, since=start)
    assert [(act.actor, act.action, act.details["version"]) for act in found] == [
        ("cli", "ruleset.publish", 1),
        ("cli", "ruleset.publish", 2),
        ("client:x", "ruleset.publish", 3),
    ]
    assert (found[-1].details["restores"], found[-1].details["note"]) == (1, "Why not.")
    assert found[-1].details["sha256"] == version(database, 3).content_hash.hex()


def test_a_draft_that_is_tried_again_is_not_compiled_again(database: Database) -> None:
    with database.autocommit() as session:
        first, same = (authoring.usable(session, definition()) for _ in range(2))
        other = authoring.usable(session, definition(title="Another"))

    assert first is same
    assert other.title == "Another"


def test_a_draft_is_compiled_again_for_a_new_table(database: Database) -> None:
    listed = definition(tables={"places": "places"}, facts={"/place": {"listed": "places"}})
    versions = []
    for codes in (["A"], ["A", "B"]):
        with database.transaction() as session:
            reference.load(session, "places", reference.Rows.of(codes), source="test", by="cli")
            versions.append(authoring.usable(session, listed).tables["places"])

    assert versions[1] == versions[0] + 1


def test_examples_that_take_too_long_are_refused(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "TIME_S", -1.0)

    with pytest.raises(RuleSetInvalid) as error:
        authoring.publish(database, definition(), by="cli")

    [fault] = error.value.params["errors"]
    assert fault["pointer"] == "/examples"
    assert "take longer than" in fault["detail"]
