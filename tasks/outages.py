"""Outages: what the database or Redis being away means to an actor: nothing failed, try again a little later."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import redis
from dramatiq import BrokerConnectionError

from app.errors import AppError
from broker import Reschedule

#: Between these two, at random, so that a fleet of workers does not come back at the same moment.
SHORTEST_MS, LONGEST_MS = 500, 2_000


@contextmanager
def patient() -> Iterator[None]:
    """Turn an outage inside the block into a message that is offered again, without counting a retry."""
    try:
        yield
    except AppError as error:
        if not error.retryable:
            raise
        raise Reschedule(random.randint(SHORTEST_MS, LONGEST_MS)) from error
    except (redis.RedisError, BrokerConnectionError) as error:
        raise Reschedule(random.randint(SHORTEST_MS, LONGEST_MS)) from error
