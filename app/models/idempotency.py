"""Idempotency keys: what a client's key stands for, so that a request which is sent twice is done once.

A key is claimed in the transaction that makes what it stands for: there is never the one without the other. It belongs
to one client and one route, and is forgotten after a while.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import DateTime, LargeBinary, Text, delete, func, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.errors import IdempotencyKeyBusy, IdempotencyKeyReused
from app.models.base import Base

#: Old keys that one statement removes at most: its row locks are soon gone again.
FORGOTTEN_AT_ONCE = 5_000


class IdempotencyKey(Base):
    """A key that a client has used on a route, and what was made for it."""

    __tablename__ = "idempotency_keys"

    client_id: Mapped[UUID] = mapped_column(primary_key=True)
    #: Method and path.
    route: Mapped[str] = mapped_column(Text, primary_key=True)
    #: The key itself.
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    #: SHA-256 of what was sent with it.
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    #: What was made.
    made_id: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("clock_timestamp()"), index=True
    )


@dataclass(frozen=True)
class Key:
    """A key as it came with a request."""

    client_id: UUID
    route: str
    name: str
    #: SHA-256 of what was sent with it.
    digest: bytes
    #: How long it stands for what is made now.
    kept: timedelta


# Without the lock the insert would wait for another transaction that is at it, and the caller with it.
LOOK = text(
    """
    SELECT known.digest, known.made_id,
        CASE WHEN known.made_id IS NULL THEN pg_try_advisory_xact_lock(hashtextextended(:lock, 0)) END AS is_ours
    FROM (SELECT) AS one
    LEFT JOIN idempotency_keys AS known
        ON (known.client_id, known.route, known.name) = (:client_id, :route, :name)
        AND known.created_at >= clock_timestamp() - :kept
    """
)


def claim(session: Session, key: Key, made_id: UUID) -> UUID:
    """Return what the key stands for: `made_id` when it is new, else what was made when it was.

    The transaction that claims a key makes what it stands for, and the key with it.

    Raises:
        IdempotencyKeyBusy: another transaction is claiming it right now.
        IdempotencyKeyReused: it stands for something that was made of another body.
    """
    identity = {"client_id": key.client_id, "route": key.route, "name": key.name}
    # A lock that two keys happen to share would only make one of them come again.
    lock = f"{key.client_id} {key.route} {key.name}"
    known = session.execute(LOOK, {**identity, "kept": key.kept, "lock": lock}).one()
    if known.made_id is not None:
        return _same(known.made_id, known.digest, key)
    if not known.is_ours:
        raise IdempotencyKeyBusy("A request with this Idempotency-Key is being worked on.")
    values = {"digest": key.digest, "made_id": made_id, "created_at": func.clock_timestamp()}
    claimed = session.scalar(
        insert(IdempotencyKey)
        .values(**identity, **values)
        .on_conflict_do_update(
            constraint="idempotency_keys_pkey",
            set_=values,
            where=IdempotencyKey.created_at < func.clock_timestamp() - key.kept,
        )
        .returning(IdempotencyKey.made_id)
    )
    if claimed is None:  # Another transaction got there between the two statements, and is through.
        raise IdempotencyKeyBusy("A request with this Idempotency-Key has just been worked on.")
    return made_id


def forget(session: Session, *, kept: timedelta) -> int:
    """Return how many keys that are older than `kept` were removed: some of them, when there are very many."""
    identity = (IdempotencyKey.client_id, IdempotencyKey.route, IdempotencyKey.name)
    old = (
        select(*identity)
        .where(IdempotencyKey.created_at < func.clock_timestamp() - kept)
        .order_by(IdempotencyKey.created_at)
        .limit(FORGOTTEN_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    removed = session.execute(
        delete(IdempotencyKey).where(tuple_(*identity).in_(old)).returning(IdempotencyKey.made_id),
        execution_options={"synchronize_session": False},
    )
    return len(removed.all())


def _same(made_id: UUID, digest: bytes, key: Key) -> UUID:
    if digest != key.digest:
        raise IdempotencyKeyReused("This Idempotency-Key has been sent with another body.")
    return made_id
