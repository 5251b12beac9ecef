"""The broker: Dramatiq's contract on Redis Streams.

A message is an entry of its queue's stream until it is finished; then it is acknowledged, deleted and, if need
be, scheduled again or dead-lettered, in one step. What a worker holds is leased to it, and another worker takes
over what a dead one held. Nothing connects before the first message is sent or consumed.
"""

from __future__ import annotations

import math
import os
import secrets
import socket
import threading
import time
import weakref
from collections.abc import Iterable, Mapping
from typing import Any

from dramatiq.broker import Broker, Consumer, MessageProxy
from dramatiq.errors import BrokerConnectionError, QueueJoinTimeout, QueueNotFound
from dramatiq.message import Message
from dramatiq.middleware import Middleware, MiddlewareError, SkipMessage, TimeLimit, default_middleware
from dramatiq.middleware import Pipelines as DramatiqPipelines
from dramatiq.middleware import Retries as DramatiqRetries

from broker import batches, dead, delays, handoff, keys, scripts, unique
from broker import client as clients
from broker.calls import Text, call
from broker.cancel import CancelRunning, Dropped, State, as_cancelled, withdraw
from broker.codec import encode
from broker.consumer import StreamConsumer
from broker.errors import translated
from broker.holding import Holding
from broker.hooks import Hooks
from broker.leases import Keeper
from broker.limits import MAX_MESSAGE_BYTES, Limits
from broker.message import Send, StreamMessage
from broker.outage import Outage
from broker.pipelines import Pipelines
from broker.registry import Registry
from broker.retries import Retries
from broker.sending import Parcel, Placed, Shipment, outcome, place
from broker.turns import Turns

#: How long `join` waits before it looks again, in seconds: the first time, and at most. Each time twice as long.
_JOIN_SOONEST_S = 0.001
_JOIN_LATEST_S = 0.02


class Poisoned(SkipMessage):
    """The message was started too often without ever ending; it is dead-lettered in place of being run."""


class RedisStreamsBroker(Broker):
    """A Dramatiq broker that keeps its queues in Redis Streams.

    Give either `url` or `client` (a redis-py client that gives bytes). `middleware=None` is Dramatiq's default
    list with `broker.Retries` and quicker Pipelines in place of Dramatiq's own, which work too. All keys begin with
    `namespace`.

    lease_ms: how long a worker may be silent before its messages are taken over (within 1 2/3 leases).
    max_starts: how often a message may be started without ending before it is dead-lettered as poison.
    unknown_actor_ms: how long a message waits for a worker that knows its actor; 0 dead-letters at once.
    hang_grace_ms: how long past its time limit a task is still held to be alive.
    dead_max_age_ms, dead_max_number, dead_max_bytes: which dead letters are kept.
    max_depth: how many messages (waiting, in flight and delayed) a queue may have for another to be sent to it:
    one number for all queues, or by queue name. What is retried or comes back is never refused.
    max_message_bytes: how large an encoded message may be to be sent.
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
        dead_max_bytes: int = dead.MAX_BYTES,
        max_depth: int | Mapping[str, int] | None = None,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
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
        self.dead_max_bytes = dead_max_bytes
        self.client = clients.connect(url) if url is not None else clients.twin(clients.undecoded(client))
        self.limits = Limits(max_depth, max_message_bytes)
        self._hooks = Hooks()
        self._keys: dict[str, keys.Keys] = {}
        self._registry = Registry(self.client, namespace)
        super().__init__(_default_middleware() if middleware is None else middleware)
        self.actor_options |= unique.OPTIONS | {batches.OPTION}
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

        A message that is being processed here is sent again when it is acknowledged, in the same step. A unique
        message whose key is taken is not sent: it is returned with the `message_id` of the one that is there.
        Raises MessageTooLarge, QueueFull, and BrokerConnectionError: after a lost reply the message may be in Redis
        all the same, and nothing is repeated.
        """
        if isinstance(message, MessageProxy):
            return self._enqueue_again(message, delay)
        return self._post(self._pack(message, delay), self.limits.depth(message.queue_name))

    def enqueue_many(self, messages: Iterable[Message[Any]], *, delay: int | None = None) -> list[Message[Any]]:
        """Return the messages, all of which are in Redis, in their order; each as `enqueue` would have returned it.

        They are taken from the iterable, which may be a generator, and sent in chunks. Raises QueueFull and, when
        the connection breaks, Interrupted: both say what was sent. Any other error (MessageTooLarge, or one of the
        iterable itself) is raised when all messages before it were sent, and carries a note of how many.
        """
        asked = bool(self._hooks.before(self.middleware, "enqueue"))
        told = bool(self._hooks.after(self.middleware, "enqueue"))
        shipment = Shipment(self._put, self._tell if told else None)
        shipment.send(self._pack(message, delay, asked=asked) for message in messages)
        return shipment.messages

    def _pack(self, message: Message[Any], delay: int | None, *, again: bool = False, asked: bool = True) -> Parcel:
        """Return what goes to Redis, once middleware was `asked`.

        A message that goes there `again` has its place and its claims already.
        """
        message, delay = _without_eta(message, delay)
        message = unique.settled(message, self.actors.get(message.actor_name))
        if asked:
            self.emit_before("enqueue", message, delay)
        body, mark = encode(message), self.lane_mark(message)
        if again:
            return Parcel(message, body, mark, delay)
        self.limits.weigh(message, body)
        return Parcel(message, body, mark, delay, unique.claim(message), unique.window_ms(message))

    def _post(self, parcel: Parcel, depth: int | None) -> Message[Any]:
        queue_name = parcel.message.queue_name
        queue, twin = self.keys(queue_name), None
        with translated():
            if parcel.plain and depth is None:
                call(self.client, "XADD", queue.lane(parcel.mark), "*", keys.MESSAGE, parcel.body)
            else:
                placed = place(self.client, queue, [parcel], depth)
                twin = placed.twins.get(0)
                if placed.refusal is not None:
                    raise placed.refusal
        self._registry.note(queue_name)
        if twin is None:
            self._tell(parcel)
        return outcome(parcel, twin)

    def _put(self, parcels: list[Parcel]) -> Placed:
        """Put parcels on the lane that they all are for."""
        queue_name = parcels[0].message.queue_name
        with translated():
            placed = place(self.client, self.keys(queue_name), parcels, self.limits.depth(queue_name))
        self._registry.note(queue_name)
        return placed

    def _tell(self, parcel: Parcel) -> None:
        self.emit_after("enqueue", parcel.message, parcel.delay)

    def lane_mark(self, message: Message[Any]) -> str:
        """Return the mark of the lane that a message belongs to, by its own `priority` or else its actor's."""
        priority = message.options.get("priority")
        if priority is None:
            actor = self.actors.get(message.actor_name)
            priority = 0 if actor is None else actor.priority
        return keys.lane_mark(priority)

    def _enqueue_again(self, proxy: MessageProxy, delay: int | None) -> Message[Any]:
        holding = self._process.holdings.get(proxy.queue_name)
        if isinstance(proxy, StreamMessage) and proxy.cancelled:
            proxy.fail()
            unsent: Message[Any] = proxy.copy()
            return unsent
        if not isinstance(proxy, StreamMessage) or proxy.settled or proxy.home is not holding:
            return self._post(self._pack(proxy.copy(), delay, again=True), None)
        try:
            message: Message[Any] = proxy.copy()
            self.emit_before("enqueue", message, delay)
            waiting_id = delays.waiting_id(message.message_id, keys.mark_of(proxy.entry_id))
            send = Send(waiting_id, int(delay or 0), message.encode())
        except Exception:
            # Dramatiq swallows what its Retries raises and would acknowledge the message: fail it, so that it is kept.
            proxy.fail()
            raise
        proxy.sends = [*proxy.sends, send]
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
        largest = max((batches.most(each) for each in self.actors.values() if each.queue_name == queue_name), default=0)
        consumer = StreamConsumer(
            self,
            process.holding(queue_name),
            process.turns,
            prefetch=max(prefetch, largest),
            timeout_ms=timeout,
            lease_ms=self.lease_ms,
            unknown_actor_ms=self.unknown_actor_ms,
        )
        process.keeper.start()
        self._registry.note(queue_name)
        return consumer

    def close(self) -> None:
        """Threads have ended and connections are closed. The broker may be used again."""
        self._process.close()
        # Closing a client leaves a pool alone that it was given.
        clients.disconnect(self.client)
        self.client.close()

    def pause(self, queue_name: str) -> None:
        """No process starts anything new from the queue; what it was given before may still start, what runs ends.

        Busy processes see it at once, all others before they start another message. Sending goes on, delayed
        messages come due and wait. It lasts until `resume`, over restarts and `flush`. Raises BrokerConnectionError.
        """
        with translated():
            self.client.set(self.keys(queue_name).paused, 1)

    def resume(self, queue_name: str) -> None:
        """All processes go on with the queue within a second. Raises BrokerConnectionError."""
        with translated():
            self.client.delete(self.keys(queue_name).paused)

    def cancel(self, queue_name: str, message_id: str) -> State | None:
        """Return where the message was; it will not start any more. None if it is not in the queue, or is dead.

        One that a worker holds is out of Redis as well: it is not retried, is dropped there within a second if it was
        not started, and interrupted by `CancelRunning` if it runs. Whoever waits for its result hears of `Cancelled`.
        Raises BrokerConnectionError.
        """
        with translated():
            found = withdraw(self.client, self.keys(queue_name), message_id)
        if found is None:
            return None
        state, message = found
        proxy = as_cancelled(message)
        self.emit_before("nack", proxy)
        self.emit_after("nack", proxy)
        return state

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
        pause_s = _JOIN_SOONEST_S
        while self._size(queue_name):
            if deadline is not None and time.monotonic() >= deadline:
                raise QueueJoinTimeout(queue_name)  # type: ignore[no-untyped-call]  # theirs
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _JOIN_LATEST_S)

    def _size(self, queue_name: str) -> int:
        queue = self.keys(queue_name)
        with translated():
            return int(scripts.SIZE(self.client, queue.all, []))

    # Hooks.

    def emit_before(self, signal: str, *args: Any, **kwargs: Any) -> None:
        """All middleware that has something to do before `signal` has done it, in order."""
        if signal == "process_message" and isinstance(args[0], StreamMessage):
            self._start(args[0])
        elif signal == "worker_boot":
            # It has no threads yet.
            args[0].work_queue = handoff.in_place_of(args[0].work_queue, self._line)
        for hook in self._hooks.before(self.middleware, signal):
            try:
                hook(self, *args, **kwargs)
            except MiddlewareError:
                raise
            except Exception:
                self.logger.critical("Unexpected failure in %r.", hook, exc_info=True)

    def emit_after(self, signal: str, *args: Any, **kwargs: Any) -> None:
        """All middleware that has something to do after `signal` has done it, in reverse order."""
        if signal == "consumer_thread_boot":
            args[0].delay_queue = handoff.in_place_of(args[0].delay_queue)
        elif signal == "worker_thread_boot":
            args[0].process_message = batches.Runner(self, args[0]).process_message
        for hook in self._hooks.after(self.middleware, signal):
            try:
                hook(self, *args, **kwargs)
            except Exception:
                self.logger.critical("Unexpected failure in %r.", hook, exc_info=True)

    def _line(self, item: Any) -> str | None:
        message = item.message
        return batches.line(self.actors.get(message.actor_name), message)

    def _start(self, message: StreamMessage) -> None:
        """The message is about to run. Raises Dropped if it was cancelled, Poisoned if it ran too often without ending.

        Then it has failed.
        """
        message.started_at = time.monotonic()
        if message.cancelled:
            message.fail()
            raise Dropped("cancelled")
        if message.starts is None:
            return
        message.starts = self._process.count_start(message)
        # The start that made it a case for counting, at the consumer that it was taken from, was not counted.
        if message.starts >= self.max_starts:
            message.reason = dead.POISON
            message.fail()
            raise Poisoned(f"started {message.starts} times without ending")

    def interrupt(self, message: StreamMessage) -> None:
        """Whoever runs the message has been told that it was cancelled, if there is middleware to tell."""
        for middleware in self.middleware:
            if isinstance(middleware, CancelRunning):
                middleware.interrupt(message)

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
            self.name,
            Outage(),
            lease_ms=broker.lease_ms,
            dead_max_age_ms=broker.dead_max_age_ms,
            dead_max_number=broker.dead_max_number,
            dead_max_bytes=broker.dead_max_bytes,
        )
        self.keeper = Keeper(
            lambda: list(self.holdings.values()),
            self.turns,
            lease_ms=broker.lease_ms,
            limit_ms=broker.limit_ms,
            on_start=broker.warn_of_eviction,
            on_cancelled=broker.interrupt,
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
        arguments: list[Text] = [keys.GROUP, self.name, message.entry_id]
        try:
            with translated():
                return int(scripts.START(self.broker.client, queue.all, arguments))
        except BrokerConnectionError as error:
            self.turns.outage.note(error)
            return message.starts or 0

    def close(self) -> None:
        """The lease keeper has ended and the connections are closed."""
        self.keeper.stop()
        for holding in self.holdings.values():
            clients.disconnect(holding.client)
            holding.client.close()


def _default_middleware() -> list[Middleware]:
    ours: dict[type[Middleware], type[Middleware]] = {DramatiqRetries: Retries, DramatiqPipelines: Pipelines}
    return [ours.get(kind, kind)() for kind in default_middleware]


def _without_eta(message: Message[Any], delay: int | None) -> tuple[Message[Any], int | None]:
    """Return the message with its `eta` option turned into a delay: a worker would keep it in its memory."""
    if "eta" not in message.options:
        return message, delay
    message = message.copy()
    eta = message.options.pop("eta")
    if delay is None and isinstance(eta, int | float):
        # Whole milliseconds, and never before its time.
        delay = math.ceil(eta - time.time() * 1000)
    return message, delay


def _renew_after_fork(broker: RedisStreamsBroker) -> None:
    """A forked process gets a name, locks and threads of its own."""
    reference = weakref.ref(broker)

    def renew() -> None:
        forked = reference()
        if forked is not None:
            forked._process = _Process(forked)

    os.register_at_fork(after_in_child=renew)
