"""What all Dramatiq brokers have in common on the stage: one actor that does nothing, and a worker of threads."""

from __future__ import annotations

import threading

import dramatiq

from ops.bench.stage import CONCURRENCY, PAYLOAD, Note, Send, Work


def take(broker: dramatiq.Broker, note: Note) -> dramatiq.Actor[[float, dict[str, object]], None]:
    """Return the actor that notes its start and does nothing else."""
    dramatiq.set_broker(broker)

    @dramatiq.actor(broker=broker, actor_name="take")
    def take(sent: float, item: dict[str, object]) -> None:
        note(sent)

    return take


def contender(broker: dramatiq.Broker, note: Note) -> tuple[Send, Work]:
    """Return the sender and the worker of a broker. The prefetch is Dramatiq's `dramatiq_queue_prefetch`."""
    actor = take(broker, note)

    def send(sent: float) -> object:
        return actor.send(sent, dict(PAYLOAD))

    def work() -> None:
        dramatiq.Worker(broker, worker_threads=CONCURRENCY).start()
        threading.Event().wait()

    return send, work
