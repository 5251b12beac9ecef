"""Responses: one verdict row for one request, written in the transaction that ends it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, Float, Integer, Text, bindparam, insert, select, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.models.base import Base


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


ADD = insert(Response)


def add(
    session: Session,
    *,
    request_id: UUID,
    item_count: int,
    invalid_items: Sequence[int],
    finding_count: int,
    duration_ms: float,
    tables: Mapping[str, int],
    fixed: Mapping[int, Any],
) -> None:
    """Store the verdict of a request."""
    session.connection().execute(
        ADD,
        {
            "request_id": request_id,
            "verdict": Verdict.INVALID if invalid_items else Verdict.VALID,
            "item_count": item_count,
            "invalid_items": list(invalid_items),
            "finding_count": finding_count,
            "duration_ms": duration_ms,
            "tables": dict(tables),
            "fixed": {str(position): item for position, item in fixed.items()} or None,
        },
    )


FIND = select(
    Response.verdict,
    Response.item_count,
    Response.invalid_items,
    Response.finding_count,
    Response.duration_ms,
    Response.tables,
    Response.fixed,
).where(Response.request_id == bindparam("wanted"))


def find(session: Session, request_id: UUID) -> Response | None:
    """Return the verdict of the request, or None while there is none."""
    row = session.connection().execute(FIND, {"wanted": request_id}).first()
    return Response(request_id=request_id, **row._mapping) if row else None
