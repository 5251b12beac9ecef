"""Rescue: what Redis lost is sent again, and only that."""

from uuid import UUID

import pytest
import redis
from dramatiq import BrokerConnectionError
from dramatiq.errors import ConnectionClosed

from app import bare, messages
from app.database import Database
from app.models import requests
from app.models.base import new_id
from app.models.requests import State
from app.platform import Platform
from app.redis import connect, epoch_key
from app.rescue import BATCH, rescue
from app.settings import Settings
from tests.models.test_requests import end
from tests.processes import wait_for


def accept(platform: Platform) -> UUID:
    """Return the id of a new request."""
    request_id = new_id()
    platform.intake.accept(request_id, client_id=new_id(), source="api", ruleset="fx_rate", items=[{}])
    return request_id


def store(database: Database, number: int) -> None:
    """Commit requests that nobody sends: their process died right then."""
    with database.transaction() as session:
        for _ in range(number):
            requests.add(bare.of(session), [requests.New(new_id(), new_id(), "api", "fx_rate@1", [{}])])


@pytest.fixture
def client(settings: Settings) -> redis.Redis:
    """A direct way to Redis."""
    return connect(settings.redis_url, read_timeout_s=5)


def run(platform: Platform, settings: Settings) -> int:
    """Run the rescue as the actor does."""
    return rescue(
        platform.database,
        platform.broker,
        epoch=platform.epoch.read(),
        depth=platform.epoch.depth(),
        settings=settings,
    )


def wait_until_old(database: Database, settings: Settings, number: int) -> None:
    """Wait until so many requests are older than an unsent one may get."""

    def unsent() -> bool:
        with database.transaction() as session:
            found = requests.stranded(
                session, epoch="", unsent_after_ms=settings.rescue_after_ms, stale_after_ms=None, limit=number
            )
        return len(found) == number

    wait_for(unsent, what="the age of unsent requests")


def test_a_request_that_nobody_sent_is_sent_once(platform: Platform, settings: Settings, database: Database) -> None:
    store(database, 1)
    wait_until_old(database, settings, 1)

    assert run(platform, settings) == 1
    assert run(platform, settings) == 0
    assert platform.epoch.depth() == 1


def test_a_young_request_is_left_to_its_own_process(platform: Platform, settings: Settings, database: Database) -> None:
    store(database, 1)

    assert run(platform, settings) == 0


def test_a_request_in_the_queue_is_left_there(platform: Platform, settings: Settings) -> None:
    accept(platform)
    platform.outbox.flush()

    assert run(platform, settings) == 0


def test_an_emptied_redis_has_everything_sent_again(
    platform: Platform, settings: Settings, client: redis.Redis
) -> None:
    wait_for(lambda: platform.outbox.epoch is not None, what="the epoch")
    for _ in range(3):
        accept(platform)
    platform.outbox.flush()
    client.delete(epoch_key(settings.redis_namespace, messages.VALIDATION_REQUESTS))
    client.delete(platform.broker.keys(messages.VALIDATION_REQUESTS).stream)

    assert run(platform, settings) == 3
    assert run(platform, settings) == 0
    assert platform.epoch.depth() == 3


def test_more_than_a_batch_is_sent_in_one_run(platform: Platform, settings: Settings, database: Database) -> None:
    store(database, BATCH + 5)
    wait_until_old(database, settings, BATCH + 5)

    assert run(platform, settings) == BATCH + 5


def test_a_batch_that_cannot_be_sent_stays_as_it_was(
    platform: Platform, settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(database, 2)
    wait_until_old(database, settings, 2)

    def away(*_: object, **__: object) -> None:
        raise ConnectionClosed("away")  # type: ignore[no-untyped-call]  # theirs

    with monkeypatch.context() as patched:
        patched.setattr(platform.broker, "enqueue", away)
        with pytest.raises(BrokerConnectionError):
            run(platform, settings)

    assert run(platform, settings) == 2


def test_an_ended_request_is_never_sent_again(platform: Platform, settings: Settings, database: Database) -> None:
    request_id = accept(platform)
    with database.transaction() as session:
        end(session, request_id)
        assert requests.states(session.connection(), [request_id]) == {request_id: State.DONE}

    assert run(platform, settings) == 0


def test_the_epoch_stays_as_long_as_redis_keeps_its_data(platform: Platform, client: redis.Redis) -> None:
    first = platform.epoch.read()

    assert platform.epoch.read() == first

    client.delete(epoch_key(platform.settings.redis_namespace, messages.VALIDATION_REQUESTS))
    assert platform.epoch.read() != first
