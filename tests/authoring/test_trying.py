"""Trying: what the rules say of a few rows, in a time that somebody would wait."""

from typing import Any

from app.authoring import Row, judge, summary
from app.rules import Finding, RuleSet, compile_rules
from tests.authoring.makers import definition, rule


def ruleset(**more: Any) -> RuleSet:
    """Return the small rule set, compiled."""
    return compile_rules(definition(version=1, **more))


def rows(*amounts: int) -> list[Row]:
    """Return rows with these amounts."""
    return [Row(index, {"amount": amount}) for index, amount in enumerate(amounts)]


def test_each_row_is_judged() -> None:
    tried = judge(ruleset(), rows(1, 0))

    assert [each.next_action for each in tried] == ["accept", "fix"]
    assert [finding.code for finding in tried[1].findings] == ["rule.positive"]


def test_a_row_that_cannot_be_read_has_just_that_finding() -> None:
    unreadable = Finding("", "file.not_json", "error", {"reason": "is not JSON"}, "")

    [tried] = judge(ruleset(), [Row(0, "{", 1, unreadable)])

    assert tried.findings == (unreadable,)
    assert tried.next_action == "fix"


def test_when_the_time_is_up_the_rest_is_left_out() -> None:
    tried = judge(ruleset(), rows(1, 2, 3), within_s=-1)

    assert [each.row.index for each in tried] == [0]


def test_the_summary_counts_rows_not_findings() -> None:
    rules = [
        rule("positive", "item.amount > 0"),
        rule("small", "item.amount < 100", severity="warning"),
        rule("even", "item.amount % 2 == 0", severity="info"),
    ]

    told = summary(judge(ruleset(rules=rules), rows(2, 1, 101, 103, -1, 0)))

    assert told == {
        "rows": 6,
        "next_actions": {"accept": 2, "confirm": 2, "fix": 2},
        "codes": [
            {"code": "rule.even", "severity": "info", "rows": 4, "first_index": 1},
            {"code": "rule.small", "severity": "warning", "rows": 2, "first_index": 2},
            {"code": "rule.positive", "severity": "error", "rows": 2, "first_index": 4},
        ],
    }
