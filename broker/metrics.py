"""Prometheus metrics of the queues, read from Redis when they are asked for.

No other file of this package needs prometheus_client.

One process for each Redis is enough to be scraped: all would say the same. Every name begins with `broker_`:

    up                              gauge    1 when Redis answered; else there are no other metrics
    queue_waiting_messages          gauge    by queue
    queue_in_flight_messages        gauge    by queue: fetched by workers, running or not
    queue_delayed_messages          gauge    by queue: not due yet, retries too
    queue_dead_messages             gauge    by queue
    queue_oldest_waiting_seconds    gauge    by queue; 0 when none waits
    queue_paused                    gauge    by queue: 1 or 0
    queue_workers                   gauge    by queue: processes whose lease lasts
    messages_total                  counter  by queue, actor and event, as far as a Monitor wrote them down
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from dramatiq.errors import BrokerConnectionError
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from broker.inspector import Inspector, QueueStatus

_GAUGES: tuple[tuple[str, str, Callable[[QueueStatus], float]], ...] = (
    ("waiting_messages", "Messages that wait for a worker", lambda queue: queue.waiting),
    ("in_flight_messages", "Messages that workers have fetched", lambda queue: queue.in_flight),
    ("delayed_messages", "Messages that are not due yet", lambda queue: queue.delayed),
    ("dead_messages", "Dead letters", lambda queue: queue.dead),
    ("oldest_waiting_seconds", "Age of the oldest waiting message", lambda queue: (queue.oldest_ms or 0) / 1000),
    ("paused", "1 while nothing new is started", lambda queue: queue.paused),
)


class QueueMetrics(Collector):
    """A collector for a Prometheus registry: `REGISTRY.register(QueueMetrics(client))`."""

    def __init__(self, client: Any, namespace: str = "") -> None:
        self._inspector = Inspector(client, namespace)

    def describe(self) -> Iterable[Metric]:
        """Return no names, so that registering asks nothing of Redis."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Return all metrics of this moment. Never raises for an outage: `broker_up` is 0 then."""
        try:
            found = [*self._queues(), self._workers(), self._totals()]
        except BrokerConnectionError:
            found = []
        return [GaugeMetricFamily("broker_up", "Whether Redis answered", value=bool(found)), *found]

    def _queues(self) -> list[Metric]:
        queues = self._inspector.queues()
        found: list[Metric] = []
        for name, words, value in _GAUGES:
            family = GaugeMetricFamily(f"broker_queue_{name}", words, labels=["queue"])
            for queue in queues:
                family.add_metric([queue.name], float(value(queue)))
            found.append(family)
        return found

    def _workers(self) -> Metric:
        family = GaugeMetricFamily("broker_queue_workers", "Processes that consume", labels=["queue"])
        for name in self._inspector.names():
            family.add_metric([name], sum(worker.alive for worker in self._inspector.workers(name)))
        return family

    def _totals(self) -> Metric:
        family = CounterMetricFamily("broker_messages", "What happened to messages", labels=["queue", "actor", "event"])
        for name in self._inspector.names():
            for actor, events in sorted(self._inspector.totals(name).items()):
                for event, number in sorted(events.items()):
                    family.add_metric([name, actor, event], number)
        return family
