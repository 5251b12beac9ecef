"""Intake: a request is committed first and sent second, so that what was promised is never only in Redis."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog
from dramatiq import Broker, BrokerConnectionError
from sqlalchemy.orm import Session

from app import messages
from app.database import Database
from app.errors import RequestNotFound
from app.models import idempotency, requests
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

    def accept_once(
        self,
        key: idempotency.Key,
        request_id: UUID,
        *,
        client_id: UUID,
        source: str,
        ruleset: str,
        items: Sequence[Any],
        autofix: requests.Autofix | None = None,
    ) -> requests.Request:
        """Return the request that the key stands for: this one, accepted, or the one that came first, as it is now.

        Raises, besides what `accept` does:
            IdempotencyKeyBusy, IdempotencyKeyReused: nothing was stored.
            RequestNotFound: the one that came first is not in the ledger any more.
        """
        with span("commit"), self._database.transaction() as session:
            made_id = idempotency.claim(session, key, request_id)
            if made_id != request_id:
                return self._first(session, made_id, client_id)
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

    def _first(self, session: Session, request_id: UUID, client_id: UUID) -> requests.Request:
        request = requests.find(session, request_id, client_id=client_id)
        if request is None:
            raise RequestNotFound("There is no such request any more.")
        return request
