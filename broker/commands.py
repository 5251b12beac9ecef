"""The commands of `python -m broker`: each asks or changes one thing, and returns what is to be shown."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from broker import tables
from broker.inspector import Inspector, WorkerStatus
from broker.letters import Letter, Letters
from broker.listing import Listed, Page
from broker.streams import RedisStreamsBroker


class Refused(Exception):
    """The command cannot be done; the text says why in one line. `code` is the exit code."""

    def __init__(self, text: str, code: int = 1) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Shown:
    """The answer to a command: as JSON, and as text for a person."""

    json: Any
    text: str


@dataclass(frozen=True, slots=True)
class Desk:
    """Where an operator works: the broker, and a way to ask whether to go on (raises Refused for no)."""

    broker: RedisStreamsBroker
    confirm: Callable[[str], None]

    @property
    def inspector(self) -> Inspector:
        return Inspector(self.broker.client, self.broker.namespace)

    @property
    def letters(self) -> Letters:
        return Letters(self.broker.client, self.broker.namespace)

    def know(self, queue: str) -> str:
        """Return the queue's name. Raises Refused if nobody ever used it: it is misspelt."""
        if queue not in self.inspector.names():
            status = self.inspector.queue(queue)
            if not (any(status.lanes.values()) or status.delayed or status.dead or status.paused):
                raise Refused(f"no queue is called {tables.plain(queue)}")
        return queue


def queues(desk: Desk, _: argparse.Namespace) -> Shown:
    """Show all queues."""
    found = desk.inspector.queues()
    headings = ("QUEUE", "WAITING", "IN FLIGHT", "DELAYED", "DEAD", "OLDEST", "IN/S", "OUT/S", "STATE")
    rows = [
        (
            *(one.name, one.waiting, one.in_flight, one.delayed, one.dead, tables.age(one.oldest_ms)),
            *(_rate(one.in_rate), _rate(one.out_rate), "paused" if one.paused else "open"),
        )
        for one in found
    ]
    return Shown([asdict(one) for one in found], tables.table(headings, rows))


def workers(desk: Desk, _: argparse.Namespace) -> Shown:
    """Show all workers."""
    found = desk.inspector.workers()
    headings = ("WORKER", "QUEUE", "IN FLIGHT", "STATE", "SEEN", "MESSAGE")
    rows = [
        (
            *(one.consumer, one.queue, one.in_flight, _state(one), _ago(one.idle_ms)),
            " ".join(f"{message.actor or '?'}:{message.message_id[:8]}" for message in one.messages[:1]),
        )
        for one in found
    ]
    return Shown([_worker(one) for one in found], tables.table(headings, rows))


def peek(desk: Desk, arguments: argparse.Namespace) -> Shown:
    """Show messages of a queue."""
    queue = desk.know(arguments.queue)
    look = desk.inspector.delayed if arguments.delayed else desk.inspector.peek
    page = look(queue, arguments.cursor, arguments.limit)
    headings = ("ID", "STATE", "LANE", "AGE" if not arguments.delayed else "DUE IN", "ACTOR", "MESSAGE ID", "ARGUMENTS")
    rows = [
        (
            *(one.id, one.state, one.lane, tables.age(one.due_ms if arguments.delayed else one.age_ms)),
            *(one.actor, one.message_id, one.raw if one.message is None else _call(one)),
        )
        for one in page.items
    ]
    return _page(page, [_listed(one) for one in page.items], tables.table(headings, rows))


def dead_list(desk: Desk, arguments: argparse.Namespace) -> Shown:
    """Show dead letters of a queue."""
    queue = desk.know(arguments.queue)
    page = desk.letters.dead(queue, arguments.cursor, arguments.limit, actor=arguments.actor, reason=arguments.reason)
    headings = ("ID", "DIED", "REASON", "ACTOR", "MESSAGE ID", "RETRIES", "ERROR")
    rows = [
        (one.id, tables.moment(one.died_ms), one.reason, one.actor, one.message_id, one.retries, one.error)
        for one in page.items
    ]
    return _page(page, [_letter(one) for one in page.items], tables.table(headings, rows))


def dead_show(desk: Desk, arguments: argparse.Namespace) -> Shown:
    """Show all of one dead letter."""
    letter = desk.letters.letter(desk.know(arguments.queue), arguments.id)
    if letter is None:
        raise Refused(f"no dead letter of {arguments.queue} has the id {tables.plain(arguments.id)}")
    shown = _letter(letter) | {"traceback": letter.traceback, "raw": letter.raw.decode("utf-8", "backslashreplace")}
    times = {"enqueued": tables.moment(letter.enqueued_ms), "died": tables.moment(letter.died_ms)}
    read = {name: value for name, value in shown.items() if name not in ("traceback", "enqueued_ms", "died_ms", "raw")}
    heads = [f"{name:<12} {tables.plain(value)}" for name, value in (read | times | {"raw": shown["raw"]}).items()]
    return Shown(shown, "\n".join([*heads, "", tables.lines(letter.traceback)]).rstrip())


def dead_replay(desk: Desk, arguments: argparse.Namespace) -> Shown:
    """Put dead letters back on their queue."""
    queue, letters = desk.know(arguments.queue), desk.letters
    if bool(arguments.ids) == bool(arguments.all or arguments.actor or arguments.reason):
        raise Refused("name either letters by their ids, or --all, --actor or --reason", 2)
    if arguments.ids:
        number = letters.replay(queue, arguments.ids, rate_per_s=arguments.rate)
    else:
        which = "All" if not (arguments.actor or arguments.reason) else "All such"
        desk.confirm(f"{which} dead letters of {queue} will be run again.")
        number = letters.replay_all(queue, actor=arguments.actor, reason=arguments.reason, rate_per_s=arguments.rate)
    return Shown({"replayed": number}, f"{number} replayed")


def dead_purge(desk: Desk, arguments: argparse.Namespace) -> Shown:
    """Delete dead letters for good."""
    queue, letters = desk.know(arguments.queue), desk.letters
    if sum(map(bool, (arguments.ids, arguments.all, arguments.older_than))) != 1:
        raise Refused("name either letters by their ids, or --all, or --older-than HOURS", 2)
    if arguments.ids:
        which = "1 dead letter" if len(arguments.ids) == 1 else f"{len(arguments.ids)} dead letters"
        desk.confirm(f"{which} of {queue} will be deleted for good.")
        number = letters.purge(queue, arguments.ids)
    elif arguments.older_than is not None:
        desk.confirm(f"Dead letters of {queue} older than {arguments.older_than:g} hours will be deleted for good.")
        number = letters.purge_all(queue, older_than_ms=int(arguments.older_than * 3_600_000))
    else:
        desk.confirm(f"All dead letters of {queue} will be deleted for good.")
        number = letters.purge_all(queue)
    return Shown({"purged": number}, f"{number} purged")


def pause(desk: Desk, arguments: argparse.Namespace) -> Shown:
    """Start nothing new from a queue."""
    desk.broker.pause(queue := desk.know(arguments.queue))
    return Shown({"queue": queue, "paused": True}, f"{tables.plain(queue)} is paused")


def resume(desk: Desk, arguments: argparse.Namespace) -> Shown:
    """Go on with a queue."""
    desk.broker.resume(queue := desk.know(arguments.queue))
    return Shown({"queue": queue, "paused": False}, f"{tables.plain(queue)} goes on")


def cancel(desk: Desk, arguments: argparse.Namespace) -> Shown:
    """Take a message out of its queue, by its message id."""
    queue, message_id = desk.know(arguments.queue), arguments.message_id
    desk.confirm(f"Message {message_id} will not be started, and is interrupted if it runs.")
    state = desk.broker.cancel(queue, message_id)
    if state is None:
        raise Refused(f"no message {tables.plain(message_id)} is in {tables.plain(queue)}")
    shown = {"queue": queue, "message_id": message_id, "was": str(state)}
    return Shown(shown, f"{tables.plain(message_id)} is cancelled; it was {state}")


def _page(page: Page[Any], items: list[dict[str, Any]], text: str) -> Shown:
    more = "" if page.cursor is None else f"\nmore: --cursor {tables.plain(page.cursor)}"
    return Shown({"items": items, "cursor": page.cursor}, text + more)


def _rate(number: float | None) -> str:
    return "-" if number is None else f"{number:.1f}"


def _ago(ms: int | None) -> str:
    return "-" if ms is None else f"{tables.age(ms)} ago"


def _state(worker: WorkerStatus) -> str:
    if worker.lease_ms is None:
        return "no lease"
    return "alive" if worker.alive else "lost"


def _call(one: Listed) -> str:
    message = one.message
    assert message is not None
    return ", ".join([*map(repr, message.args), *(f"{name}={value!r}" for name, value in message.kwargs.items())])


def _listed(one: Listed) -> dict[str, Any]:
    names = ("id", "state", "lane", "actor", "message_id", "age_ms", "due_ms", "held_by")
    shown: dict[str, Any] = {name: getattr(one, name) for name in names}
    if one.message is None:
        return shown | {"raw": one.raw.decode("utf-8", "backslashreplace")}
    return shown | {"args": one.message.args, "kwargs": one.message.kwargs, "options": one.message.options}


def _worker(one: WorkerStatus) -> dict[str, Any]:
    names = ("consumer", "queue", "host", "pid", "in_flight", "alive", "lease_ms", "idle_ms")
    return {name: getattr(one, name) for name in names} | {"messages": [_listed(held) for held in one.messages]}


def _letter(one: Letter) -> dict[str, Any]:
    names = ("id", "reason", "error", "actor", "message_id", "retries", "enqueued_ms", "died_ms")
    return {name: getattr(one, name) for name in names}
