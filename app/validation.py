"""Validation: the verdicts on requests, each worked out by its rule set, recorded many at a time in one transaction."""

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from app.models import findings, requests, responses, standings
from app.rules import Finding, RuleSet


class Judgement(NamedTuple):
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


def judge(ruleset: RuleSet, items: Iterable[Any], autofix: str | None = None) -> Judgement:
    """Return the judgement of `ruleset` on `items`; nothing is stored.

    With `autofix`, items are judged as its normalisers leave them, and every fix is a finding before the others.
    """
    started = time.perf_counter()
    found: list[tuple[int, Finding]] = []
    fixed: dict[int, Any] = {}
    position = -1
    for position, item in enumerate(items):
        judged = item
        if autofix:
            judged, fixes = ruleset.normalised(item)
            if fixes:
                fixed[position] = judged
                found += ((position, fix) for fix in fixes)
        found += ((position, finding) for finding in ruleset.check(judged))
    return Judgement(
        item_count=position + 1,
        findings=tuple(found),
        duration_ms=round((time.perf_counter() - started) * 1000, 3),
        tables=ruleset.tables,
        fixed=fixed,
    )


def record(
    connection: psycopg.Connection[Any], judged: Sequence[tuple[requests.Claimed, Judgement]]
) -> Sequence[standings.Standing]:
    """Return where these requests stand now that their verdicts are recorded: by one statement, and committed.

    Of one that had ended already nothing is recorded, and it is left out.
    """
    outcomes = [outcome(judgement) for _, judgement in judged]
    verdicts = [verdict(request.id, each) for (request, _), each in zip(judged, outcomes, strict=True)]
    found = chain.from_iterable(findings.rows(request.id, judgement.findings) for request, judgement in judged)
    ended = responses.record(connection, verdicts, found)
    return [
        standing(request, each, finished_at)
        for (request, _), each in zip(judged, outcomes, strict=True)
        if (finished_at := ended.get(request.id))
    ]


def outcome(judgement: Judgement) -> standings.Outcome:
    """Return the verdict that the judgement comes to."""
    invalid = judgement.invalid_items
    return standings.Outcome(
        verdict=responses.Verdict.INVALID if invalid else responses.Verdict.VALID,
        item_count=judgement.item_count,
        invalid_items=invalid,
        duration_ms=judgement.duration_ms,
        tables=dict(judgement.tables),
        fixed={str(position): item for position, item in judgement.fixed.items()} or None,
        found=judgement.findings,
    )


def verdict(request_id: UUID, outcome: standings.Outcome) -> responses.New:
    """Return the row that the verdict on a request makes."""
    return responses.New(
        request_id=request_id,
        verdict=outcome.verdict,
        item_count=outcome.item_count,
        invalid_items=outcome.invalid_items,
        finding_count=len(outcome.found),
        duration_ms=outcome.duration_ms,
        tables=outcome.tables,
        fixed=outcome.fixed,
    )


def standing(request: requests.Claimed, outcome: standings.Outcome, finished_at: datetime) -> standings.Standing:
    """Return where a request stands that has ended with this verdict, as it will be read."""
    return standings.Standing(
        id=request.id,
        client_id=request.client_id,
        state=requests.State.DONE,
        ruleset=request.ruleset,
        source=request.source,
        created_at=request.created_at,
        finished_at=finished_at,
        outcome=outcome,
    )
