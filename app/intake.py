"""Intake: a request is committed first and sent second, so that what was promised is never only in Redis."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog
from dramatiq import Broker, BrokerConnectionError

from app import messages
from app.database import Database
from app.models import requests
from app.outbox import Outbox
from app.rulebook import Rulebook
from app.spans import origin, span

log = structlog.get_logger(__name__)


class Intake:
    """The door through which every request comes in."""

    def __init__(self, database: Database, broker: Broker, outbox: Outbox, rulebook: Rulebook) -> None:
        self._database = database
        self._broker = broker
        self._outbox = outbox
        self._rulebook = rulebook

    def accept(
        self,
        request_id: UUID,
        *,
        client_id: UUID,
        source: str,
        ruleset: str,
        items: Sequence[Any],
        autofix: requests.Autofix | None = None,
    ) -> requests.Request:
        """Return the request, committed; its message is on the way, or will be once Redis is back.

        Raises:
            UnknownRuleSet: nothing of that name (`fx_rate`, `fx_rate@1`) is published; nothing was stored.
            DatabaseAway: nothing was stored.
        """
        with span("commit"), self._database.autocommit() as session:
            ref = self._rulebook.resolve(session, ruleset)
            request = requests.add(
                session,
                request_id=request_id,
                client_id=client_id,
                source=source,
                ruleset=ref,
                items=items,
                autofix=autofix,
            )
        self.send(request_id)
        return request

    def send(self, request_id: UUID) -> None:
        """Send the request's message; when Redis is away the row waits for `app.rescue`."""
        epoch = self._outbox.epoch
        try:
            with span("send"):
                self._broker.enqueue(messages.validate(request_id, **origin()))
        except BrokerConnectionError as error:
            log.warning("intake.not_sent", validation=str(request_id), error=str(error))
            return
        self._outbox.sent(request_id, epoch)
