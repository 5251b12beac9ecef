"""What the tests ask of Redis, or change there, past the broker."""

from typing import Any, cast

import redis
from dramatiq.message import Message

from broker import RedisStreamsBroker
from broker.keys import GROUP, SHELF


def dead_letters(client: redis.Redis, broker: RedisStreamsBroker, queue: str = "default") -> list[dict[str, bytes]]:
    """Return the dead letters of a queue, the oldest first, fields by name."""
    entries: Any = client.xrange(broker.keys(queue).dead)
    return [{name.decode(): value for name, value in fields.items()} for _, fields in entries]


def pending(client: redis.Redis, broker: RedisStreamsBroker, queue: str = "default") -> dict[bytes, int]:
    """Return how many entries each consumer holds."""
    consumers: Any = client.xinfo_consumers(broker.keys(queue).stream, GROUP.decode())
    return {consumer["name"]: consumer["pending"] for consumer in consumers if consumer["pending"]}


def consumers(client: redis.Redis, broker: RedisStreamsBroker, queue: str = "default") -> set[bytes]:
    """Return the names of the consumers that Redis knows, workers only."""
    found: Any = client.xinfo_consumers(broker.keys(queue).stream, GROUP.decode())
    return {consumer["name"] for consumer in found} - {SHELF}


def message(actor: str, *args: object, queue: str = "default", **options: object) -> Message[Any]:
    """Return a message as an actor would make it."""
    return Message(queue_name=queue, actor_name=actor, args=args, kwargs={}, options=options)


def hasten(client: redis.Redis, broker: RedisStreamsBroker, queue: str = "default") -> None:
    """The delayed message of a queue, which must be there, is due: nobody waits for it here."""
    delayed = broker.keys(queue).delayed
    (left,) = cast(list[bytes], client.zrange(delayed, 0, -1))
    client.zadd(delayed, {left: 1})
