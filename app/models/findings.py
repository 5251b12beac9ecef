"""Findings: what the rules had to say about the items of a request. Stored as code and params, never as text."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Connection, Integer, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, array
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


@dataclass(frozen=True)  # Without slots orjson reads it in half the time.
class New:
    """A finding that is to be recorded. The fields are those of `StoredFinding`."""

    request_id: UUID
    position: int
    item: int
    pointer: str
    code: str
    severity: str
    params: Mapping[str, Any]
    rule_id: str
    suggestion: Mapping[str, Any] | None


def rows(request_id: UUID, findings: Iterable[tuple[int, Finding]]) -> Iterator[New]:
    """Yield the rows of a request's findings, which come with the position of their item."""
    for position, (item, finding) in enumerate(findings):
        suggestion = finding.suggestion.operation() if finding.suggestion else None
        yield New(
            request_id,
            position,
            item,
            finding.pointer,
            finding.code,
            finding.severity,
            finding.params,
            finding.rule_id,
            suggestion,
        )


OF = """
SELECT request_id, item, pointer, code, severity, params, rule_id, suggestion FROM findings
WHERE request_id = ANY(%(wanted)s::uuid[]) ORDER BY request_id, position
"""


def of(connection: Connection, request_ids: Iterable[UUID]) -> dict[UUID, list[tuple[int, Finding]]]:
    """Return the findings of these requests with the positions of their items, in the order they were made.

    Requests that have none are left out.
    """
    found: defaultdict[UUID, list[tuple[int, Finding]]] = defaultdict(list)
    for request_id, item, *fields in connection.exec_driver_sql(OF, {"wanted": array(request_ids)}):
        found[request_id].append((item, finding(*fields)))
    return dict(found)


def finding(
    pointer: str,
    code: str,
    severity: Severity,
    params: dict[str, Any],
    rule_id: str,
    suggestion: Mapping[str, Any] | None,
) -> Finding:
    """Return the finding that is stored as these."""
    return Finding(pointer, code, severity, params, rule_id, Suggestion.of(suggestion) if suggestion else None)
