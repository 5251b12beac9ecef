"""Tracking of messages: each is a span where spans are recorded, and an error that ends one for good is reported.

An attempt that fails is no report: the retries are there for it. Ticks of the clock are no spans: they never end.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import structlog
from dramatiq import Broker, MessageProxy, Middleware, Worker
from dramatiq.errors import Retry

from app import messages
from app.telemetry.tracking import Tracking

if TYPE_CHECKING:
    from app.telemetry.errors import Errors
    from app.telemetry.traces import Traces, Work

_work: ContextVar[Work | None] = ContextVar("work", default=None)


def install(broker: Broker, tracking: Tracking) -> None:
    """Have every message that `broker` processes tracked as far as this process tracks."""
    if tracking.traces:
        broker.add_middleware(Spans(tracking.traces))
    if tracking.errors:
        broker.add_middleware(Reports(tracking.errors))
    broker.add_middleware(Farewell(tracking))


class Spans(Middleware):
    """Has each message be a span, in the trace of whoever sent it."""

    def __init__(self, traces: Traces) -> None:
        self._traces = traces

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:
        """The work begins, and log lines name its trace."""
        if message.queue_name == messages.UPKEEP:
            return
        told = {
            "messaging.system": "redis",
            "messaging.operation.type": "process",
            "messaging.destination.name": message.queue_name,
            "messaging.message.id": message.message_id,
            "rate.actor": message.actor_name,
            "rate.retries": message.options.get("retries", 0),
        }
        if request_id := message.options.get("trace"):
            told["rate.request_id"] = request_id
        work = self._traces.process(f"process {message.queue_name}", told)
        _work.set(work)
        structlog.contextvars.bind_contextvars(trace_id=work.trace_id)

    def after_process_message(
        self,
        broker: Broker,
        message: MessageProxy,
        *,
        result: Any = None,
        exception: BaseException | None = None,
    ) -> None:
        """The work is over: done, to be done later, or failed."""
        if exception is None:
            self._end("done")
        elif isinstance(exception, Retry):
            self._end("later")
        else:
            self._end("failed", type(exception).__name__)

    def after_skip_message(self, broker: Broker, message: MessageProxy) -> None:
        """The work is over before it began."""
        self._end("skipped")

    def _end(self, outcome: str, failure: str | None = None) -> None:
        work = _work.get()
        if work is not None:
            _work.set(None)
            work.tell({"rate.outcome": outcome}, failure=failure)
            work.end()


class Reports(Middleware):
    """Has the error reported for which a message is given up."""

    def __init__(self, errors: Errors) -> None:
        self._errors = errors

    def before_nack(self, broker: Broker, message: MessageProxy) -> None:
        """Report it. Whose work it was is in the context, see `tasks.trace`."""
        if message._exception is not None:  # Else it was too old: nothing went wrong.
            traceparent = message.options.get("traceparent")
            self._errors.report(message._exception, place=message.actor_name, traceparent=traceparent)


class Farewell(Middleware):
    """Has everything sent when the worker stops: Dramatiq ends its processes in a way that runs nothing else."""

    def __init__(self, tracking: Tracking) -> None:
        self._tracking = tracking

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        """Send it."""
        self._tracking.close()
