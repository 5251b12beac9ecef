"""Trace: the HTTP request's id, bound to every log line of the message it caused."""

from typing import Any

import structlog
from dramatiq import Broker, MessageProxy, Middleware


class Trace(Middleware):
    """Binds the message and the HTTP request that caused it while an actor runs."""

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:
        """Have the log lines from here on say whose work this is."""
        bound = {"message": message.message_id, "actor": message.actor_name}
        if trace := message.options.get("trace"):
            bound["request_id"] = trace
        structlog.contextvars.bind_contextvars(**bound)

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
