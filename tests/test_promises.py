"""The promises, kept while the bad thing is done for real: a 202 is answered once, whatever dies."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from sqlalchemy import text

from app.database import Database
from app.settings import Settings
from ops.embedded import RedisServer
from tests.factories import issue_token
from tests.processes import Clock, Web, Worker, environment, together, wait_for
from tests.proxy import Proxy

ITEM = {"date": "2026-11-20", "base": "EUR", "quote": "USD", "rate": "1.0842", "source": "ECB"}
#: Far above what recovery takes by default (a dead worker's lease and the sweep after it).
ANSWER_TIMEOUT_S = 60.0


@pytest.fixture
def settings(settings: Settings, own_redis: RedisServer) -> Settings:
    """Settings for a Redis of this test's own."""
    return replace(settings, redis_url=own_redis.url)


@pytest.fixture
def client(database: Database) -> Iterator[httpx.Client]:
    """An HTTP client with a token for everything that a validation needs."""
    with httpx.Client(headers={"Authorization": f"Bearer {issue_token(database)}"}, timeout=40) as client:
        yield client


@pytest.fixture
def answered(client: httpx.Client) -> Callable[[Web, list[str]], list[dict[str, Any]]]:
    """Return the answers at these locations, each long-polled until it is there."""

    def poll(web: Web, locations: list[str]) -> list[dict[str, Any]]:
        deadline = time.monotonic() + ANSWER_TIMEOUT_S
        answers = []
        for location in locations:
            while True:
                reply = client.get(f"{web.url}{location}/result", params={"wait": 20})
                if reply.status_code == 200:
                    answers.append(reply.json())
                    break
                assert reply.status_code == 202, reply.text
                assert time.monotonic() < deadline, f"{location} was never answered"
        return answers

    return poll


def post(client: httpx.Client, web: Web) -> str:
    """Return the location of a new validation."""
    reply = client.post(f"{web.url}/api/validation/validate", json={"ruleset": "fx_rate", "item": ITEM})
    assert reply.status_code == 202, reply.text
    return reply.headers["Location"]


def verdicts(database: Database) -> int:
    """Return how many verdict rows there are."""
    with database.transaction() as session:
        count: int = session.execute(text("SELECT count(*) FROM validation_responses")).scalar_one()
        return count


def test_a_worker_killed_in_the_middle_of_its_work_loses_nothing(
    settings: Settings, database: Database, client: httpx.Client, tmp_path: Path, answered: Any
) -> None:
    env = environment(settings)
    web, doomed = Web(env, tmp_path), Worker(env, tmp_path)
    with together(web, doomed):
        with database.transaction() as session:
            # A verdict cannot be written while this lock is held: the worker is stopped between claim and commit.
            session.execute(text("LOCK TABLE validation_responses IN EXCLUSIVE MODE"))
            locations = [post(client, web) for _ in range(20)]
            wait_for(lambda: blocked_workers(database) > 0, what="a worker in the middle of its work")
            doomed.kill()

        assert verdicts(database) == 0
        with Worker(env, tmp_path):
            answers = answered(web, locations)

    assert [answer["verdict"] for answer in answers] == ["valid"] * 20
    assert verdicts(database) == 20


def blocked_workers(database: Database) -> int:
    """Return how many worker connections wait for a lock."""
    with database.transaction() as session:
        count: int = session.execute(
            text(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'rate-worker'"
                " AND wait_event_type = 'Lock' AND datname = current_database()"
            )
        ).scalar_one()
        return count


def test_a_web_process_killed_between_commit_and_send_loses_nothing(
    settings: Settings, database: Database, client: httpx.Client, tmp_path: Path, own_redis: RedisServer, answered: Any
) -> None:
    env = environment(settings)
    with Proxy(own_redis.port) as proxy:
        away = environment(replace(settings, redis_url=f"redis://127.0.0.1:{proxy.port}/0"))
        with Web(away, tmp_path) as doomed:
            proxy.swallow()
            with (
                pytest.raises(httpx.TransportError),
                httpx.stream(
                    "POST",
                    f"{doomed.url}/api/validation/validate",
                    json={"ruleset": "fx_rate", "item": ITEM},
                    headers=client.headers,
                    timeout=0.5,
                ),
            ):
                pass
            wait_for(lambda: len(pending(database)) == 1, what="the commit")
            doomed.kill()

    [request_id] = pending(database)
    web, worker, clock = Web(env, tmp_path), Worker(env, tmp_path), Clock(env, tmp_path)
    with together(web, worker, clock):
        [answer] = answered(web, [f"/api/validation/requests/{request_id}"])

    assert answer["verdict"] == "valid"
    assert verdicts(database) == 1


def pending(database: Database) -> list[str]:
    """Return the ids of all requests that wait."""
    with database.transaction() as session:
        rows = session.execute(text("SELECT id FROM validation_requests WHERE state = 'pending'"))
        return [str(request_id) for request_id in rows.scalars()]


def test_a_redis_that_is_emptied_loses_nothing(
    settings: Settings, database: Database, client: httpx.Client, tmp_path: Path, own_redis: RedisServer, answered: Any
) -> None:
    env = environment(settings)
    web, clock = Web(env, tmp_path), Clock(env, tmp_path)
    with together(web, clock):
        locations = [post(client, web) for _ in range(50)]
        wait_for(lambda: known_as_sent(database) == 50, what="the outbox")

        flush(own_redis)
        with Worker(env, tmp_path):
            answers = answered(web, locations)
            flush(own_redis)
            answers += answered(web, [post(client, web)])

    assert len(answers) == 51
    assert verdicts(database) == 51


def known_as_sent(database: Database) -> int:
    """Return how many requests are marked as sent."""
    with database.transaction() as session:
        count: int = session.execute(text("SELECT count(epoch) FROM validation_requests")).scalar_one()
        return count


def flush(server: RedisServer) -> None:
    """Empty Redis."""
    with redis.Redis(port=server.port) as direct:
        direct.flushall()


def test_what_is_accepted_while_redis_is_down_is_answered_once_it_is_back(
    settings: Settings, database: Database, client: httpx.Client, tmp_path: Path, own_redis: RedisServer, answered: Any
) -> None:
    env = environment(settings)
    web, worker, clock = Web(env, tmp_path), Worker(env, tmp_path), Clock(env, tmp_path)
    with together(web, worker, clock):
        own_redis.stop()
        locations = [post(client, web) for _ in range(5)]

        own_redis.start()
        answers = answered(web, locations)

    assert [answer["verdict"] for answer in answers] == ["valid"] * 5
    assert verdicts(database) == 5
