"""History: what one client has sent, newest first. Read only.

Newest is by id, which has the time when the request came in it. One whose commit took longer than another's may show up
behind it a moment later; whoever pages back meets what was there when he began, each once.

Those in a rare state are found without looking through the others: failed ones have an index of their own, pending ones
are in the one of all that are pending.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from app.models.requests import Request, State
from app.models.standings import Standing

#: In the order of a standing's fields.
SHOWN = (
    Request.id,
    Request.client_id,
    Request.state,
    Request.ruleset,
    Request.source,
    Request.created_at,
    Request.finished_at,
    Request.reason,
)


def newest(
    session: Session, client_id: UUID, *, state: State | None, ruleset: str | None, before: UUID | None, limit: int
) -> Sequence[Standing]:
    """Return up to `limit` requests of the client, newest first, without their outcomes.

    Only those in `state`, only those judged by `ruleset` (`fx_rate` is any version of it, `fx_rate@1` that one), only
    those older than `before`; None is no such limit.
    """
    query = wanted(client_id, state=state, ruleset=ruleset, before=before, limit=limit)
    return [Standing(*row) for row in session.execute(query)]


def wanted(
    client_id: UUID, *, state: State | None, ruleset: str | None, before: UUID | None, limit: int
) -> Select[*tuple[Any, ...]]:
    """Return the query for those requests."""
    query = select(*SHOWN).where(Request.client_id == client_id)
    if state is not None:
        query = query.where(Request.state == state)
    if ruleset is not None:
        exactly = Request.ruleset == ruleset
        query = query.where(exactly if "@" in ruleset else Request.ruleset.startswith(f"{ruleset}@", autoescape=True))
    if before is not None:
        query = query.where(Request.id < before)
    return query.order_by(Request.id.desc()).limit(limit)
