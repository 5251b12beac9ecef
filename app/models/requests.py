"""Requests: the ledger of what was accepted. A row here is the promise that an answer will come.

State goes `pending → done | failed`, once; every verb has the old state in its WHERE. `epoch` is not state: it only
remembers under which life of the queue the row's message is known to have been sent (see `app.rescue`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from sqlalchemy import CheckConstraint, Connection, DateTime, Index, Text, and_, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, mapped_column

from app import json
from app.models.base import Base, array
from app.statements import Statement, jsonb, moment, uuid


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
        # Those that it looks for. Few fail, and what does not fail is not in it.
        Index("validation_requests_failed_idx", "client_id", "id", postgresql_where=text("state = 'failed'")),
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


@dataclass(frozen=True)  # Without slots orjson reads it in half the time.
class New:
    """A request that is to be accepted."""

    id: UUID
    client_id: UUID
    source: str
    #: Version included.
    ruleset: str
    items: Sequence[Any]
    autofix: Autofix | None = None


# One parameter in place of one list for each column: arrays cost the driver more than all the rest.
ADD = Statement(
    "add",
    """
    INSERT INTO validation_requests (id, client_id, source, ruleset, items, autofix)
    SELECT * FROM json_to_recordset($1::json)
        AS row (id uuid, client_id uuid, source text, ruleset text, items jsonb, autofix text)
    RETURNING id, created_at
    """,
    *(uuid, moment),
)


def add(connection: psycopg.Connection[Any], rows: Sequence[New]) -> dict[UUID, datetime]:
    """Return when each of these requests was made: all pending and not yet sent.

    One statement, so that it may stand outside a transaction.
    """
    return dict(ADD.run(connection, json.dumps(rows)))


class Claimed(NamedTuple):
    """A request that is to be judged."""

    id: UUID
    client_id: UUID
    source: str
    ruleset: str
    items: Sequence[Any]
    autofix: str | None
    created_at: datetime


#: Clients are few, and each has many requests.
_client_id = lru_cache(1_000)(uuid)

# In the order of the key, so that two who claim the same rows cannot wait for each other.
CLAIM = Statement(
    "claim",
    """
    SELECT id, client_id, source, ruleset, items, autofix, created_at FROM validation_requests
    WHERE id = ANY($1::uuid[]) AND state = 'pending' ORDER BY id FOR UPDATE SKIP LOCKED
    """,
    *(bytes, _client_id, bytes.decode, bytes.decode, jsonb, bytes.decode, moment),
)


def claim(connection: psycopg.Connection[Any], request_ids: Iterable[UUID]) -> Sequence[Claimed]:
    """Return those that are pending and that nobody holds, their rows locked until the transaction ends."""
    wanted = {each.bytes: each for each in request_ids}
    return [Claimed(wanted[key], *row) for key, *row in CLAIM.run(connection, array(wanted.values()))]


STATES = "SELECT id, state FROM validation_requests WHERE id = ANY(%(wanted)s::uuid[])"


def states(connection: Connection, request_ids: Iterable[UUID]) -> dict[UUID, State]:
    """Return where these requests are; those that there are not are left out."""
    rows = connection.exec_driver_sql(STATES, {"wanted": array(request_ids)})
    return {request_id: State(state) for request_id, state in rows}


def fail(session: Session, request_id: UUID, reason: str) -> bool:
    """Return whether the request went from pending to failed, for `reason`."""
    failed = session.execute(
        update(Request)
        .where(Request.id == request_id, Request.state == State.PENDING)
        .values(state=State.FAILED, reason=reason, finished_at=func.clock_timestamp())
        .returning(Request.id),
        execution_options={"synchronize_session": False},
    )
    return failed.first() is not None


SENT = """
UPDATE validation_requests SET epoch = %(epoch)s, sent_at = clock_timestamp()
WHERE id = ANY(%(wanted)s::uuid[]) AND state = 'pending'
"""


def mark_sent(connection: Connection, request_ids: Iterable[UUID], *, epoch: str) -> None:
    """Remember that the messages of these requests were sent under `epoch`, where they are still pending."""
    connection.exec_driver_sql(SENT, {"wanted": array(request_ids), "epoch": epoch})


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
