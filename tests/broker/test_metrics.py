"""Metrics: what Prometheus reads."""

from collections.abc import Callable
from typing import Any

import dramatiq
import redis
from prometheus_client import CollectorRegistry, generate_latest

from broker import RedisStreamsBroker, connect
from broker.inspector import Inspector
from broker.metrics import QueueMetrics
from broker.monitor import Monitor
from tests.broker.looks import message
from tests.broker.servers import wait_for


def test_queues_are_measured(broker: RedisStreamsBroker, redis_client: redis.Redis) -> None:
    old_ms = redis_client.time()[0] * 1000 - 60_000
    redis_client.xadd("default", {"m": message("work").encode()}, id=f"{old_ms}-1")
    broker.enqueue(message("work", priority=-1))
    broker.enqueue(message("work"), delay=60_000)
    redis_client.xadd(broker.keys("default").dead, {"reason": "failed"})
    broker.pause("default")
    registry = CollectorRegistry()
    registry.register(QueueMetrics(broker.client))

    def value(name: str) -> float | None:
        return registry.get_sample_value(f"broker_queue_{name}", {"queue": "default"})

    assert registry.get_sample_value("broker_up") == 1
    assert value("waiting_messages") == 2
    assert value("in_flight_messages") == 0
    assert value("delayed_messages") == 1
    assert value("dead_messages") == 1
    assert value("paused") == 1
    assert value("workers") == 0
    assert 60 <= (value("oldest_waiting_seconds") or 0) < 70


def test_workers_and_what_a_monitor_counted_are_measured(
    broker: RedisStreamsBroker, start_worker: Callable[..., Any]
) -> None:
    broker.add_middleware(Monitor())

    @dramatiq.actor
    def work() -> None:
        pass

    work.send()
    start_worker(broker)
    broker.join("default", timeout=10_000)
    wait_for(lambda: Inspector(broker.client).totals("default").get("work", {}).get("done"))
    registry = CollectorRegistry()
    registry.register(QueueMetrics(broker.client))

    shown = generate_latest(registry).decode()

    assert 'broker_messages_total{actor="work",event="done",queue="default"} 1.0' in shown
    assert 'broker_queue_workers{queue="default"} 1.0' in shown


def test_without_redis_only_that_is_said() -> None:
    registry = CollectorRegistry()
    registry.register(QueueMetrics(connect("redis://127.0.0.1:1/0")))

    metrics = list(registry.collect())

    assert [metric.name for metric in metrics] == ["broker_up"]
    assert metrics[0].samples[0].value == 0
