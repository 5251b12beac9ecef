"""Failures: a validation or a comparison that is about to become a dead letter is ended as `failed`.

The row is written first: if the worker dies between the two, the message comes again, finds the row ended, and is
dropped. The other way round there could be a dead letter whose request waits for ever.
"""

from uuid import UUID

import redis
import structlog
from dramatiq import Broker, MessageProxy, Middleware

from app import comparison, messages
from app.errors import AppError
from app.models import requests
from app.platform import Platform

log = structlog.get_logger(__name__)

#: What of an exception is shown to the client: its kind. The text may quote the item or the machine.
REASON = "The rules could not be applied ({kind}). The operator has the details under this id."


class Failures(Middleware):
    """Ends the request or the comparison whose message is given up."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def before_nack(self, broker: Broker, message: MessageProxy) -> None:
        """Mark the request, or the comparison, as failed, if it was not over."""
        fail = {messages.VALIDATE: self._fail, messages.COMPARE: self._fail_comparison}.get(message.actor_name)
        if fail is None:
            return
        try:
            row_id = UUID(*message.args[:1])
        except (AttributeError, TypeError, ValueError):
            log.error("failures.no_id", actor=message.actor_name, message=message.message_id)
            return
        fail(row_id, type(message._exception).__name__ if message._exception else "unknown")

    def _fail(self, request_id: UUID, kind: str) -> None:
        try:
            with self._platform.database.transaction() as session:
                failed = requests.fail(session, request_id, REASON.format(kind=kind))
            if failed:
                log.error("validation.failed", validation=str(request_id), kind=kind)
            self._platform.notices.tell({request_id: b""})
        except (AppError, redis.RedisError) as error:
            # The row stays pending, and `app.rescue` sends it again when it is stale.
            log.error("validation.not_marked_failed", validation=str(request_id), error=str(error))

    def _fail_comparison(self, comparison_id: UUID, kind: str) -> None:
        try:
            with self._platform.database.transaction() as session:
                comparison.fail(session, comparison_id, REASON.format(kind=kind))
        except AppError as error:
            # The row stays open, and `comparison.resume` has it tried again.
            log.error("comparison.not_marked_failed", comparison=str(comparison_id), error=str(error))
