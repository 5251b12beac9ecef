"""Standings: where a request is, and once it has ended, everything that is told of it, as one value.

It is read from three tables at once, for many requests at a time. A worker that ends a request has it in its hands
already, and may send it along as bytes.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Self
from uuid import UUID

from sqlalchemy import Connection

from app import json
from app.models import findings
from app.models.base import array
from app.rules import Finding


class Outcome(NamedTuple):
    """The verdict on a request, with all findings. The fields are those of `Response`."""

    verdict: str
    item_count: int
    invalid_items: Sequence[int]
    duration_ms: float
    tables: Mapping[str, int]
    fixed: Mapping[str, Any] | None
    #: Each with the position of its item.
    found: Sequence[tuple[int, Finding]] = ()


class Standing(NamedTuple):
    """Where one request is. The fields are those of `Request`."""

    id: UUID
    client_id: UUID
    state: str
    ruleset: str
    source: str
    created_at: datetime
    finished_at: datetime | None = None
    reason: str | None = None
    #: There when the state is `done`.
    outcome: Outcome | None = None

    def encode(self) -> bytes:
        """Return it as bytes, for `decode`."""
        return json.dumps(
            (
                self.client_id,
                self.state,
                self.ruleset,
                self.source,
                self.created_at,
                self.finished_at,
                self.reason,
                self.outcome and _packed(self.outcome),
            )
        )

    @classmethod
    def decode(cls, request_id: UUID, packed: bytes) -> Self:
        """Return the standing of the request that was encoded. Raises ValueError, TypeError when it is none."""
        client_id, state, ruleset, source, created_at, finished_at, reason, outcome = json.loads(packed)
        return cls(
            id=request_id,
            client_id=UUID(client_id),
            state=state,
            ruleset=ruleset,
            source=source,
            created_at=datetime.fromisoformat(created_at),
            finished_at=datetime.fromisoformat(finished_at) if finished_at else None,
            reason=reason,
            outcome=outcome and _unpacked(*outcome),
        )


def _packed(outcome: Outcome) -> Sequence[Any]:
    found = [
        (
            item,
            each.pointer,
            each.code,
            each.severity,
            each.params,
            each.rule_id,
            each.suggestion.operation() if each.suggestion else None,
        )
        for item, each in outcome.found
    ]
    return (
        outcome.verdict,
        outcome.item_count,
        outcome.invalid_items,
        outcome.duration_ms,
        outcome.tables,
        outcome.fixed,
        found,
    )


def _unpacked(
    verdict: str,
    item_count: int,
    invalid_items: Sequence[int],
    duration_ms: float,
    tables: Mapping[str, int],
    fixed: Mapping[str, Any] | None,
    packed: Sequence[Any],
) -> Outcome:
    found = [(item, findings.finding(*fields)) for item, *fields in packed]
    return Outcome(verdict, item_count, invalid_items, duration_ms, tables, fixed, found)


FIND = """
SELECT request.id, client_id, state, ruleset, source, request.created_at, finished_at, reason,
    finding_count, verdict, item_count, invalid_items, duration_ms, tables, fixed
FROM validation_requests AS request
LEFT JOIN validation_responses AS response
    -- Said of both sides, or PostgreSQL may read every response there is.
    ON response.request_id = request.id AND response.request_id = ANY(%(wanted)s::uuid[])
WHERE request.id = ANY(%(wanted)s::uuid[])
"""


def read(connection: Connection, request_ids: Sequence[UUID]) -> dict[UUID, Standing]:
    """Return where these requests are; those that there are not are left out."""
    rows = connection.exec_driver_sql(FIND, {"wanted": array(request_ids)}).all()
    with_findings = [row.id for row in rows if row.finding_count]
    found = findings.of(connection, with_findings) if with_findings else {}
    return {row[0]: _standing(row, found.get(row[0], ())) for row in rows}


def _standing(row: Any, found: Sequence[tuple[int, Finding]]) -> Standing:
    request_id, client_id, state, ruleset, source, created_at, finished_at, reason, *rest = row
    finding_count, verdict, item_count, invalid_items, duration_ms, tables, fixed = rest
    outcome = None
    if finding_count is not None:  # Else it waits, or it failed.
        outcome = Outcome(verdict, item_count, invalid_items, duration_ms, tables, fixed, found)
    return Standing(request_id, client_id, state, ruleset, source, created_at, finished_at, reason, outcome)
