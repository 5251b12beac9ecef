"""The access control lists in the README: on each kind of Redis each role can do its work, and nothing else."""

import re
import threading
from collections.abc import Callable
from pathlib import Path

import dramatiq
import pytest
import redis
from redis.exceptions import NoPermissionError

import broker as library
from broker import RedisStreamsBroker
from broker.inspector import Inspector
from broker.letters import Letters
from broker.monitor import Monitor
from ops.chaos.formations import Formation
from tests.broker.looks import message
from tests.broker.servers import wait_for

README = Path(library.__file__).with_name("README.md")

ROLES = ("producer", "worker", "operator")

StartWorker = Callable[..., dramatiq.Worker]
OpenBroker = Callable[..., RedisStreamsBroker]


@pytest.fixture(scope="module")
def guarded(kept: Formation) -> Formation:
    """A formation whose servers know the README's users. Redis copies no users to replicas, or within a cluster."""
    text = README.read_text()
    (more,) = re.findall(r"On a cluster\s+add\s+`([^`]*)`", text) if kept.url.startswith("redis+cluster:") else [""]
    for user, rules in re.findall(r"^user (\w+) (.*)$", text, re.MULTILINE):
        for server in kept.servers:
            with server.client() as client:
                words = f"{rules.replace('>secret', f'>{user}')} {more}".split()
                client.execute_command("ACL", "SETUSER", user, *words)
    return kept


def signed(url: str, role: str) -> str:
    """Return the URL for a user, whose password is his name."""
    return url.replace("://", f"://{role}:{role}@")


@pytest.fixture
def roles(guarded: Formation, open_broker: OpenBroker) -> dict[str, RedisStreamsBroker]:
    """A broker for each role, on an empty queue."""
    brokers = {role: open_broker(signed(guarded.url, role), namespace="shop", lease_ms=400) for role in ROLES}
    for one in brokers.values():
        one.declare_queue("default")
    guarded.empty()
    return brokers


def test_producers_send_workers_work_and_operators_look_and_act(
    roles: dict[str, RedisStreamsBroker], start_worker: StartWorker, caplog: pytest.LogCaptureFixture
) -> None:
    producer, worker, operator = (roles[role] for role in ROLES)
    runs, healed = [], threading.Event()

    @dramatiq.actor(broker=worker, max_retries=1, min_backoff=1, max_backoff=5)
    def work(name: str) -> None:
        runs.append(name)
        if name == "fails" and not healed.is_set():
            raise RuntimeError

    worker.add_middleware(Monitor())
    start_worker(worker)
    producer.enqueue(message("work", "now", unique_key="a"))
    producer.enqueue(message("work", "later"), delay=50)
    producer.enqueue_many([message("work", "many", priority=9), message("work", "fails")])
    operator.join("default", timeout=10_000)

    inspector, letters = Inspector(operator.client, "shop"), Letters(operator.client, "shop")
    assert sorted(runs) == ["fails", "fails", "later", "many", "now"]
    wait_for(lambda: inspector.queue("default").dead == 1)
    wait_for(lambda: inspector.totals("default").get("work", {}).get("done") == 3)
    assert look(inspector)
    operator.pause("default")
    operator.resume("default")
    healed.set()
    assert letters.replay_all("default") == 1
    wait_for(lambda: runs.count("fails") == 3)
    assert letters.purge_all("default") == 0
    never = producer.enqueue(message("work", "never"), delay=60_000)
    assert operator.cancel("default", never.message_id) == "delayed"
    operator.flush("default")
    assert "NOPERM" not in caplog.text
    assert "permission" not in caplog.text


def look(inspector: Inspector) -> bool:
    """Use every look that the inspector offers; tell whether they agree that nothing waits and something runs."""
    waiting = [*inspector.peek("default").items, *inspector.delayed("default").items]
    seen = inspector.queue("default")
    assert inspector.message("default", "1-1") is None
    inspector.attempts("default")
    inspector.rates("default")
    inspector.totals("default")
    return not waiting and seen.waiting == 0 and bool(inspector.workers()) and inspector.names() == ["default"]


def test_what_a_worker_left_is_taken_over(roles: dict[str, RedisStreamsBroker], start_worker: StartWorker) -> None:
    producer, worker, _ = (roles[role] for role in ROLES)
    producer.enqueue(message("work"))
    dramatiq.actor(broker=worker, actor_name="work")(print)
    lost = worker.consume("default", prefetch=1, timeout=50)
    wait_for(lambda: next(lost) is not None)
    worker._process.keeper.stop()
    heir = RedisStreamsBroker(client=worker.client, namespace="shop", lease_ms=400)
    seen = threading.Event()
    dramatiq.actor(broker=heir, actor_name="work")(seen.set)

    start_worker(heir)

    assert seen.wait(10)
    heir.join("default", timeout=10_000)
    heir.close()


@pytest.mark.parametrize("command", ["FLUSHALL", "KEYS *", "CONFIG GET *", "GET elsewhere", "SHUTDOWN", "ACL LIST"])
def test_nobody_may_do_more(guarded: Formation, command: str) -> None:
    for role in ROLES:
        refused(guarded, role, command)


@pytest.mark.parametrize("command", ["XRANGE shop:default - +", "XREADGROUP GROUP workers me STREAMS shop:default >"])
def test_producers_read_nothing(guarded: Formation, command: str) -> None:
    refused(guarded, "producer", command)


def refused(guarded: Formation, role: str, command: str) -> None:
    """The role may not do this on any server."""
    for server in guarded.servers:
        with redis.Redis.from_url(signed(server.url, role)) as client, pytest.raises(NoPermissionError):
            client.execute_command(*command.split())
