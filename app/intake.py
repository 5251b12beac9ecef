"""Intake: a request is committed first and sent second, so that what was promised is never only in Redis.

Requests that come at the same time are committed by one statement and sent by one command.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from dramatiq import BrokerConnectionError, Message
from sqlalchemy import Connection

from app import messages
from app.database import Database
from app.errors import DatabaseAway, RequestNotFound
from app.groups import Groups
from app.models import idempotency, requests, standings
from app.models.standings import Standing
from app.outbox import Outbox
from app.rulebook import Rulebook
from app.spans import origin, span
from broker import Interrupted, RedisStreamsBroker

log = structlog.get_logger(__name__)

#: How long requests wait to be committed by as many as the group before.
PATIENCE_S = 0.003


class Intake:
    """The door through which every request comes in."""

    def __init__(self, database: Database, broker: RedisStreamsBroker, outbox: Outbox, rulebook: Rulebook) -> None:
        self._database = database
        self._broker = broker
        self._outbox = outbox
        self._rulebook = rulebook
        self._commits: Groups[requests.New, datetime] = Groups(
            "intake", self._commit, shared=(DatabaseAway,), patience_s=PATIENCE_S
        )
        self._sends: Groups[Message[Any], None] = Groups("sends", self._enqueue, shared=(BrokerConnectionError,))

    def accept(
        self,
        request_id: UUID,
        *,
        client_id: UUID,
        source: str,
        ruleset: str,
        items: Sequence[Any],
        autofix: requests.Autofix | None = None,
    ) -> Standing:
        """Return where the request is: committed, and its message on the way, or to be sent once Redis is back.

        Raises:
            UnknownRuleSet: nothing of that name (`fx_rate`, `fx_rate@1`) is published; nothing was stored.
            DatabaseAway: nothing was stored.
        """
        ref = self._rulebook.named(self._database, ruleset)
        row = requests.New(request_id, client_id, source, ref, items, autofix)
        with span("commit"):
            created_at = self._commits.do(row)
        self.send(request_id)
        return pending(row, created_at)

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
    ) -> Standing:
        """Return where the request is that the key stands for: this one, accepted, or the one that came first.

        Key and row are committed in one transaction, so this one is not committed in a group.

        Raises, besides what `accept` does:
            IdempotencyKeyBusy, IdempotencyKeyReused: nothing was stored.
            RequestNotFound: the one that came first is not in the ledger any more.
        """
        with span("commit"), self._database.transaction() as session:
            made_id = idempotency.claim(session, key, request_id)
            if made_id != request_id:
                return _first(session.connection(), made_id, client_id)
            ref = self._rulebook.resolve(session, ruleset)
            row = requests.New(request_id, client_id, source, ref, items, autofix)
            created_at = requests.add(session.connection(), [row])[request_id]
        self.send(request_id)
        return pending(row, created_at)

    def send(self, request_id: UUID) -> None:
        """Send the request's message; when Redis is away the row waits for `app.rescue`."""
        epoch = self._outbox.epoch
        try:
            with span("send"):
                self._sends.do(messages.validate(request_id, **origin()))
        except BrokerConnectionError as error:
            log.warning("intake.not_sent", validation=str(request_id), error=str(error))
            return
        self._outbox.sent(request_id, epoch)

    def _commit(self, rows: Sequence[requests.New]) -> Sequence[datetime]:
        with self._database.connection() as connection:
            made = requests.add(connection, rows)
        return [made[row.id] for row in rows]

    def _enqueue(self, group: Sequence[Message[Any]]) -> Sequence[BrokerConnectionError | None]:
        if len(group) == 1:  # One command is less than the script that places many.
            self._broker.enqueue(group[0])
            return [None]
        try:
            self._broker.enqueue_many(group)
        except Interrupted as error:
            sent = {message.message_id for message in error.sent}
            return [None if message.message_id in sent else error for message in group]
        return [None] * len(group)


def pending(row: requests.New, created_at: datetime) -> Standing:
    """Return where a request is that has just been committed."""
    return Standing(row.id, row.client_id, requests.State.PENDING, row.ruleset, row.source, created_at)


def _first(connection: Connection, request_id: UUID, client_id: UUID) -> Standing:
    standing = standings.read(connection, [request_id]).get(request_id)
    if standing is None or standing.client_id != client_id:
        raise RequestNotFound("There is no such request any more.")
    return standing
