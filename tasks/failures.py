"""Failures: a validation that is about to become a dead letter is ended as `failed`, and its waiter is told.

The row is written first: if the worker dies between the two, the message comes again, finds the request ended, and is
dropped. The other way round there could be a dead letter whose request waits for ever.
"""

from uuid import UUID

import redis
import structlog
from dramatiq import Broker, MessageProxy, Middleware

from app import messages
from app.errors import AppError
from app.models import requests
from app.platform import Platform

log = structlog.get_logger(__name__)

#: What of an exception is shown to the client: its kind. The text may quote the item or the machine.
REASON = "The rules could not be applied ({kind}). The operator has the details under this id."


class Failures(Middleware):
    """Ends the request of every validation that is given up."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def before_nack(self, broker: Broker, message: MessageProxy) -> None:
        """Mark the request as failed, if it was still waiting."""
        if message.actor_name != messages.VALIDATE:
            return
        try:
            request_id = UUID(*message.args)
        except (TypeError, ValueError):
            log.error("validation.no_id", message=message.message_id)
            return
        self._fail(request_id, message)

    def _fail(self, request_id: UUID, message: MessageProxy) -> None:
        kind = type(message._exception).__name__ if message._exception else "unknown"
        try:
            with self._platform.database.transaction() as session:
                failed = requests.fail(session, request_id, REASON.format(kind=kind))
            if failed:
                log.error("validation.failed", validation=str(request_id), kind=kind)
            self._platform.notices.tell(request_id)
        except (AppError, redis.RedisError) as error:
            # The row stays pending, and `app.rescue` sends it again when it is stale.
            log.error("validation.not_marked_failed", validation=str(request_id), error=str(error))
