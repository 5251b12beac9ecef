"""A Dramatiq broker on Redis Streams that loses nothing.

It knows Dramatiq and Redis and nothing else of this project. See README.md beside this file.
"""

from broker.batches import Call
from broker.cancel import Cancelled, CancelRunning
from broker.client import connect
from broker.limits import MessageTooLarge, QueueFull
from broker.retries import Reschedule, Retries
from broker.sending import Interrupted
from broker.signals import SignalGrace
from broker.streams import RedisStreamsBroker
from broker.trace import TraceContext

__all__ = [
    "Call",
    "CancelRunning",
    "Cancelled",
    "Interrupted",
    "MessageTooLarge",
    "QueueFull",
    "RedisStreamsBroker",
    "Reschedule",
    "Retries",
    "SignalGrace",
    "TraceContext",
    "connect",
]
