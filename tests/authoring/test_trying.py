"""Trying: what the rules say of a few rows, in a time that somebody would wait."""

from collections.abc import Sequence
from typing import Any

from app.authoring import Row, Tried, judge, summary
from app.rules import Finding, compile_rules
from tests.authoring.makers import definition, rule

ONCE = {"id": "once", "kind": "unique", "key": ["/amount"], "message": "Rows {rows}.", "severity": "warning"}


def tried(rows: Sequence[Row], *, within_s: float = 30, **more: Any) -> list[Tried]:
    """Return what the small rule set says of the rows."""
    content = definition(version=1, **more)
    return judge(compile_rules(content), content, rows, within_s=within_s)


def rows(*amounts: int) -> list[Row]:
    """Return rows with these amounts."""
    return [Row(index, {"amount": amount}) for index, amount in enumerate(amounts)]


def test_each_row_is_judged() -> None:
    good, bad = tried(rows(1, 0))

    assert (good.next_action, bad.next_action) == ("accept", "fix")
    assert [finding.code for finding in bad.findings] == ["rule.positive"]


def test_a_row_that_cannot_be_read_has_just_that_finding() -> None:
    unreadable = Finding("", "file.not_json", "error", {"reason": "is not JSON"}, "")

    [one] = tried([Row(0, "{", 1, unreadable)])

    assert one.findings == (unreadable,)
    assert one.next_action == "fix"


def test_when_the_time_is_up_the_rest_is_left_out() -> None:
    judged = tried(rows(1, 2, 3), within_s=-1)

    assert [each.row.index for each in judged] == [0]


def test_rows_are_compared_with_one_another_and_both_are_told() -> None:
    unread = Row(2, '{"amount": 7}', 4, Finding("", "file.not_json", "error", {}, ""))
    sample = [Row(0, {"amount": 7}), Row(1, {"amount": 5}), unread, Row(90, {"amount": 7}), Row(91, None)]

    first, other, _, last, _ = tried(sample, across=[ONCE])

    assert [finding.code for finding in first.findings] == ["file.duplicate_key"]
    assert first.findings[0].params["rows"] == last.findings[0].params["rows"] == [0, 90]
    assert (first.next_action, other.next_action, other.findings) == ("confirm", "accept", ())


def test_rows_that_are_left_out_are_not_compared_either() -> None:
    [one] = tried(rows(1, 1), within_s=-1, across=[ONCE])

    assert one.findings == ()


def test_the_summary_counts_rows_not_findings() -> None:
    rules = [
        rule("positive", "item.amount > 0"),
        rule("small", "item.amount < 100", severity="warning"),
        rule("even", "item.amount % 2 == 0", severity="info"),
    ]

    told = summary(tried(rows(2, 1, 101, 103, -1, 0), rules=rules))

    assert told == {
        "rows": 6,
        "next_actions": {"accept": 2, "confirm": 2, "fix": 2},
        "codes": [
            {"code": "rule.even", "severity": "info", "rows": 4, "first_index": 1},
            {"code": "rule.small", "severity": "warning", "rows": 2, "first_index": 2},
            {"code": "rule.positive", "severity": "error", "rows": 2, "first_index": 4},
        ],
    }
