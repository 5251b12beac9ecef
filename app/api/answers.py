"""Answers: what is told of a request, from its rows."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app.errors import RequestNotFound
from app.models import findings, requests, responses
from app.models.requests import Request, State
from app.models.responses import Verdict
from app.rulebook import Rulebook
from app.rules import Finding
from app.rules.catalogue import ENGLISH, Texts
from app.rules.verdict import next_action

#: Seconds after which it is worth to ask again.
RETRY_AFTER_S = 1

URL = "/api/validation/requests/{id}"


def find(session: Session, request_id: UUID, *, client_id: UUID) -> Request:
    """Return the request. Raises RequestNotFound, also when it is another client's."""
    request = requests.find(session, request_id, client_id=client_id)
    if request is None:
        raise RequestNotFound("There is no such request.")
    return request


def state(request: Request) -> dict[str, Any]:
    """Return where the request is."""
    url = URL.format(id=request.id)
    told: dict[str, Any] = {
        "id": request.id,
        "state": request.state,
        "ruleset": request.ruleset,
        "source": request.source,
        "created_at": request.created_at,
        "links": {"self": url, "result": f"{url}/result"},
    }
    if request.state == State.PENDING:
        return told | {"retry_after": RETRY_AFTER_S}
    if request.state == State.FAILED:
        told["reason"] = request.reason
    return told | {"finished_at": request.finished_at}


def answer(session: Session, request: Request, rulebook: Rulebook, language: str = ENGLISH) -> dict[str, Any] | None:
    """Return the answer to the request, its messages in `language`, or None while there is none."""
    if request.state == State.PENDING:
        return None
    told = state(request)
    response = responses.find(session, request.id)
    if response is None:  # It failed: there is a reason in place of a verdict.
        return told
    found: defaultdict[int, list[Finding]] = defaultdict(list)
    if response.finding_count:
        for index, finding in findings.of(session, request.id):
            found[index].append(finding)
    invalid, fixed = frozenset(response.invalid_items), response.fixed or {}
    texts = rulebook.texts(session, request.ruleset)
    return told | {
        "verdict": response.verdict,
        "next_action": next_action(finding.severity for each in found.values() for finding in each),
        "item_count": response.item_count,
        "invalid_count": len(invalid),
        "duration_ms": response.duration_ms,
        "tables": response.tables,
        "items": [
            {"index": index, "verdict": Verdict.INVALID if index in invalid else Verdict.VALID}
            | item(found[index], texts, language)
            | ({"fixed": fixed[str(index)]} if str(index) in fixed else {})
            for index in range(response.item_count)
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
