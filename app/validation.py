"""One validation: the verdict on a request, worked out by its rule set and recorded in one transaction."""

import time
from collections.abc import Sequence
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

    @property
    def invalid_items(self) -> list[int]:
        """Positions of the items with at least one error, ascending."""
        return sorted({item for item, finding in self.findings if finding.severity == "error"})


def judge(ruleset: RuleSet, items: Sequence[Any]) -> Judgement:
    """Return the judgement of `ruleset` on `items`; nothing is stored."""
    started = time.perf_counter()
    found = tuple((position, finding) for position, item in enumerate(items) for finding in ruleset.check(item))
    return Judgement(
        item_count=len(items), findings=found, duration_ms=round((time.perf_counter() - started) * 1000, 3)
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
    )
    findings.add(session, request.id, judgement.findings)
    return True
