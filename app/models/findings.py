"""Findings: what the rules had to say about the items of a request. Stored as code and params, never as text."""

from collections.abc import Iterable, Sequence
from typing import Any, cast
from uuid import UUID

from sqlalchemy import CheckConstraint, Integer, Text, bindparam, insert, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.models.base import Base
from app.rules import Finding, Severity, Suggestion


class StoredFinding(Base):
    """One finding of one item."""

    __tablename__ = "findings"
    __table_args__ = (
        CheckConstraint("severity IN ('error', 'warning', 'info')", name="severity"),
        {"postgresql_partition_by": "RANGE (request_id)"},
    )

    request_id: Mapped[UUID] = mapped_column(primary_key=True)
    #: Counts the findings of one request, in the order the rules made them.
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    #: Which item of the request, from 0.
    item: Mapped[int] = mapped_column(Integer)
    #: JSON Pointer into the item (RFC 6901).
    pointer: Mapped[str] = mapped_column(Text)
    code: Mapped[str] = mapped_column(Text)
    severity: Mapped[str] = mapped_column(Text)
    params: Mapped[dict[str, Any]] = mapped_column(JSONB)
    rule_id: Mapped[str] = mapped_column(Text)
    #: What would make it go away: an operation of RFC 6902, with its confidence and reason.
    suggestion: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))


ADD = insert(StoredFinding)


def add(session: Session, request_id: UUID, findings: Iterable[tuple[int, Finding]]) -> None:
    """Store the findings of a request, each with the position of its item."""
    rows = [
        {
            "request_id": request_id,
            "position": position,
            "item": item,
            "pointer": finding.pointer,
            "code": finding.code,
            "severity": finding.severity,
            "params": finding.params,
            "rule_id": finding.rule_id,
            "suggestion": finding.suggestion and finding.suggestion.operation(),
        }
        for position, (item, finding) in enumerate(findings)
    ]
    if rows:
        session.connection().execute(ADD, rows)


OF = (
    select(
        StoredFinding.item,
        StoredFinding.pointer,
        StoredFinding.code,
        StoredFinding.severity,
        StoredFinding.params,
        StoredFinding.rule_id,
        StoredFinding.suggestion,
    )
    .where(StoredFinding.request_id == bindparam("wanted"))
    .order_by(StoredFinding.position)
)


def of(session: Session, request_id: UUID) -> Sequence[tuple[int, Finding]]:
    """Return the findings of a request with the positions of their items, in the order they were made."""
    rows = session.connection().execute(OF, {"wanted": request_id})
    return [(row.item, finding(row)) for row in rows]


def finding(row: Any) -> Finding:
    """Return the finding that a row of `OF` holds."""
    suggestion = row.suggestion and Suggestion.of(row.suggestion)
    return Finding(row.pointer, row.code, cast(Severity, row.severity), row.params, row.rule_id, suggestion)
