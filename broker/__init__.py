"""A Dramatiq broker on Redis Streams that loses nothing.

It knows Dramatiq and Redis and nothing else of this project. See README.md beside this file.
"""

from broker.client import connect
from broker.retries import Reschedule, Retries
from broker.signals import SignalGrace
from broker.streams import RedisStreamsBroker

__all__ = ["RedisStreamsBroker", "Reschedule", "Retries", "SignalGrace", "connect"]
