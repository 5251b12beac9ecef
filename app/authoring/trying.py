"""Trying: what a rule set, published or only drafted, would say of a few items. Nothing is stored."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.authoring.samples import Row
from app.rules import Finding, RuleSet
from app.rules.verdict import NextAction, next_action

#: Somebody waits for the answer, and rules can be slow: rows that are not judged by then are left out.
TIME_S = 5.0


@dataclass(frozen=True)
class Tried:
    """What the rules say of one row."""

    row: Row
    findings: tuple[Finding, ...]

    @property
    def next_action(self) -> NextAction:
        """What its sender would have to do."""
        return next_action(finding.severity for finding in self.findings)


def judge(ruleset: RuleSet, rows: Sequence[Row], *, within_s: float = TIME_S) -> list[Tried]:
    """Return what the rules say of each row, in order; of the first rows only, at least one, when the time is up."""
    tried: list[Tried] = []
    deadline = time.monotonic() + within_s
    for row in rows:
        if tried and time.monotonic() > deadline:
            break
        tried.append(Tried(row, (row.unreadable,) if row.unreadable else ruleset.check(row.item)))
        time.sleep(0)  # Others wait for this process too: let them have their turn.
    return tried


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
