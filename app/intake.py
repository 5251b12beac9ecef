"""Intake: a request is committed first and sent second, so that what was promised is never only in Redis.

Requests that come at the same time are committed by one statement and sent by one command.
"""

from collections.abc import Collection, Sequence
from contextvars import Context, copy_context
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from dramatiq import BrokerConnectionError, Message
from sqlalchemy import Connection

from app import bare, messages, spans
from app.database import Database
from app.errors import DatabaseAway, RequestNotFound
from app.groups import Groups
from app.in_flight import InFlight
from app.models import idempotency, requests, standings
from app.models.standings import Standing
from app.outbox import Outbox
from app.rulebook import Rulebook
from broker import Interrupted, RedisStreamsBroker

log = structlog.get_logger(__name__)

#: How long requests wait for the next one, to be committed by as many as the group before.
PATIENCE_S = 0.003
#: How many are committed and sent together at most: while these are being judged, others can be gathered.
MOST = 32


class Entry(NamedTuple):
    """A request that is to be accepted, and what is current where it came in."""

    row: requests.New
    context: Context


class Intake:
    """The door through which every request comes in."""

    def __init__(self, database: Database, broker: RedisStreamsBroker, outbox: Outbox, rulebook: Rulebook) -> None:
        self._database = database
        self._broker = broker
        self._outbox = outbox
        self._rulebook = rulebook
        self._in_flight = InFlight()
        self._entries: Groups[Entry, datetime] = Groups(
            "intake",
            self._accept,
            shared=(DatabaseAway,),
            most=MOST,
            patience_s=PATIENCE_S,
            ahead=self._in_flight.number,
        )

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
        return pending(row, self._entries.do(Entry(row, copy_context())))

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
        with spans.span("commit"), self._database.transaction() as session:
            made_id = idempotency.claim(session, key, request_id)
            if made_id != request_id:
                return _first(session.connection(), made_id, client_id)
            ref = self._rulebook.resolve(session, ruleset)
            row = requests.New(request_id, client_id, source, ref, items, autofix)
            created_at = requests.add(bare.of(session), [row])[request_id]
        self._send([Entry(row, copy_context())])
        return pending(row, created_at)

    def heard(self, request_ids: Collection[UUID]) -> None:
        """These requests have ended, whichever process has accepted them."""
        if self._in_flight.ended(request_ids):
            self._entries.look()

    def _accept(self, group: Sequence[Entry]) -> Sequence[datetime]:
        with spans.shared([entry.context for entry in group], "commit"), self._database.single() as connection:
            made = requests.add(connection, [entry.row for entry in group])
        self._in_flight.sent(made)
        self._send(group)
        return [made[entry.row.id] for entry in group]

    def _send(self, group: Sequence[Entry]) -> None:
        """Have the messages of committed requests on their way. Those that are not wait for `app.rescue`."""
        epoch = self._outbox.epoch
        with spans.shared([entry.context for entry in group], "send"):
            outcomes = self._enqueue([entry.context.run(message, entry.row.id) for entry in group])
        sent = [entry.row.id for entry, error in zip(group, outcomes, strict=True) if error is None]
        if sent:
            self._outbox.sent(sent, epoch)
        for entry, error in zip(group, outcomes, strict=True):
            if error is not None:
                entry.context.run(log.warning, "intake.not_sent", validation=str(entry.row.id), error=str(error))

    def _enqueue(self, group: Sequence[Message[Any]]) -> Sequence[Exception | None]:
        """Send the messages; return for each what kept it from being sent. Raises nothing: they stand for promises."""
        try:
            if len(group) == 1:  # One command is less than the script that places many.
                self._broker.enqueue(group[0])
            else:
                self._broker.enqueue_many(group)
        except Interrupted as error:
            sent = {message.message_id for message in error.sent}
            return [None if message.message_id in sent else error for message in group]
        except Exception as error:
            if not isinstance(error, BrokerConnectionError):
                log.exception("intake.send_failed")
            return [error] * len(group)
        return [None] * len(group)


def message(request_id: UUID) -> Message[None]:
    """Return the message that has the request validated, as sent from here."""
    return messages.validate(request_id, **spans.origin())


def pending(row: requests.New, created_at: datetime) -> Standing:
    """Return where a request is that has just been committed."""
    return Standing(row.id, row.client_id, requests.State.PENDING, row.ruleset, row.source, created_at)


def _first(connection: Connection, request_id: UUID, client_id: UUID) -> Standing:
    standing = standings.read(connection, [request_id]).get(request_id)
    if standing is None or standing.client_id != client_id:
        raise RequestNotFound("There is no such request any more.")
    return standing
