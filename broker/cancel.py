"""Cancelling a message by its id: it is taken out of Redis in one step, whatever state it is in.

So it can never start, be retried or be dead-lettered again, even if whoever holds it is frozen. A worker that holds
it learns of it within a second: what it did not start it drops, and what runs it interrupts, with `CancelRunning`.
Dead letters stay: they will not start by themselves, and throwing them away is another wish (`purge`).
"""

from __future__ import annotations

import enum
import json
import threading
from collections.abc import Iterator
from typing import Any

import dramatiq
from dramatiq.broker import MessageProxy
from dramatiq.errors import DecodeError
from dramatiq.message import Message
from dramatiq.middleware import Middleware, SkipMessage
from dramatiq.threading import Interrupt, is_gevent_active, raise_thread_exception

from broker import scripts
from broker.calls import Text
from broker.delays import waiting_id
from broker.keys import BULK, DEFAULT, GROUP, SHELF, URGENT, Keys
from broker.message import StreamMessage
from broker.unique import ending_claim

#: How long workers can learn that a message which they hold was cancelled, in ms. They ask every second.
_HEARD_MS = 60_000

#: How many entries one script looks through: the first time, and later as many as have about so many bytes.
_FIRST_PAGE = 50
_PAGE_BYTES = 256 * 1024
_LARGEST_PAGE = 200

# A message, and the id that it waits under or else the name of its entry.
_Place = tuple[Message[Any], tuple[Text, Text]]


class Cancelled(Interrupt):
    """The message was cancelled. Raised in the thread that runs it, and told to whoever waits for its result."""


class Dropped(SkipMessage):
    """The message was cancelled before it started."""


class State(enum.StrEnum):
    """Where a message was when it was cancelled."""

    DELAYED = "delayed"
    #: It had failed and waited for another try.
    RETRYING = "retrying"
    WAITING = "waiting"
    #: A worker had it: fetched, or running.
    HELD = "held"


def withdraw(client: Any, keys: Keys, message_id: str) -> tuple[State, Message[Any]] | None:
    """Return the message, which is no longer in the queue, and where it was; None if it was not found.

    One that is delayed is found at once, others by looking through the lanes, the oldest first: some seconds for a
    million. A message that is in the queue several times is withdrawn once. Raises Redis's errors.
    """
    for message, where in _places(client, keys, message_id):
        arguments = [GROUP, _HEARD_MS, message_id, ending_claim(message), *where, SHELF]
        state = scripts.WITHDRAW(client, keys.all, arguments)
        if state:
            return _state(state.decode(), message), message
    return None


def _places(client: Any, keys: Keys, message_id: str) -> Iterator[_Place]:
    yield from _delayed(client, keys, message_id)
    yield from _entries(client, keys, message_id)
    # While the lanes were searched, it may have failed and been put aside for its retry.
    yield from _delayed(client, keys, message_id)


def _delayed(client: Any, keys: Keys, message_id: str) -> Iterator[_Place]:
    for mark in (URGENT, DEFAULT, BULK):
        name = waiting_id(message_id, mark)
        body = client.hget(keys.bodies, name)
        message = None if body is None else _decoded(body, message_id)
        if message is not None:
            yield message, (name, "")


def _entries(client: Any, keys: Keys, message_id: str) -> Iterator[_Place]:
    written = json.dumps(message_id)[1:-1]
    for mark in (URGENT, DEFAULT, BULK):
        start, page = b"-", _FIRST_PAGE
        while start:
            start, found, size = scripts.FIND(client, [keys.lane(mark)], [start, page, written])
            page = max(1, min(_LARGEST_PAGE, page * _PAGE_BYTES // max(1, size)))
            for entry_id, body in zip(found[::2], found[1::2], strict=True):
                message = _decoded(body, message_id)
                if message is not None:
                    yield message, ("", mark.encode() + entry_id)


def _decoded(body: bytes, message_id: str) -> Message[Any] | None:
    """Return the message if it is the one: its id may stand in the arguments of others."""
    try:
        message: Message[Any] = Message.decode(body)
    except DecodeError:
        return None
    return message if message.message_id == message_id else None


def _state(state: str, message: Message[Any]) -> State:
    retried = state == State.DELAYED and message.options.get("retries")
    return State.RETRYING if retried else State(state)


def as_cancelled(message: Message[Any]) -> MessageProxy:
    """Return the message as hooks want to see it: failed, because it was cancelled."""
    cancelled = MessageProxy(message)
    cancelled.stuff_exception(Cancelled("cancelled"))
    cancelled.fail()
    return cancelled


class CancelRunning(Middleware):
    """Raises `Cancelled` in the thread that runs a message which was cancelled. Without it, that runs to its end.

    As with Dramatiq's time limits, a thread notices between two steps of Python code and not inside a system call.
    One message of a batch cannot be interrupted: it runs to its end as well.
    """

    def __init__(self) -> None:
        self._running: dict[bytes, Any] = {}
        self._lock = threading.Lock()

    def before_process_message(self, broker: dramatiq.Broker, message: MessageProxy) -> None:
        """The message can be interrupted from now on. Raises Dropped if it was cancelled in this moment."""
        if not isinstance(message, StreamMessage):
            return
        if not message.batched:
            self._running[message.entry_id] = _runner()
        if message.cancelled:
            message.fail()
            raise Dropped("cancelled")

    def after_process_message(
        self,
        broker: dramatiq.Broker,
        message: MessageProxy,
        *,
        result: Any = None,
        exception: BaseException | None = None,
    ) -> None:
        """The message cannot be interrupted any more."""
        entry_id = getattr(message, "entry_id", b"")
        try:
            with self._lock:
                self._running.pop(entry_id, None)
            # What was raised in this thread before the lock was ours must not meet the next message.
            _breathe()
        except Cancelled:
            self._running.pop(entry_id, None)

    after_skip_message = after_process_message

    def interrupt(self, message: StreamMessage) -> None:
        """The thread that runs the message, if one does, has been told. Its exception is an expected one."""
        with self._lock:
            runner = self._running.get(message.entry_id)
            if runner is None:
                return
            message.options["throws"] = Cancelled
            if isinstance(runner, int):
                raise_thread_exception(runner, Cancelled)  # type: ignore[no-untyped-call]  # theirs
            else:
                _soon(self._throw, message)

    def _throw(self, message: StreamMessage) -> None:
        # In the hub, nothing runs beside: the greenlet is where it was, or has gone on to another message.
        greenlet = self._running.get(message.entry_id)
        if greenlet is not None:
            greenlet.throw(Cancelled)


def _breathe() -> None:
    """Give the interpreter the moment in which it raises what another thread wants raised in this one."""


def _runner() -> Any:
    """Return what an exception can be raised in: the current greenlet, or the number of the thread."""
    if is_gevent_active():  # type: ignore[no-untyped-call]  # theirs
        from gevent import getcurrent

        return getcurrent()
    return threading.get_ident()


def _soon(function: Any, *arguments: Any) -> None:
    from gevent import get_hub

    get_hub().loop.run_callback(function, *arguments)
