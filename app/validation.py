"""One validation: the verdict on a request, worked out by its rule set and recorded in one transaction."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from app.models import findings, requests, responses
from app.rules import Finding, RuleSet


@dataclass(frozen=True)
class Judgement:
    """What the rules had to say about the items of one request."""

    item_count: int
    #: Each finding with the position of its item.
    findings: tuple[tuple[int, Finding], ...]
    duration_ms: float
    #: The versions of the reference tables that judged, by name.
    tables: Mapping[str, int]
    #: By position, those items that were corrected before they were judged.
    fixed: Mapping[int, Any]

    @property
    def invalid_items(self) -> list[int]:
        """Positions of the items with at least one error, ascending."""
        return sorted({item for item, finding in self.findings if finding.severity == "error"})


def judge(ruleset: RuleSet, items: Sequence[Any], autofix: str | None = None) -> Judgement:
    """Return the judgement of `ruleset` on `items`; nothing is stored.

    With `autofix`, items are judged as its normalisers leave them, and every fix is a finding before the others.
    """
    started = time.perf_counter()
    found: list[tuple[int, Finding]] = []
    fixed: dict[int, Any] = {}
    for position, item in enumerate(items):
        judged = item
        if autofix:
            judged, fixes = ruleset.normalised(item)
            if fixes:
                fixed[position] = judged
                found += ((position, fix) for fix in fixes)
        found += ((position, finding) for finding in ruleset.check(judged))
    return Judgement(
        item_count=len(items),
        findings=tuple(found),
        duration_ms=round((time.perf_counter() - started) * 1000, 3),
        tables=ruleset.tables,
        fixed=fixed,
    )


def record(session: Session, request: requests.Request, judgement: Judgement) -> bool:
    """Return whether the verdict was recorded: False when the request had ended already, and then nothing was."""
    if not requests.finish(session, request.id):
        return False
    responses.add(
        session,
        request_id=request.id,
        item_count=judgement.item_count,
        invalid_items=judgement.invalid_items,
        finding_count=len(judgement.findings),
        duration_ms=judgement.duration_ms,
        tables=judgement.tables,
        fixed=judgement.fixed,
    )
    findings.add(session, request.id, judgement.findings)
    return True
