"""Trace: the HTTP request's id and its trace's, bound to every log line of the message it caused."""

from typing import Any

import structlog
from dramatiq import Broker, MessageProxy, Middleware


class Trace(Middleware):
    """Binds the message and the HTTP request that caused it while an actor runs, and while it is given up.

    Belongs before all other middleware: so it is the first to begin and the last to end, and their lines say it too.
    """

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:
        """Have the log lines from here on say whose work this is."""
        bind(message)

    def after_process_message(
        self,
        broker: Broker,
        message: MessageProxy,
        *,
        result: Any = None,
        exception: BaseException | None = None,
    ) -> None:
        """Let go of it."""
        structlog.contextvars.clear_contextvars()

    def after_skip_message(self, broker: Broker, message: MessageProxy) -> None:
        """Let go of it."""
        structlog.contextvars.clear_contextvars()

    def before_nack(self, broker: Broker, message: MessageProxy) -> None:
        """Have the log lines of its end say whose work this was."""
        bind(message)

    def after_nack(self, broker: Broker, message: MessageProxy) -> None:
        """Let go of it."""
        structlog.contextvars.clear_contextvars()


def bind(message: MessageProxy) -> None:
    """Have the log lines from here on say whose work this is."""
    bound = {"message": message.message_id, "actor": message.actor_name}
    if request_id := message.options.get("trace"):
        bound["request_id"] = request_id
    if traceparent := message.options.get("traceparent"):
        bound["trace_id"] = traceparent[3:35]
    structlog.contextvars.bind_contextvars(**bound)
