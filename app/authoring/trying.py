"""Trying: what a rule set, published or only drafted, would say of a few items. Nothing is stored."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.authoring.samples import Row
from app.rules import Finding, RuleSet
from app.rules.across import Across
from app.rules.verdict import NextAction, next_action
from app.turns import TIME_S, in_turns


@dataclass(frozen=True)
class Tried:
    """What the rules say of one row."""

    row: Row
    findings: tuple[Finding, ...]

    @property
    def next_action(self) -> NextAction:
        """What its sender would have to do."""
        return next_action(finding.severity for finding in self.findings)


def judge(
    ruleset: RuleSet, definition: Mapping[str, Any], rows: Sequence[Row], *, within_s: float = TIME_S
) -> list[Tried]:
    """Return what the rules of `definition`, which `ruleset` was compiled from, say of each row, in order.

    When the time is up, that is the first rows only, at least one. Rules across rows compare those with one another;
    the `rows` in their params are what `Row.index` counts.
    """
    tried = [
        Tried(row, (row.unreadable,) if row.unreadable else ruleset.check(row.item))
        for row in in_turns(rows, within_s=within_s)
    ]
    across = _across(definition, [each.row for each in tried])
    return [replace(each, findings=(*each.findings, *across[each.row.index])) for each in tried]


def summary(tried: Sequence[Tried]) -> dict[str, Any]:
    """Return how many rows come to which end, and in how many each code is found, the most frequent code first."""
    actions = Counter(each.next_action for each in tried)
    codes: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], int] = {}
    for each in tried:
        for found in sorted({(finding.code, finding.severity) for finding in each.findings}):
            codes[found] += 1
            first.setdefault(found, each.row.index)
    return {
        "rows": len(tried),
        "next_actions": {action.value: actions[action] for action in NextAction},
        "codes": [
            {"code": code, "severity": severity, "rows": rows, "first_index": first[code, severity]}
            for (code, severity), rows in codes.most_common()
        ],
    }


def _across(definition: Mapping[str, Any], rows: Sequence[Row]) -> Mapping[int, list[Finding]]:
    """Return what the rows are found to be wrong in beside one another, by the index of the row."""
    found: defaultdict[int, list[Finding]] = defaultdict(list)
    if not definition.get("across"):
        return found
    with Across(definition) as across:
        for row in rows:
            if not row.unreadable:
                across.add(row.index, row.item)
        for index, finding in across.findings():
            found[index].append(finding)
    return found
