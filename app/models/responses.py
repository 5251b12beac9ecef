"""Responses: one verdict row for one request, written in the transaction that ends it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import CheckConstraint, DateTime, Float, Integer, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app import json
from app.models import findings
from app.models.base import Base, array
from app.statements import Statement, moment


class Verdict(StrEnum):
    """What a request as a whole comes to: `invalid` when one of its items has an error."""

    VALID = "valid"
    INVALID = "invalid"


class Response(Base):
    """The verdict of one request. Its key is the request's own: there cannot be two."""

    __tablename__ = "validation_responses"
    __table_args__ = (
        CheckConstraint("verdict IN ('valid', 'invalid')", name="verdict"),
        {"postgresql_partition_by": "RANGE (request_id)"},
    )

    request_id: Mapped[UUID] = mapped_column(primary_key=True)
    verdict: Mapped[str] = mapped_column(Text)
    item_count: Mapped[int] = mapped_column(Integer)
    #: Positions of the items that have at least one error.
    invalid_items: Mapped[list[int]] = mapped_column(ARRAY(Integer))
    #: How many rows `findings` has for this request: most often none, and then nobody has to look.
    finding_count: Mapped[int] = mapped_column(Integer)
    #: Time the rules took, in milliseconds.
    duration_ms: Mapped[float] = mapped_column(Float)
    #: The versions of the reference tables that judged, by name. Which rule set did stands in the request.
    tables: Mapped[dict[str, int]] = mapped_column(JSONB, server_default=text("'{}'"))
    #: By position, those items that were corrected before they were judged, as they were judged. Most often none.
    fixed: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("clock_timestamp()"))


@dataclass(frozen=True)  # Without slots orjson reads it in half the time.
class New:
    """A verdict that is to be recorded. The fields are those of `Response`."""

    request_id: UUID
    verdict: str
    item_count: int
    invalid_items: Sequence[int]
    finding_count: int
    duration_ms: float
    tables: Mapping[str, int]
    fixed: Mapping[str, Any] | None


# All in one statement: what it costs to send it is more than what it does.
RECORD = Statement(
    "record",
    """
    WITH ended AS (
        UPDATE validation_requests SET state = 'done', finished_at = clock_timestamp()
        WHERE id = ANY($1::uuid[]) AND state = 'pending' RETURNING id, finished_at
    ), responses AS (
        INSERT INTO validation_responses
            (request_id, verdict, item_count, invalid_items, finding_count, duration_ms, tables, fixed)
        SELECT row.* FROM json_to_recordset($2::json) AS row (
            request_id uuid, verdict text, item_count integer, invalid_items integer[], finding_count integer,
            duration_ms float8, tables jsonb, fixed jsonb
        ) JOIN ended ON ended.id = row.request_id
    ), findings AS (
        INSERT INTO findings (request_id, position, item, pointer, code, severity, params, rule_id, suggestion)
        SELECT row.* FROM json_to_recordset($3::json) AS row (
            request_id uuid, position integer, item integer, pointer text, code text, severity text, params jsonb,
            rule_id text, suggestion jsonb
        ) JOIN ended ON ended.id = row.request_id
    )
    SELECT id, finished_at FROM ended
    """,
    *(bytes, moment),
)


def record(
    connection: psycopg.Connection[Any], verdicts: Sequence[New], found: Iterable[findings.New]
) -> dict[UUID, datetime]:
    """Return which of these requests went from pending to done with their verdict and findings, and when.

    Of one that had ended already nothing is recorded. The transaction is committed.
    """
    ids = {verdict.request_id.bytes: verdict.request_id for verdict in verdicts}
    rows = RECORD.run(connection, array(ids.values()), json.dumps(verdicts), json.dumps(list(found)), commits=True)
    return {ids[key]: finished_at for key, finished_at in rows}
