"""The audit trail: who did what to which thing, written in the transaction that does it.

Rows are only ever added. A trigger refuses everything else, so that a mistake in the code cannot rewrite history.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import DateTime, Text, insert, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.models.base import Base, new_id


class AuditEntry(Base):
    """One act."""

    __tablename__ = "audit"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("clock_timestamp()"))
    #: `client:<uuid>` for the API, `cli` for a command, `release` for a release.
    actor: Mapped[str] = mapped_column(Text)
    #: What was done: `ruleset.publish`, `reference.load`.
    action: Mapped[str] = mapped_column(Text)
    #: What it was done to, kind first: `ruleset:fx_rate`, `reference:ports`.
    subject: Mapped[str] = mapped_column(Text)
    details: Mapped[dict[str, Any]] = mapped_column(JSONB)
    #: The HTTP request that asked for it, as in the logs.
    request_id: Mapped[str | None] = mapped_column(Text)


def note(session: Session, *, actor: str, action: str, subject: str, details: Mapping[str, Any]) -> None:
    """Have the act written down if, and only if, the transaction commits. `details` is small, plain JSON."""
    session.execute(
        insert(AuditEntry).values(
            id=new_id(),
            actor=actor,
            action=action,
            subject=subject,
            details=dict(details),
            request_id=structlog.contextvars.get_contextvars().get("request_id"),
        )
    )


def newest(
    session: Session,
    *,
    before: UUID | None,
    limit: int,
    actor: str | None = None,
    action: str | None = None,
    subject: str | None = None,
) -> Sequence[AuditEntry]:
    """Return up to `limit` entries, newest first, those older than `before` and of just this actor, action, subject."""
    wanted = {AuditEntry.actor: actor, AuditEntry.action: action, AuditEntry.subject: subject}
    query = select(AuditEntry).where(*(column == value for column, value in wanted.items() if value is not None))
    if before is not None:
        query = query.where(AuditEntry.id < before)
    return session.scalars(query.order_by(AuditEntry.id.desc()).limit(limit)).all()
