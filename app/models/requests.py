"""Requests: the ledger of what was accepted. A row here is the promise that an answer will come.

State goes `pending → done | failed`, once; every verb has the old state in its WHERE. `epoch` is not state: it only
remembers under which life of the queue the row's message is known to have been sent (see `app.rescue`).
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, Index, Text, and_, bindparam, func, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.models.base import Base


class State(StrEnum):
    """Where a request is."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


class Autofix(StrEnum):
    """What may be corrected in the items before they are judged."""

    #: Only what normalisers of the rule set correct; each fix is reported.
    SAFE = "safe"


class Request(Base):
    """One accepted request: one item or a few, for one rule set, of one client."""

    __tablename__ = "validation_requests"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'done', 'failed')", name="state"),
        CheckConstraint("autofix IN ('safe')", name="autofix"),
        # For a client that looks at what it has sent.
        Index("validation_requests_client_id_id_idx", "client_id", "id"),
        Index("validation_requests_pending_idx", "id", postgresql_where=text("state = 'pending'")),
        {"postgresql_partition_by": "RANGE (id)"},
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    client_id: Mapped[UUID]
    source: Mapped[str] = mapped_column(Text)
    #: The rule set that judges it, version included: `fx_rate@1`.
    ruleset: Mapped[str] = mapped_column(Text)
    #: As they were sent, whatever is corrected before they are judged.
    items: Mapped[list[Any]] = mapped_column(JSONB)
    autofix: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text, server_default=State.PENDING)
    #: Why there is no verdict, when the state is `failed`.
    reason: Mapped[str | None] = mapped_column(Text)
    epoch: Mapped[str | None] = mapped_column(Text)
    sent_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("clock_timestamp()"))
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


ADD = insert(Request).returning(Request.created_at)


def add(
    session: Session,
    *,
    request_id: UUID,
    client_id: UUID,
    source: str,
    ruleset: str,
    items: Sequence[Any],
    autofix: Autofix | None = None,
) -> Request:
    """Return the new request, pending and not yet sent. One statement, so that it may stand outside a transaction."""
    values = {
        "id": request_id,
        "client_id": client_id,
        "source": source,
        "ruleset": ruleset,
        "items": list(items),
        "autofix": autofix,
    }
    created_at = session.connection().execute(ADD, values).scalar_one()
    return Request(**values, state=State.PENDING, created_at=created_at)


FIND = select(
    Request.id,
    Request.state,
    Request.ruleset,
    Request.source,
    Request.reason,
    Request.created_at,
    Request.finished_at,
).where(Request.id == bindparam("wanted"), Request.client_id == bindparam("client"))


def find(session: Session, request_id: UUID, *, client_id: UUID) -> Request | None:
    """Return the request if there is one and it is this client's, else None. Its items are left out.

    A waiter looks again and again, and the items may be a megabyte that nobody reads.
    """
    row = session.connection().execute(FIND, {"wanted": request_id, "client": client_id}).first()
    return Request(**row._mapping) if row else None


CLAIM = (
    select(Request.id, Request.ruleset, Request.items, Request.autofix)
    .where(Request.id == bindparam("wanted"), Request.state == State.PENDING)
    .with_for_update(skip_locked=True)
)


def claim(session: Session, request_id: UUID) -> Request | None:
    """Return what is to be judged, its row locked until the transaction ends, if it is pending and nobody holds it."""
    row = session.connection().execute(CLAIM, {"wanted": request_id}).first()
    return Request(**row._mapping) if row else None


def state(session: Session, request_id: UUID) -> State | None:
    """Return where the request is, or None when there is none of this id."""
    found = session.scalar(select(Request.state).where(Request.id == request_id))
    return State(found) if found else None


def finish(session: Session, request_id: UUID) -> bool:
    """Return whether the request went from pending to done."""
    return _end(session, request_id, State.DONE, None)


def fail(session: Session, request_id: UUID, reason: str) -> bool:
    """Return whether the request went from pending to failed, for `reason`."""
    return _end(session, request_id, State.FAILED, reason)


END = (
    update(Request)
    .where(Request.id == bindparam("wanted"), Request.state == State.PENDING)
    .values(state=bindparam("end"), reason=bindparam("why"), finished_at=func.clock_timestamp())
    .returning(Request.id)
)


def _end(session: Session, request_id: UUID, end: State, reason: str | None) -> bool:
    ended = session.connection().execute(END, {"wanted": request_id, "end": end, "why": reason})
    return ended.first() is not None


def mark_sent(session: Session, request_ids: Sequence[UUID], *, epoch: str) -> None:
    """Remember that the messages of these requests were sent under `epoch`, where they are still pending."""
    session.execute(
        update(Request)
        .where(Request.id.in_(request_ids), Request.state == State.PENDING)
        .values(epoch=epoch, sent_at=func.clock_timestamp()),
        execution_options={"synchronize_session": False},
    )


def stranded(
    session: Session, *, epoch: str, unsent_after_ms: int, stale_after_ms: int | None, limit: int
) -> Sequence[UUID]:
    """Return up to `limit` pending requests whose message is lost or may be, oldest first, their rows locked.

    Lost: not known as sent although `unsent_after_ms` old, or sent in another life of the queue than `epoch`.
    May be: sent more than `stale_after_ms` ago in this very life, and still no answer; None leaves those alone.
    """
    now = func.clock_timestamp()
    reasons = [
        and_(Request.epoch.is_(None), Request.created_at < now - _ms(unsent_after_ms)),
        Request.epoch != epoch,
    ]
    if stale_after_ms is not None:
        reasons.append(Request.sent_at < now - _ms(stale_after_ms))
    return session.scalars(
        select(Request.id)
        .where(Request.state == State.PENDING, or_(*reasons))
        .order_by(Request.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()


def _ms(milliseconds: int) -> Any:
    return func.make_interval(0, 0, 0, 0, 0, 0, milliseconds / 1000)
