"""Spans: the pieces of work that a trace shows, named where they are done. While nobody records them they cost nothing.

No tracing library is known here: `app.telemetry.traces` records spans, in a process that has a collector's address.
What is current (the span, the request's id) belongs to a `contextvars` context, so what one thread does for another has
to run in the other's context, and a message says at its making where it comes from.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from contextvars import Context
from typing import Any, Protocol

import structlog

from broker import trace

_UNRECORDED: AbstractContextManager[None] = nullcontext()

#: Where structlog keeps the request's id. It tells so at the binding; its other way is to copy all that is bound.
_request_id = Context().run(structlog.contextvars.bind_contextvars, request_id="")["request_id"].var


class Recorder(Protocol):
    """Who records the spans of this process."""

    def span(self, name: str, attributes: Mapping[str, str | int]) -> AbstractContextManager[object]:
        """Return a block that is recorded as a part of what is going on."""

    def headers(self) -> Mapping[str, str]:
        """Return what tells others to which span their work belongs: `traceparent`, `tracestate` (W3C)."""


_recorder: Recorder | None = None


def record(recorder: Recorder | None) -> None:
    """Have the spans of this process recorded, or no more recorded, from now on."""
    global _recorder
    _recorder = recorder


def span(name: str, **attributes: str | int) -> AbstractContextManager[object]:
    """Return a block that is one span, with attributes that say nothing of any item. What it raises fails the span."""
    recorder = _recorder
    return _UNRECORDED if recorder is None else recorder.span(name, attributes)


def shared(contexts: Sequence[Context], name: str) -> AbstractContextManager[object]:
    """Return a block that is one span in each of these contexts: work that is done for all of them at once."""
    return _UNRECORDED if _recorder is None else _shared(contexts, name)


@contextmanager
def _shared(contexts: Sequence[Context], name: str) -> Iterator[None]:
    blocks = [(context, context.run(span, name)) for context in contexts]
    for context, block in blocks:
        context.run(block.__enter__)
    ended: tuple[Any, ...] = (None, None, None)
    try:
        yield
    except BaseException as error:
        ended = (type(error), error, error.__traceback__)
        raise
    finally:
        for context, block in blocks:
            with suppress(Exception):  # A block raises again what it is told.
                context.run(block.__exit__, *ended)


def headers() -> Mapping[str, str]:
    """Return the W3C headers for what is sent from here. Without a recorder they are those that came in."""
    recorder = _recorder
    return trace.carried() if recorder is None else recorder.headers()


def origin() -> dict[str, str]:
    """Return the options of a message that say where it comes from: the HTTP request's id, and its trace."""
    told = {name: value for name, value in headers().items() if value}
    request_id = _request_id.get()
    if request_id is not ...:  # Which stands for what is bound no more.
        told["trace"] = request_id
    return told
