"""Requests: states go one way, once, and a lost message is found by its epoch."""

from datetime import datetime
from uuid import UUID

import pytest
from sqlalchemy import exc, text
from sqlalchemy.orm import Session

from app import bare
from app.database import Database
from app.models import requests, responses, standings
from app.models.base import new_id
from app.models.requests import State


def add_request(database: Database, *, client_id: UUID | None = None) -> UUID:
    """Return the id of a new pending request."""
    request_id = new_id()
    with database.transaction() as session:
        new = requests.New(request_id, client_id or new_id(), "api", "fx_rate@1", [{"rate": "1"}])
        requests.add(bare.of(session), [new])
    return request_id


def end(session: Session, request_id: UUID) -> dict[UUID, datetime]:
    """Return when the request was ended with the verdict that nothing is wrong, empty if it was over."""
    verdict = responses.New(request_id, responses.Verdict.VALID, 1, [], 0, 0.5, {}, None)
    return responses.record(bare.of(session), [verdict], [])


def stranded(
    database: Database, *, epoch: str, unsent_after_ms: int = 0, stale_after_ms: int | None = None
) -> list[UUID]:
    """Return what counts as stranded."""
    with database.transaction() as session:
        found = requests.stranded(
            session, epoch=epoch, unsent_after_ms=unsent_after_ms, stale_after_ms=stale_after_ms, limit=10
        )
        return list(found)


def test_a_request_is_found_with_the_client_it_belongs_to(database: Database) -> None:
    mine = new_id()
    request_id = add_request(database, client_id=mine)

    with database.connection() as connection:
        found = standings.read(connection, [request_id, new_id()])

    assert {key: standing.client_id for key, standing in found.items()} == {request_id: mine}
    assert (found[request_id].state, found[request_id].outcome) == (State.PENDING, None)


def test_a_request_ends_once(database: Database) -> None:
    request_id = add_request(database)

    with database.transaction() as session:
        assert end(session, request_id).keys() == {request_id}
        assert end(session, request_id).keys() == set()
        assert not requests.fail(session, request_id, "too late")

    with database.connection() as connection:
        assert requests.states(connection, [request_id]) == {request_id: State.DONE}
        assert connection.exec_driver_sql("SELECT count(*) FROM validation_responses").scalar_one() == 1


def test_a_claimed_request_is_nobody_elses(database: Database) -> None:
    request_id, free = add_request(database), add_request(database)

    with database.transaction() as first, database.transaction() as second:
        mine = requests.claim(bare.of(first), [request_id])
        theirs = requests.claim(bare.of(second), [request_id, free])

    assert [request.id for request in mine] == [request_id]
    assert [request.id for request in theirs] == [free]


def test_an_ended_request_cannot_be_claimed(database: Database) -> None:
    request_id = add_request(database)

    with database.transaction() as session:
        requests.fail(session, request_id, "no")

    with database.transaction() as session:
        assert requests.claim(bare.of(session), [request_id]) == []


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
        requests.mark_sent(session.connection(), [request_id], epoch="one")

    assert stranded(database, epoch="one") == []
    assert stranded(database, epoch="two") == [request_id]


def test_age_strands_a_sent_request_only_when_asked(database: Database) -> None:
    request_id = add_request(database)
    with database.transaction() as session:
        requests.mark_sent(session.connection(), [request_id], epoch="one")

    assert stranded(database, epoch="one", stale_after_ms=60_000) == []
    assert stranded(database, epoch="one", stale_after_ms=0) == [request_id]


def test_an_ended_request_is_never_stranded(database: Database) -> None:
    request_id = add_request(database)
    with database.transaction() as session:
        end(session, request_id)

    assert stranded(database, epoch="two") == []


def test_two_rescuers_never_take_the_same_request(database: Database) -> None:
    add_request(database)

    with database.transaction() as first, database.transaction() as second:
        taken = requests.stranded(first, epoch="x", unsent_after_ms=0, stale_after_ms=None, limit=10)
        left = requests.stranded(second, epoch="x", unsent_after_ms=0, stale_after_ms=None, limit=10)

    assert len(taken) == 1
    assert left == []
