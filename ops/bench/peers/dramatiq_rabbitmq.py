"""Dramatiq's own RabbitmqBroker, with its defaults, on the node that the bench has started."""

from __future__ import annotations

import os
import sys

from dramatiq.brokers.rabbitmq import RabbitmqBroker

from ops.bench import stage
from ops.bench.peers.dramatiqs import contender
from ops.bench.rabbitmq import ADDRESS
from ops.bench.stage import Note, Send, Work


def make(url: str, note: Note) -> tuple[Send, Work]:
    """Return RabbitmqBroker's sender and worker. Its messages lie at ADDRESS, not in the Redis at `url`."""
    broker = RabbitmqBroker(url=os.environ[ADDRESS])
    if sys.argv[1] == "fill":
        # What a killed worker had not acknowledged is there again.
        broker.declare_queue("default")
        broker.flush("default")
    return contender(broker, note)


if __name__ == "__main__":
    stage.main(make)
