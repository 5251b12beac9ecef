"""Responses: one verdict row for one request, written in the transaction that ends it."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, Float, Integer, Text, select, text
from sqlalchemy.dialects.postgresql import ARRAY
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
    #: Time the rules took, in milliseconds.
    duration_ms: Mapped[float] = mapped_column(Float)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("clock_timestamp()"))


def add(
    session: Session, *, request_id: UUID, item_count: int, invalid_items: Sequence[int], duration_ms: float
) -> Response:
    """Return the new verdict row."""
    response = Response(
        request_id=request_id,
        verdict=Verdict.INVALID if invalid_items else Verdict.VALID,
        item_count=item_count,
        invalid_items=list(invalid_items),
        duration_ms=duration_ms,
    )
    session.add(response)
    return response


def find(session: Session, request_id: UUID) -> Response | None:
    """Return the verdict of the request, or None while there is none."""
    return session.scalar(select(Response).where(Response.request_id == request_id))
