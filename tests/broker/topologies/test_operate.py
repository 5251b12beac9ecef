"""The operators' side on each kind of Redis: read, count, replay and purge, with every key in its slot."""

from collections.abc import Callable

import dramatiq

from broker import RedisStreamsBroker
from broker.inspector import Inspector
from broker.letters import Letters
from broker.metrics import QueueMetrics
from broker.monitor import Monitor
from ops.chaos.formations import Formation
from tests.broker.looks import message
from tests.broker.servers import wait_for


def test_queues_are_inspected_and_dead_letters_replayed_on_every_kind_of_redis(
    formation: Formation,
    open_broker: Callable[..., RedisStreamsBroker],
    start_worker: Callable[..., dramatiq.Worker],
) -> None:
    broker = open_broker(formation.url)
    monitor = Monitor()
    broker.add_middleware(monitor)
    inspector, letters = Inspector(broker.client), Letters(broker.client)
    healed = False

    @dramatiq.actor(broker=broker, queue_name="operated", max_retries=0)
    def work() -> None:
        if not healed:
            raise RuntimeError

    work.send()
    start_worker(broker)
    broker.join("operated", timeout=20_000)
    wait_for(lambda: inspector.totals("operated").get("work", {}).get("dead") == 1)
    assert inspector.attempts("operated").items[0].outcome == "dead"
    assert any(worker.alive for worker in inspector.workers("operated"))

    healed = True
    assert letters.replay_all("operated") == 1
    broker.join("operated", timeout=20_000)

    broker.enqueue(message("work", queue="quiet"), delay=60_000)
    broker.enqueue(message("work", queue="quiet"))
    assert inspector.names() == ["operated", "quiet"]
    assert (inspector.queue("quiet").waiting, inspector.queue("quiet").delayed) == (1, 1)
    assert len(inspector.peek("quiet").items) == 1
    (delayed,) = inspector.delayed("quiet").items
    assert inspector.message("quiet", delayed.id) is not None
    assert letters.purge_all("operated", older_than_ms=1000) == 0
    assert next(iter(QueueMetrics(broker.client).collect())).samples[0].value == 1
    assert monitor.dropped == 0
