"""The broker: Dramatiq's contract on Redis Streams.

A message is an entry of its queue's stream until it is finished; then it is acknowledged, deleted and, if need
be, scheduled again or dead-lettered, in one step. What a worker holds is leased to it, and another worker takes
over what a dead one held. Nothing connects before the first message is sent or consumed.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
import weakref
from typing import Any

from dramatiq.broker import Broker, Consumer, MessageProxy
from dramatiq.errors import BrokerConnectionError, QueueJoinTimeout, QueueNotFound
from dramatiq.message import Message
from dramatiq.middleware import Middleware, MiddlewareError, SkipMessage, TimeLimit, default_middleware
from dramatiq.middleware import Retries as DramatiqRetries

from broker import client as clients
from broker import dead, delays, keys, scripts
from broker.consumer import StreamConsumer
from broker.errors import translated
from broker.holding import Holding
from broker.hooks import Hooks
from broker.leases import Keeper
from broker.message import Send, StreamMessage
from broker.outage import Outage
from broker.retries import Retries
from broker.turns import Turns

#: How often `join` looks, in seconds.
_JOIN_INTERVAL_S = 0.02


class Poisoned(SkipMessage):
    """The message was started too often without ever ending; it is dead-lettered in place of being run."""


class RedisStreamsBroker(Broker):
    """A Dramatiq broker that keeps its queues in Redis Streams.

    Give either `url` or `client` (a redis-py client that gives bytes). `middleware=None` is Dramatiq's default
    list with `broker.Retries` in place of Dramatiq's own, which works too. All keys begin with `namespace`.

    lease_ms: how long a worker may be silent before its messages are taken over (within 1 2/3 leases).
    max_starts: how often a message may be started without ending before it is dead-lettered as poison.
    unknown_actor_ms: how long a message waits for a worker that knows its actor; 0 dead-letters at once.
    hang_grace_ms: how long past its time limit a task is still held to be alive.
    dead_max_age_ms, dead_max_number: which dead letters are kept.
    """

    def __init__(
        self,
        *,
        url: str | None = None,
        client: Any = None,
        middleware: list[Middleware] | None = None,
        namespace: str = "",
        lease_ms: int = 15_000,
        max_starts: int = 5,
        unknown_actor_ms: int = 600_000,
        hang_grace_ms: int = 30_000,
        dead_max_age_ms: int = dead.MAX_AGE_MS,
        dead_max_number: int = dead.MAX_NUMBER,
    ) -> None:
        if (url is None) == (client is None):
            raise ValueError("give either url or client")
        self.namespace = namespace
        self.lease_ms = lease_ms
        self.max_starts = max_starts
        self.unknown_actor_ms = unknown_actor_ms
        self.hang_grace_ms = hang_grace_ms
        self.dead_max_age_ms = dead_max_age_ms
        self.dead_max_number = dead_max_number
        self.client = clients.connect(url) if url is not None else clients.twin(clients.undecoded(client))
        self._hooks = Hooks()
        self._keys: dict[str, keys.Keys] = {}
        super().__init__(_default_middleware() if middleware is None else middleware)
        self.queues: set[str] = set()
        self._process = _Process(self)
        _renew_after_fork(self)

    # Declaring.

    def declare_queue(self, queue_name: str) -> None:
        """The queue is known, and consumed if a worker runs. Nothing is done at Redis.

        Raises ValueError for a name with braces.
        """
        if queue_name in self.queues:
            return
        self.keys(queue_name)
        self.emit_before("declare_queue", queue_name)
        self.queues.add(queue_name)
        self.emit_after("declare_queue", queue_name)

    def get_declared_queues(self) -> set[str]:
        """Return the names of all declared queues."""
        return set(self.queues)

    def keys(self, queue_name: str) -> keys.Keys:
        """Return the Redis keys of a queue."""
        found = self._keys.get(queue_name)
        if found is None:
            found = self._keys[queue_name] = keys.queue(self.namespace, queue_name)
        return found

    # Sending.

    def enqueue(self, message: Message[Any], *, delay: int | None = None) -> Message[Any]:
        """The message is in Redis when this returns; with a `delay` in ms it is offered when that has passed.

        A message that is being processed here is sent again when it is acknowledged, in the same step.
        Raises BrokerConnectionError; after a lost reply the message may be in Redis all the same.
        """
        if isinstance(message, MessageProxy):
            return self._enqueue_again(message, delay)
        message, delay = _without_eta(message, delay)
        self.emit_before("enqueue", message, delay)
        queue, body = self.keys(message.queue_name), message.encode()
        with translated():
            if delay is not None and delay > 0:
                delays.later(self.client, queue, message.message_id, body, int(delay))
            else:
                self.client.execute_command("XADD", queue.stream, "*", keys.MESSAGE, body)
        self.emit_after("enqueue", message, delay)
        return message

    def _enqueue_again(self, proxy: MessageProxy, delay: int | None) -> Message[Any]:
        holding = self._process.holdings.get(proxy.queue_name)
        if not isinstance(proxy, StreamMessage) or proxy.settled or proxy.home is not holding:
            return self.enqueue(proxy.copy(), delay=delay)
        try:
            message: Message[Any] = proxy.copy()
            self.emit_before("enqueue", message, delay)
            send = Send(delays.waiting_id(message.message_id), int(delay or 0), message.encode())
        except Exception:
            # Dramatiq swallows what its Retries raises and would acknowledge the message: fail it, so that it is kept.
            proxy.fail()
            raise
        proxy.sends.append(send)
        self.emit_after("enqueue", message, delay)
        return message

    # Consuming.

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 30000) -> Consumer:
        """Return a consumer that holds at most `prefetch` messages and waits at most `timeout` ms for one.

        Raises QueueNotFound if the queue was never declared.
        """
        if queue_name not in self.queues:
            raise QueueNotFound(queue_name)  # type: ignore[no-untyped-call]  # theirs
        process = self._process
        consumer = StreamConsumer(
            self,
            process.holding(queue_name),
            process.turns,
            prefetch=prefetch,
            timeout_ms=timeout,
            lease_ms=self.lease_ms,
            unknown_actor_ms=self.unknown_actor_ms,
        )
        process.keeper.start()
        return consumer

    def close(self) -> None:
        """Threads have ended and connections are closed. The broker may be used again."""
        self._process.close()
        self.client.close()

    # Emptying and waiting.

    def flush(self, queue_name: str) -> None:
        """The queue has no message left: waiting, in flight, delayed or dead. Raises BrokerConnectionError."""
        with translated():
            scripts.FLUSH(self.client, self.keys(queue_name).all, [keys.GROUP])

    def flush_all(self) -> None:
        """All declared queues are flushed."""
        for queue_name in self.get_declared_queues():
            self.flush(queue_name)

    def join(self, queue_name: str, *, timeout: int | None = None) -> None:
        """The queue has nothing waiting, delayed or in flight, anywhere. Meant for tests.

        Raises QueueJoinTimeout after `timeout` ms, and BrokerConnectionError.
        """
        deadline = None if timeout is None else time.monotonic() + timeout / 1000
        while self._size(queue_name):
            if deadline is not None and time.monotonic() >= deadline:
                raise QueueJoinTimeout(queue_name)  # type: ignore[no-untyped-call]  # theirs
            time.sleep(_JOIN_INTERVAL_S)

    def _size(self, queue_name: str) -> int:
        queue = self.keys(queue_name)
        with translated():
            return int(scripts.SIZE(self.client, [queue.stream, queue.delayed], []))

    # Hooks.

    def emit_before(self, signal: str, *args: Any, **kwargs: Any) -> None:
        """All middleware that has something to do before `signal` has done it, in order."""
        if signal == "process_message" and isinstance(args[0], StreamMessage):
            self._start(args[0])
        name = "before_" + signal
        for middleware in self._hooks.busy(self.middleware, name):
            try:
                getattr(middleware, name)(self, *args, **kwargs)
            except MiddlewareError:
                raise
            except Exception:
                self.logger.critical("Unexpected failure in %s of %r.", name, middleware, exc_info=True)

    def emit_after(self, signal: str, *args: Any, **kwargs: Any) -> None:
        """All middleware that has something to do after `signal` has done it, in reverse order."""
        name = "after_" + signal
        for middleware in reversed(self._hooks.busy(self.middleware, name)):
            try:
                getattr(middleware, name)(self, *args, **kwargs)
            except Exception:
                self.logger.critical("Unexpected failure in %s of %r.", name, middleware, exc_info=True)

    def _start(self, message: StreamMessage) -> None:
        """The message is about to run. Raises Poisoned, and fails it, if it ran too often without ending."""
        message.started_at = time.monotonic()
        if message.starts is None:
            return
        message.starts = self._process.count_start(message)
        # The start that made it a case for counting, at the consumer that it was taken from, was not counted.
        if message.starts >= self.max_starts:
            message.reason = dead.POISON
            message.fail()
            raise Poisoned(f"started {message.starts} times without ending")

    def limit_ms(self, message: StreamMessage) -> float:
        """Return how long after its start the message is held to hang; infinity for never."""
        default = next((m.time_limit for m in self.middleware if isinstance(m, TimeLimit)), float("inf"))
        actor = self.actors.get(message.actor_name)
        limit = message.options.get("time_limit") or (actor.options if actor else {}).get("time_limit", default)
        return float(limit) + self.hang_grace_ms

    def warn_of_eviction(self) -> None:
        """A Redis that may throw queues away when memory is short has been complained about."""
        try:
            policy = self.client.info("memory").get("maxmemory_policy", "noeviction")
        except Exception as error:
            self.logger.debug("Could not learn Redis's eviction policy: %s", error)
            return
        if policy != "noeviction":
            self.logger.warning("Redis's maxmemory-policy is %s: it may evict queues. Set it to noeviction.", policy)


class _Process:
    """What belongs to one operating system process: its name at Redis, what it holds, its threads."""

    def __init__(self, broker: RedisStreamsBroker) -> None:
        self.broker = broker
        self.name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}".encode()
        self.holdings: dict[str, Holding] = {}
        self.turns = Turns(
            self.name, Outage(), dead_max_age_ms=broker.dead_max_age_ms, dead_max_number=broker.dead_max_number
        )
        self.keeper = Keeper(
            lambda: list(self.holdings.values()),
            self.turns,
            lease_ms=broker.lease_ms,
            limit_ms=broker.limit_ms,
            on_start=broker.warn_of_eviction,
        )
        self._lock = threading.Lock()

    def holding(self, queue_name: str) -> Holding:
        """Return what is held of a queue."""
        with self._lock:
            found = self.holdings.get(queue_name)
            if found is None:
                client = clients.twin(self.broker.client)
                found = self.holdings[queue_name] = Holding(self.broker.keys(queue_name), queue_name, client)
            return found

    def count_start(self, message: StreamMessage) -> int:
        """Return how often the message was started, this start included, since it was taken over."""
        queue = self.broker.keys(message.queue_name)
        arguments: list[scripts.Text] = [keys.GROUP, self.name, message.entry_id]
        try:
            with translated():
                return int(scripts.START(self.broker.client, [queue.stream, queue.starts], arguments))
        except BrokerConnectionError as error:
            self.turns.outage.note(error)
            return message.starts or 0

    def close(self) -> None:
        """The lease keeper has ended and the connections are closed."""
        self.keeper.stop()
        for holding in self.holdings.values():
            holding.client.close()


def _default_middleware() -> list[Middleware]:
    return [Retries() if kind is DramatiqRetries else kind() for kind in default_middleware]


def _without_eta(message: Message[Any], delay: int | None) -> tuple[Message[Any], int | None]:
    """Return the message with its `eta` option turned into a delay: a worker would keep it in its memory."""
    if "eta" not in message.options:
        return message, delay
    message = message.copy()
    eta = message.options.pop("eta")
    if delay is None and isinstance(eta, int | float):
        delay = int(eta - time.time() * 1000)
    return message, delay


def _renew_after_fork(broker: RedisStreamsBroker) -> None:
    """A forked process gets a name, locks and threads of its own."""
    reference = weakref.ref(broker)

    def renew() -> None:
        forked = reference()
        if forked is not None:
            forked._process = _Process(forked)

    os.register_at_fork(after_in_child=renew)
