"""Requests: states go one way, once, and a lost message is found by its epoch."""

from uuid import UUID

import pytest
from sqlalchemy import exc, text

from app.database import Database
from app.models import requests
from app.models.base import new_id
from app.models.requests import State


def add_request(database: Database, *, client_id: UUID | None = None) -> UUID:
    """Return the id of a new pending request."""
    request_id = new_id()
    with database.transaction() as session:
        requests.add(
            session,
            request_id=request_id,
            client_id=client_id or new_id(),
            source="api",
            ruleset="fx_rate@1",
            items=[{"rate": "1"}],
        )
    return request_id


def stranded(
    database: Database, *, epoch: str, unsent_after_ms: int = 0, stale_after_ms: int | None = None
) -> list[UUID]:
    """Return what counts as stranded."""
    with database.transaction() as session:
        found = requests.stranded(
            session, epoch=epoch, unsent_after_ms=unsent_after_ms, stale_after_ms=stale_after_ms, limit=10
        )
        return list(found)


def test_a_request_is_found_by_its_own_client_only(database: Database) -> None:
    mine = new_id()
    request_id = add_request(database, client_id=mine)

    with database.transaction() as session:
        assert requests.find(session, request_id, client_id=mine) is not None
        assert requests.find(session, request_id, client_id=new_id()) is None


def test_a_request_ends_once(database: Database) -> None:
    request_id = add_request(database)

    with database.transaction() as session:
        assert requests.finish(session, request_id)
        assert not requests.finish(session, request_id)
        assert not requests.fail(session, request_id, "too late")

    with database.transaction() as session:
        assert requests.state(session, request_id) is State.DONE


def test_a_claimed_request_is_nobody_elses(database: Database) -> None:
    request_id = add_request(database)

    with database.transaction() as first, database.transaction() as second:
        mine = requests.claim(first, request_id)
        theirs = requests.claim(second, request_id)

    assert mine is not None
    assert theirs is None


def test_an_ended_request_cannot_be_claimed(database: Database) -> None:
    request_id = add_request(database)

    with database.transaction() as session:
        requests.fail(session, request_id, "no")

    with database.transaction() as session:
        assert requests.claim(session, request_id) is None


def test_a_state_that_does_not_exist_is_refused_by_the_database(database: Database) -> None:
    request_id = add_request(database)

    with pytest.raises(exc.IntegrityError), database.transaction() as session:
        session.execute(text("UPDATE validation_requests SET state = 'lost' WHERE id = :id"), {"id": request_id})


def test_a_request_not_known_as_sent_is_stranded_once_it_is_old_enough(database: Database) -> None:
    request_id = add_request(database)

    assert stranded(database, epoch="one", unsent_after_ms=60_000) == []
    assert stranded(database, epoch="one") == [request_id]


def test_a_request_sent_in_this_epoch_is_not_stranded_and_in_another_it_is(database: Database) -> None:
    request_id = add_request(database)
    with database.transaction() as session:
        requests.mark_sent(session, [request_id], epoch="one")

    assert stranded(database, epoch="one") == []
    assert stranded(database, epoch="two") == [request_id]


def test_age_strands_a_sent_request_only_when_asked(database: Database) -> None:
    request_id = add_request(database)
    with database.transaction() as session:
        requests.mark_sent(session, [request_id], epoch="one")

    assert stranded(database, epoch="one", stale_after_ms=60_000) == []
    assert stranded(database, epoch="one", stale_after_ms=0) == [request_id]


def test_an_ended_request_is_never_stranded(database: Database) -> None:
    request_id = add_request(database)
    with database.transaction() as session:
        requests.finish(session, request_id)

    assert stranded(database, epoch="two") == []


def test_two_rescuers_never_take_the_same_request(database: Database) -> None:
    add_request(database)

    with database.transaction() as first, database.transaction() as second:
        taken = requests.stranded(first, epoch="x", unsent_after_ms=0, stale_after_ms=None, limit=10)
        left = requests.stranded(second, epoch="x", unsent_after_ms=0, stale_after_ms=None, limit=10)

    assert len(taken) == 1
    assert left == []
