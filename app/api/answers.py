"""Answers: what is told of a request, from its rows."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from app.errors import RequestNotFound
from app.models import findings, requests, responses
from app.models.requests import Request, State
from app.models.responses import Verdict
from app.rulebook import Rulebook
from app.rules import Finding

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


def answer(session: Session, request: Request, rulebook: Rulebook) -> dict[str, Any] | None:
    """Return the answer to the request, or None while there is none."""
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
    invalid = frozenset(response.invalid_items)
    texts = rulebook.get(session, request.ruleset).messages
    return told | {
        "verdict": response.verdict,
        "item_count": response.item_count,
        "invalid_count": len(invalid),
        "duration_ms": response.duration_ms,
        "items": [
            {
                "index": index,
                "verdict": Verdict.INVALID if index in invalid else Verdict.VALID,
                "findings": [shown(finding, texts) for finding in found[index]],
            }
            for index in range(response.item_count)
        ],
    }


def shown(finding: Finding, texts: Mapping[str, str]) -> dict[str, Any]:
    """Return a finding with its text, `texts` being those of the rule set that made it."""
    return {
        "pointer": finding.pointer,
        "code": finding.code,
        "severity": finding.severity,
        "params": finding.params,
        "message": finding.message(texts),
        "rule_id": finding.rule_id,
    }
