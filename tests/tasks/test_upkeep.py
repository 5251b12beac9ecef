"""Upkeep: what has had its time goes, what has not stays."""

from datetime import timedelta

from dramatiq import Worker
from sqlalchemy import func, select, update

from app import messages
from app.database import Database
from app.models import idempotency
from app.models.base import new_id
from app.models.idempotency import IdempotencyKey, Key
from app.platform import Platform
from tests.processes import wait_for


def names(database: Database) -> set[str]:
    """Return the idempotency keys there are."""
    with database.transaction() as session:
        return set(session.scalars(select(IdempotencyKey.name)))


def test_idempotency_keys_are_removed_once_their_time_is_over(
    database: Database, platform: Platform, running_worker: Worker
) -> None:
    client_id, kept = new_id(), timedelta(hours=platform.settings.idempotency_keys_kept_h)
    with database.transaction() as session:
        for name in ("old", "young"):
            idempotency.claim(session, Key(client_id, "route", name, b"", kept), new_id())
        old = update(IdempotencyKey).where(IdempotencyKey.name == "old")
        session.execute(old.values(created_at=func.clock_timestamp() - kept - timedelta(seconds=1)))

    platform.broker.enqueue(messages.forget_keys())

    wait_for(lambda: names(database) == {"young"})
