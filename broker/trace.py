"""W3C trace context (https://www.w3.org/TR/trace-context/) from the sender of a message to the actor that it runs.

It travels in the message's options `traceparent` and `tracestate`, which retries keep. No tracing library is
needed: what binds the context where a message is sent is a callable of the application's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import dramatiq
from dramatiq.broker import MessageProxy
from dramatiq.message import Message
from dramatiq.middleware import Middleware

# Version 00, and what later versions begin with; all zeros are no ids, and ff is no version.
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")

#: Characters of version 00, which later versions begin with.
_LENGTH = 55

#: Longer lists of vendors' states are not carried.
_MAX_STATE = 512


@dataclass(frozen=True, slots=True)
class Trace:
    """The headers of a trace, as they were where a message was sent."""

    traceparent: str
    tracestate: str = ""

    @property
    def trace_id(self) -> str:
        """The trace's name: 32 hexadecimal digits, the same in all of its headers."""
        return self.traceparent[3:35]


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def current() -> Trace | None:
    """Return the trace of the message that is being processed here, or None."""
    return _current.get()


def adopt(traceparent: str | None) -> Trace | None:
    """Return the trace that a stranger's header names, now the current one; None when there is none or it is malformed.

    For what is no message: a request over HTTP, whose sends then belong to its caller's trace. Only the ids are taken,
    since anything may stand in `tracestate` and in what later versions of the header add.
    """
    trace = _parsed(traceparent, None) if traceparent else None
    if trace is not None:
        trace = Trace(trace.traceparent[:_LENGTH])
    _current.set(trace)
    return trace


def carried() -> Mapping[str, str]:
    """Return the current trace as headers: what an actor sends belongs to the trace of what it processes."""
    trace = current()
    return {} if trace is None else {"traceparent": trace.traceparent, "tracestate": trace.tracestate}


class TraceContext(Middleware):
    """Carries the trace context that `getter` returns as a mapping of headers; those it lacks are not carried.

    With OpenTelemetry, whose `inject` fills a mapping: `def getter(): inject(headers := {}); return headers`.
    A malformed context is not carried, as the specification has it. What breaks in `getter` is logged, and stops
    no message.
    """

    def __init__(self, getter: Callable[[], Mapping[str, str]] = carried) -> None:
        self.getter = getter

    def before_enqueue(self, broker: dramatiq.Broker, message: Message[Any], delay: int | None) -> None:
        """The message carries a trace context, if there is one and it had none of its own."""
        if "traceparent" in message.options:
            return
        headers = self.getter()
        trace = _parsed(headers.get("traceparent"), headers.get("tracestate"))
        if trace is not None:
            message.options["traceparent"] = trace.traceparent
            if trace.tracestate:
                message.options["tracestate"] = trace.tracestate

    def before_process_message(self, broker: dramatiq.Broker, message: MessageProxy) -> None:
        """The message's trace is the current one."""
        _current.set(_parsed(message.options.get("traceparent"), message.options.get("tracestate")))

    def after_process_message(
        self,
        broker: dramatiq.Broker,
        message: MessageProxy,
        *,
        result: Any = None,
        exception: BaseException | None = None,
    ) -> None:
        """There is no current trace."""
        _current.set(None)

    after_skip_message = after_process_message


def _parsed(traceparent: object, tracestate: object) -> Trace | None:
    if not isinstance(traceparent, str) or not _TRACEPARENT.fullmatch(traceparent):
        return None
    if traceparent.startswith("00") and len(traceparent) != _LENGTH:
        return None
    if not isinstance(tracestate, str) or len(tracestate) > _MAX_STATE:
        return Trace(traceparent)
    return Trace(traceparent, tracestate)
