"""Dramatiq's Pipelines, sooner done with a message that is in none: that one looks for its parts with every message."""

from __future__ import annotations

from typing import Any

import dramatiq
from dramatiq.broker import MessageProxy
from dramatiq.middleware import Pipelines as DramatiqPipelines


class Pipelines(DramatiqPipelines):
    """Dramatiq's Pipelines, with the same options."""

    def after_process_message(
        self,
        broker: dramatiq.Broker,
        message: MessageProxy,
        *,
        result: Any = None,
        exception: BaseException | None = None,
    ) -> None:
        """The next message of the pipeline is sent, if there is one."""
        if "pipe_target" in message.options:
            super().after_process_message(broker, message, result=result, exception=exception)  # type: ignore[no-untyped-call]  # theirs
