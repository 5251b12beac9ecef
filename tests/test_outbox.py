"""The outbox: what was sent is written down, but not while a worker may be about to take it."""

from collections.abc import Collection, Iterator
from uuid import UUID

import pytest
from sqlalchemy import Connection

from app import outbox
from app.database import Database
from app.errors import DatabaseAway
from app.models import requests
from app.models.base import new_id
from app.outbox import Outbox
from app.platform import Platform
from tests.processes import wait_for

#: What was written down at a time.
Written = list[list[UUID]]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Written:
    """What is written down from now on."""
    written: Written = []

    def note(_: Connection, request_ids: Collection[UUID], *, epoch: str) -> None:
        written.append(list(request_ids))

    monkeypatch.setattr(requests, "mark_sent", note)
    return written


@pytest.fixture
def quick(platform: Platform, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outbox]:
    """An outbox whose writer turns often."""
    monkeypatch.setattr(outbox, "PAUSE_S", 0.05)
    quick = Outbox(database, platform.epoch)
    quick.start()
    wait_for(lambda: quick.epoch is not None, what="the epoch")
    yield quick
    quick.close()


def test_what_was_sent_in_the_last_pause_is_left_to_the_workers(
    platform: Platform, database: Database, written: Written
) -> None:
    outbox, ids = Outbox(database, platform.epoch), [new_id() for _ in range(4)]
    outbox.sent([ids[0]], "first")
    outbox._turn()
    outbox.sent([ids[1]], "first")
    outbox.sent([ids[2]], "second")
    assert written == []

    outbox._turn()
    assert written == [ids[:1]]

    outbox.sent([ids[3]], "second")
    outbox.flush()
    assert written == [ids[:1], [ids[1]], [ids[2]], [ids[3]]]


def test_the_last_one_is_written_down_too(quick: Outbox, written: Written) -> None:
    first, second = new_id(), new_id()

    quick.sent([first], quick.epoch)
    wait_for(lambda: written == [[first]], what="the first")
    quick.sent([second], quick.epoch)
    wait_for(lambda: written == [[first], [second]], what="the second")


def test_what_was_sent_while_redis_did_not_tell_its_epoch_is_not_written_down(
    platform: Platform, database: Database, written: Written
) -> None:
    outbox = Outbox(database, platform.epoch)

    outbox.sent([new_id()], None)
    outbox.close()

    assert written == []


def test_a_database_that_is_away_costs_no_more_than_the_knowledge(
    platform: Platform, database: Database, monkeypatch: pytest.MonkeyPatch, written: Written
) -> None:
    def away(*_: object, **__: object) -> None:
        raise DatabaseAway("It is away.")

    outbox = Outbox(database, platform.epoch)
    with monkeypatch.context() as patch:
        patch.setattr(requests, "mark_sent", away)
        outbox.sent([new_id()], "first")
        outbox.flush()
    later = new_id()
    outbox.sent([later], "first")
    outbox.flush()

    assert written == [[later]]
