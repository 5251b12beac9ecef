"""The past: requests that were judged, newest first, with what was found then. Read only.

Nothing indexes requests by their rule set: that would cost every request something, for a question asked once a day. So
the ledger is looked through backwards by its key, a bounded stretch at a time, however few of the rows are wanted.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from app.models.findings import StoredFinding
from app.models.requests import Request, State
from app.models.responses import Response
from app.rules import Severity
from app.rules.flips import Mark

#: What a finding weighs in memory, compared with a byte of an item.
FINDING_BYTES = 500


@dataclass(frozen=True, slots=True)
class Judged:
    """One request that was judged."""

    id: UUID
    client_id: UUID
    #: The version that judged it: `fx_rate@1`.
    ruleset: str
    items: Sequence[Any]
    #: Whether, and how, items were corrected before they were judged.
    autofix: str | None
    #: By the item's position: what was found then.
    found: Mapping[int, Sequence[Mark]]


def of(name: str) -> ColumnElement[bool]:
    """Return the condition that a request was judged by a version of the rule set `name`."""
    return (Request.state == State.DONE) & (func.split_part(Request.ruleset, "@", 1) == name)


def floor(session: Session, before: UUID, *, rows: int) -> UUID | None:
    """Return the id of the oldest of the `rows` requests that came right before `before`, None if there are fewer."""
    query = select(Request.id).where(Request.id < before).order_by(Request.id.desc())
    return session.scalar(query.offset(rows - 1).limit(1))


def count(session: Session, name: str, *, before: UUID, most: int, rows: int) -> int | None:
    """Return how many requests came before `before`, at most `most`; None if that takes more than `rows` rows."""
    span = (
        select(of(name).label("wanted")).where(Request.id < before).order_by(Request.id.desc()).limit(rows).subquery()
    )
    looked, wanted = session.execute(select(func.count(), func.count().filter(span.c.wanted)).select_from(span)).one()
    if wanted < most and looked == rows:
        return None
    return int(min(wanted, most))


def listed(
    session: Session, name: str, *, before: UUID, down_to: UUID | None, limit: int
) -> Sequence[tuple[UUID, int]]:
    """Return up to `limit` requests before `before`, newest first: each id, and about how many bytes it will take.

    `down_to` is the smallest id to look at, None to look at all that are left.
    """
    query = (
        select(Request.id, func.pg_column_size(Request.items), Response.finding_count)
        .join(Response, Response.request_id == Request.id)
        # Said of both sides, or PostgreSQL may read every response there is.
        .where(of(name), Request.id < before, Response.request_id < before)
    )
    if down_to is not None:
        query = query.where(Request.id >= down_to, Response.request_id >= down_to)
    rows = session.execute(query.order_by(Request.id.desc()).limit(limit))
    return [(request_id, size + FINDING_BYTES * findings) for request_id, size, findings in rows]


def read(session: Session, request_ids: Sequence[UUID]) -> Sequence[Judged]:
    """Return these requests with what was found then, newest first."""
    found: defaultdict[UUID, defaultdict[int, list[Mark]]] = defaultdict(lambda: defaultdict(list))
    marks = session.execute(
        select(
            StoredFinding.request_id,
            StoredFinding.item,
            StoredFinding.code,
            StoredFinding.severity,
            StoredFinding.pointer,
        )
        .where(StoredFinding.request_id.in_(request_ids))
        .order_by(StoredFinding.request_id, StoredFinding.position)
    )
    for request_id, item, code, severity, pointer in marks:
        found[request_id][item].append(Mark(code, cast(Severity, severity), pointer))
    requests = session.execute(
        select(Request.id, Request.client_id, Request.ruleset, Request.items, Request.autofix)
        .where(Request.id.in_(request_ids))
        .order_by(Request.id.desc())
    )
    return [Judged(**row._mapping, found=found[row.id]) for row in requests]
