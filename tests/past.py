"""A rule set with a past: requests that its first version has judged, and a draft that sees some of them otherwise.

Requests carry the amounts 0 to 99 in turn, one item each, so that of every hundred the draft turns 15 to invalid (0 to
4 are too low, 80 to 89 too high) and 1 to valid (13 was unlucky), and finds something new in 1 that stays valid (50 is
round).
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import insert, text

from app.database import Database
from app.models import rulesets
from app.models.base import new_id
from app.models.findings import StoredFinding
from app.models.requests import Request, State
from app.models.responses import Response, Verdict
from app.rules import compile_rules
from app.validation import judge

NAME = "toll"

#: What a hundred requests come to, and the codes behind it.
HUNDRED = {"to_invalid": 15, "to_valid": 1, "otherwise": 1}
CODES = {
    "rule.too_high": {"to_invalid": 10},
    "rule.too_low": {"to_invalid": 5},
    "rule.unlucky": {"to_valid": 1},
    "rule.round": {"appears": 1},
}


def rule(name: str, expr: str, severity: str = "error") -> dict[str, Any]:
    """Return a rule about the amount."""
    return {"id": name, "expr": expr, "message": "So it is.", "severity": severity, "pointer": "/amount"}


def definition(*rules: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Return a definition of the rule set."""
    amount = {"type": "integer", "minimum": 0, "maximum": 1000}
    schema = {"type": "object", "required": ["amount"], "properties": {"amount": amount}}
    return {"name": NAME, "title": "Toll", "schema": schema, "rules": list(rules), **more}


PUBLISHED = definition(rule("too_high", "item.amount <= 89"), rule("unlucky", "item.amount != 13"), version=1)
DRAFT = definition(
    rule("too_high", "item.amount <= 79"),
    rule("too_low", "item.amount >= 5"),
    rule("round", "item.amount % 50 != 0", "warning"),
)


def publish(database: Database) -> None:
    """Have the first version published."""
    with database.transaction() as session:
        rulesets.publish(session, PUBLISHED)


def begin_draft(database: Database, draft: Mapping[str, Any] = DRAFT) -> None:
    """Have a draft of the rule set."""
    with database.transaction() as session:
        added = rulesets.add_draft(session, draft["name"], draft, by="cli", based_on=1)
    assert added is not None


def add_judged(
    database: Database,
    amount: int,
    *,
    client_id: UUID | None = None,
    ruleset: Mapping[str, Any] = PUBLISHED,
    items: Sequence[Any] | None = None,
    autofix: str | None = None,
) -> list[UUID]:
    """Return the ids of so many requests that `ruleset` has judged, oldest first.

    Each holds one amount, 0 to 99 in turn, or else `items`.
    """
    compiled = compile_rules(ruleset)
    client = client_id or new_id()
    asked: list[dict[str, Any]] = []
    answered: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for number in range(amount):
        request_id, sent = new_id(), list(items or [{"amount": number % 100}])
        judgement = judge(compiled, sent, autofix)
        asked.append(
            {
                "id": request_id,
                "client_id": client,
                "source": "api",
                "ruleset": compiled.ref,
                "items": sent,
                "autofix": autofix,
                "state": State.DONE,
            }
        )
        answered.append(
            {
                "request_id": request_id,
                "verdict": Verdict.INVALID if judgement.invalid_items else Verdict.VALID,
                "item_count": len(sent),
                "invalid_items": judgement.invalid_items,
                "finding_count": len(judgement.findings),
                "duration_ms": 0.1,
            }
        )
        found += (
            {
                "request_id": request_id,
                "position": position,
                "item": item,
                "pointer": finding.pointer,
                "code": finding.code,
                "severity": finding.severity,
                "params": finding.params,
                "rule_id": finding.rule_id,
            }
            for position, (item, finding) in enumerate(judgement.findings)
        )
    with database.transaction() as session:
        for table, rows in ((Request, asked), (Response, answered), (StoredFinding, found)):
            if rows:
                session.connection().execute(insert(table), rows)
        session.execute(text("ANALYZE validation_requests"))
    return [row["id"] for row in asked]
