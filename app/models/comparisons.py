"""Comparisons: a draft, frozen as it was, tried on past requests, and what has come of it so far.

State goes `pending → running → done`, and from the first two to `failed` or `canceled`; every verb has the old state in
its WHERE. `step` numbers the changes: whoever comes with another number than the row's is late.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, Index, Integer, LargeBinary, Text, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import Mapped, Session, defer, mapped_column

from app.models.base import Base


class State(StrEnum):
    """Where a comparison is."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELED = "canceled"


#: The states that a comparison can still leave.
OPEN = (State.PENDING, State.RUNNING)


class Comparison(Base):
    """One comparison of a draft with the newest requests of its rule set."""

    __tablename__ = "comparisons"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'running', 'done', 'failed', 'canceled')", name="state"),
        Index("comparisons_open_idx", "ruleset", unique=True, postgresql_where=text("state IN ('pending', 'running')")),
        Index("comparisons_ruleset_id_idx", "ruleset", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    #: The rule set's name, without a version.
    ruleset: Mapped[str] = mapped_column(Text)
    #: Who started it. Examples are of this client's own requests and shown to nobody else.
    client_id: Mapped[UUID]
    #: The draft as it was, the SHA-256 of its canonical JSON, and the reference-table versions it is judged with.
    definition: Mapped[dict[str, Any]] = mapped_column(JSONB)
    content_hash: Mapped[bytes] = mapped_column(LargeBinary)
    tables: Mapped[dict[str, int]] = mapped_column(JSONB)
    #: The newest published version at that time (`fx_rate@3`), None when nothing is published yet.
    baseline: Mapped[str | None] = mapped_column(Text)
    #: How many requests were asked for.
    asked: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(Text, server_default=State.PENDING)
    #: Why it failed, when the state is `failed`.
    reason: Mapped[str | None] = mapped_column(Text)
    #: Steps taken so far.
    step: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    #: Every request with a smaller id is still to be looked at; the comparison's own id at first, so that only
    #: requests which came before it count.
    cursor: Mapped[UUID]
    #: Requests to be compared: `asked` at most, exact once it is done. Of these, `seen` have been compared.
    total: Mapped[int] = mapped_column(Integer)
    seen: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    #: Items whose verdict would become invalid, or valid, or stay the same with other findings.
    to_invalid: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    to_valid: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    otherwise: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    #: Items on which a rule of the draft failed to evaluate.
    errors: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    #: What `app.rules.flips.Tally` holds: bounded.
    result: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default=text("'{}'"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("clock_timestamp()"))
    started_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    #: When it was last moved on: one that stands still has lost its message.
    moved_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("clock_timestamp()"))
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


def add(
    session: Session,
    *,
    comparison_id: UUID,
    ruleset: str,
    client_id: UUID,
    definition: Mapping[str, Any],
    content_hash: bytes,
    tables: Mapping[str, int],
    baseline: str | None,
    asked: int,
) -> bool:
    """Return whether the comparison was added, pending: not when the rule set has one that is not over."""
    added = session.execute(
        insert(Comparison)
        .values(
            id=comparison_id,
            ruleset=ruleset,
            client_id=client_id,
            definition=dict(definition),
            content_hash=content_hash,
            tables=dict(tables),
            baseline=baseline,
            asked=asked,
            cursor=comparison_id,
            total=asked,
        )
        .on_conflict_do_nothing(index_elements=["ruleset"], index_where=Comparison.state.in_(OPEN))
        .returning(Comparison.id)
    )
    return added.first() is not None


def claim(session: Session, comparison_id: UUID, *, step: int) -> Comparison | None:
    """Return the comparison, its row locked until the transaction ends, if `step` is the next one and nobody takes it.

    Its definition is left out: it is large, and most steps find it compiled.
    """
    return session.scalar(
        select(Comparison)
        .where(Comparison.id == comparison_id, Comparison.state.in_(OPEN), Comparison.step == step)
        .options(defer(Comparison.definition))
        .with_for_update(skip_locked=True)
    )


def start(session: Session, comparison_id: UUID, *, total: int) -> bool:
    """Return whether the comparison went from pending to running, with so many requests to compare."""
    return _move(
        session, comparison_id, (State.PENDING,), state=State.RUNNING, total=total, started_at=func.clock_timestamp()
    )


def advance(
    session: Session,
    comparison_id: UUID,
    *,
    cursor: UUID,
    seen: int,
    to_invalid: int,
    to_valid: int,
    otherwise: int,
    errors: int,
    result: Mapping[str, Any],
) -> bool:
    """Return whether the comparison was running; its counters are these now, and `cursor` says where it goes on."""
    return _move(
        session,
        comparison_id,
        (State.RUNNING,),
        cursor=cursor,
        seen=seen,
        # Requests that were pending when the total was counted may have been done since.
        total=func.greatest(Comparison.total, seen),
        to_invalid=to_invalid,
        to_valid=to_valid,
        otherwise=otherwise,
        errors=errors,
        result=dict(result),
    )


def finish(session: Session, comparison_id: UUID) -> bool:
    """Return whether the comparison went from running to done; what it has seen is the total."""
    return _end(session, comparison_id, (State.RUNNING,), State.DONE, total=Comparison.seen)


def fail(session: Session, comparison_id: UUID, reason: str) -> bool:
    """Return whether the comparison was open and has failed now, for `reason`."""
    return _end(session, comparison_id, OPEN, State.FAILED, reason=reason)


def cancel(session: Session, comparison_id: UUID) -> bool:
    """Return whether the comparison was open and is canceled now. Waits for a step that is being taken."""
    return _end(session, comparison_id, OPEN, State.CANCELED)


def find(session: Session, ruleset: str, comparison_id: UUID) -> Comparison | None:
    """Return the rule set's comparison of this id, if there is one. Its definition is left out."""
    return session.scalar(
        select(Comparison)
        .where(Comparison.id == comparison_id, Comparison.ruleset == ruleset)
        .options(defer(Comparison.definition))
        # Verbs change rows behind the session's back.
        .execution_options(populate_existing=True)
    )


def newest(session: Session, ruleset: str, *, before: UUID | None, limit: int) -> Sequence[Comparison]:
    """Return up to `limit` comparisons of the rule set, newest first, those older than `before` if that is given.

    Definition and result are left out.
    """
    query = select(Comparison).where(Comparison.ruleset == ruleset)
    if before is not None:
        query = query.where(Comparison.id < before)
    query = query.options(defer(Comparison.definition), defer(Comparison.result))
    return session.scalars(query.order_by(Comparison.id.desc()).limit(limit)).all()


def definition(session: Session, comparison_id: UUID) -> dict[str, Any]:
    """Return the draft that the comparison froze."""
    return dict(session.execute(select(Comparison.definition).where(Comparison.id == comparison_id)).scalar_one())


def stranded(session: Session, *, after_ms: int, limit: int) -> Sequence[tuple[UUID, int]]:
    """Return up to `limit` open comparisons that have not moved for so long, each with its next step, oldest first."""
    still = func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, after_ms / 1000)
    rows = session.execute(
        select(Comparison.id, Comparison.step)
        .where(Comparison.state.in_(OPEN), Comparison.moved_at < still)
        .order_by(Comparison.id)
        .limit(limit)
    )
    return [(row.id, row.step) for row in rows]


def forget(session: Session, *, days: int, limit: int) -> int:
    """Return how many comparisons, `limit` at most, are gone: those that ended more than `days` ago."""
    old = func.clock_timestamp() - func.make_interval(0, 0, 0, days)
    ids = select(Comparison.id).where(Comparison.finished_at < old).order_by(Comparison.id).limit(limit)
    gone = session.execute(
        delete(Comparison).where(Comparison.id.in_(ids)).returning(Comparison.id),
        execution_options={"synchronize_session": False},
    )
    return len(gone.all())


def _end(session: Session, comparison_id: UUID, old: Sequence[State], end: State, **values: Any) -> bool:
    return _move(session, comparison_id, old, state=end, finished_at=func.clock_timestamp(), **values)


def _move(session: Session, comparison_id: UUID, old: Sequence[State], **values: Any) -> bool:
    moved = session.execute(
        update(Comparison)
        .where(Comparison.id == comparison_id, Comparison.state.in_(old))
        .values(step=Comparison.step + 1, moved_at=func.clock_timestamp(), **values)
        .returning(Comparison.id),
        execution_options={"synchronize_session": False},
    )
    return moved.first() is not None
