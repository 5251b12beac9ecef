"""The test kit: which examples fail, and which rules none of them breaks."""

from typing import Any

import pytest

from app.rules import RuleSetError, compile_rules
from app.rules.kit import LARGEST_ITEM, Failure, Trial, trial
from tests.rules.makers import definition, rule

BROKEN = {"code": "rule.small", "pointer": "/a"}


def example(item: Any, *findings: dict[str, str], title: str = "An example") -> dict[str, Any]:
    """Return an example that says that `item` brings `findings`."""
    return {"title": title, "item": item, "findings": list(findings)}


def tried(*examples: dict[str, Any], **changes: Any) -> Trial:
    """Return what becomes of these examples of a rule set, of one condition unless `changes` say otherwise."""
    carrying = definition(examples=list(examples), **changes)
    return trial(compile_rules(carrying), carrying)


def test_examples_that_bring_what_they_name_pass() -> None:
    outcome = tried(example({"a": 1}), example({"a": 10}, BROKEN))

    assert outcome == Trial(examples=2, rules=1, failures=(), never_hit=())
    assert outcome.passed


def test_an_example_that_brings_nothing_of_what_it_names_fails() -> None:
    outcome = tried(example({"a": 1}, BROKEN, title="Too much expected"))

    (failure,) = outcome.failures
    assert not outcome.passed
    assert failure == Failure(0, "Too much expected", expected=(("rule.small", "/a"),), got=())
    assert (failure.missing, failure.unexpected) == ((("rule.small", "/a"),), ())


def test_an_example_that_brings_more_than_it_names_fails() -> None:
    (failure,) = tried(example({"a": 10})).failures

    assert (failure.missing, failure.unexpected) == ((), (("rule.small", "/a"),))


def test_a_finding_at_another_place_is_another_finding() -> None:
    (failure,) = tried(example({"a": 10}, {"code": "rule.small", "pointer": "/b"})).failures

    assert (failure.missing, failure.unexpected) == ((("rule.small", "/b"),), (("rule.small", "/a"),))


def test_findings_are_compared_in_any_order_and_by_number() -> None:
    two = [rule(id="small"), rule(id="tiny", expr="item.a < 5")]
    tiny = {"code": "rule.tiny", "pointer": "/a"}

    outcome = tried(example({"a": 10}, tiny, BROKEN), example({"a": 10}, BROKEN, BROKEN, tiny), rules=two)

    (failure,) = outcome.failures
    assert failure.missing == (("rule.small", "/a"),)
    assert failure.unexpected == ()


def test_rules_that_no_example_breaks_are_named_in_their_order() -> None:
    three = [rule(id="first"), rule(id="small"), rule(id="last", expr="item.a < 100")]

    outcome = tried(
        example({"a": 10}, {"code": "rule.first", "pointer": "/a"}, {"code": "rule.small", "pointer": "/a"}),
        rules=three,
    )

    assert outcome.never_hit == ("last",)
    assert outcome.passed, "it is told, and no failure"


def test_a_rule_that_cannot_be_evaluated_is_not_broken_by_the_example() -> None:
    outcome = tried(example({}, {"code": "rule.eval_error", "pointer": "/a"}))

    assert outcome.passed
    assert outcome.never_hit == ("small",)


def test_without_examples_no_rule_is_broken() -> None:
    plain = definition()

    outcome = trial(compile_rules(plain), plain)

    assert outcome == Trial(examples=0, rules=1, failures=(), never_hit=("small",))


def test_an_example_larger_than_what_is_tried_is_refused() -> None:
    with pytest.raises(RuleSetError, match=str(LARGEST_ITEM)) as refused:
        tried(example({"a": 1}), example({"a": 1, "b": "x" * LARGEST_ITEM}))

    assert refused.value.pointer == "/examples/1/item"


def test_before_each_example_others_have_their_turn() -> None:
    carrying = definition(examples=[example({"a": 1}), example({"a": 2})])
    turns: list[int] = []

    trial(compile_rules(carrying), carrying, turn=lambda: turns.append(1))

    assert len(turns) == 2
