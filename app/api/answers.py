"""Answers: what is told of a request, made from where it stands."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from app.models.requests import State
from app.models.responses import Verdict
from app.models.standings import Outcome, Standing
from app.rules import Finding
from app.rules.catalogue import ENGLISH, Texts
from app.rules.verdict import next_action

#: Seconds after which it is worth to ask again.
RETRY_AFTER_S = 1
#: What an answer without a verdict says besides.
RETRY_AFTER = {"Retry-After": str(RETRY_AFTER_S)}
#: What an answer to a repeat says of itself.
REPLAYED = {"Idempotency-Replayed": "true"}

URL = "/api/validation/requests/{id}"


def state(standing: Standing) -> dict[str, Any]:
    """Return where the request is."""
    url = URL.format(id=standing.id)
    told: dict[str, Any] = {
        "id": standing.id,
        "state": standing.state,
        "ruleset": standing.ruleset,
        "source": standing.source,
        "created_at": standing.created_at,
        "links": {"self": url, "result": f"{url}/result"},
    }
    if standing.state == State.PENDING:
        told["retry_after"] = RETRY_AFTER_S
        return told
    if standing.state == State.FAILED:
        told["reason"] = standing.reason
    told["finished_at"] = standing.finished_at
    return told


def answer(standing: Standing, texts: Texts, language: str = ENGLISH) -> dict[str, Any]:
    """Return the answer to a request that has ended, its messages in `language`.

    `texts` are those of the rule set that judged it.
    """
    told = state(standing)
    if standing.outcome is None:  # It failed: there is a reason in place of a verdict.
        return told
    return told | verdict(standing.outcome, texts, language)


def verdict(outcome: Outcome, texts: Texts, language: str = ENGLISH) -> dict[str, Any]:
    """Return the verdict on some items, its messages in `language`; `texts` as for `answer`."""
    found: defaultdict[int, list[Finding]] = defaultdict(list)
    for index, finding in outcome.found:
        found[index].append(finding)
    invalid, fixed = frozenset(outcome.invalid_items), outcome.fixed or {}
    return {
        "verdict": outcome.verdict,
        "next_action": next_action(finding.severity for _, finding in outcome.found),
        "item_count": outcome.item_count,
        "invalid_count": len(invalid),
        "duration_ms": outcome.duration_ms,
        "tables": outcome.tables,
        "items": [
            {"index": index, "verdict": Verdict.INVALID if index in invalid else Verdict.VALID}
            | item(found[index], texts, language)
            | ({"fixed": fixed[str(index)]} if str(index) in fixed else {})
            for index in range(outcome.item_count)
        ],
    }


def item(found: Sequence[Finding], texts: Texts, language: str) -> dict[str, Any]:
    """Return what was found in one item, and what is to be done about it."""
    return {
        "next_action": next_action(finding.severity for finding in found),
        "findings": [shown(finding, texts, language) for finding in found],
    }


def shown(finding: Finding, texts: Texts, language: str = ENGLISH) -> dict[str, Any]:
    """Return a finding with its text in `language`, `texts` being those of the rule set that made it."""
    told = {
        "pointer": finding.pointer,
        "code": finding.code,
        "severity": finding.severity,
        "params": finding.params,
        "message": finding.message(texts, language),
        "rule_id": finding.rule_id,
    }
    if finding.suggestion:
        told["suggestion"] = finding.suggestion.operation()
    return told
