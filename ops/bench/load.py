"""The clients: items sent over HTTP, and every answer checked. A program of its own, the same for all services.

    python -m ops.bench.load < ORDER > OUTCOME     both are JSON

A *visit* is one item on its way from POST to verdict. In a closed loop each client begins its next visit when the last
one has ended; in an open one visits begin on a fixed schedule, whatever became of those before, and their time counts
from the schedule, so that a service that stalls is not spared those who would have come meanwhile.

What may surprise: one thread, plain sockets and as little parsing as will do, since on two cores what the clients use
is taken from the service. A wrong answer, or none, ends the program with status 1 and a line that says so.
"""

from __future__ import annotations

import heapq
import json
import selectors
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from itertools import cycle, islice
from typing import Any

import orjson

from app.rules import compile_rules
from ops.bench.freight import RULESET, items

#: Different items; then they come again.
ITEMS = 1_000
#: Every so many of `items` is bad.
BAD = 5

#: Seconds between two looks of a client that polls, and that others ask the service to hold their request.
POLL_S = 0.05
WAIT_S = 20
#: The longest that a visit may take.
PATIENCE_S = 30.0
#: Connections that an open loop begins with, and may have; each visit needs one.
READY = 16
MOST_CONNECTIONS = 400

PATH = "/api/validation/validate"


class Way(StrEnum):
    """How a client gets from its item to the verdict."""

    #: One POST with `Prefer: wait`.
    WAIT = "Prefer: wait"
    #: POST, then a GET that is held until the verdict is there.
    LONG_POLL = "POST + long poll"
    #: POST, then a GET each POLL_S.
    POLL = "POST + poll"


class WrongAnswer(Exception):
    """The service did not answer, or not with what is true."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """How many visit, and for how long."""

    #: Clients of a closed loop, or 0 for an open one, at so many visits a second.
    clients: int = 0
    per_s: float = 0
    #: How long visits begin, and how much of that at the beginning does not count.
    seconds: float
    warm_s: float = 0

    @property
    def name(self) -> str:
        """What it is called in a table."""
        return f"{self.clients} clients" if self.clients else f"{self.per_s:g}/s"


@dataclass(frozen=True, slots=True)
class Order:
    """Who visits which service, and how."""

    port: int
    token: str
    way: Way
    crowd: Crowd


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the clients saw."""

    #: Visits that ended, all with the right verdict, and how many of them found a bad item.
    visits: int
    bad: int
    #: Of visits that count: how many ended a second, and how long each took.
    per_s: float
    times_ms: list[float]
    #: CPU that the clients used.
    cpu_s: float


@dataclass(frozen=True, slots=True)
class Item:
    """A request to send, and what is true of its item."""

    post: bytes
    verdict: str
    findings: int


@dataclass(slots=True)
class Visit:
    """One item on its way."""

    item: Item
    begun: float
    get: bytes = b""


@dataclass(slots=True)
class Connection:
    """One connection, and the visit that uses it."""

    socket: socket.socket
    visit: Visit | None = None
    heard: bytearray = field(default_factory=bytearray)


class Load:
    """The visits of one order, all in this thread."""

    def __init__(self, order: Order, sheet: Sequence[Item]) -> None:
        self._order = order
        self._crowd = crowd = order.crowd
        self._sheet = cycle(sheet)
        # select(2) wakes to the microsecond, epoll(7) to the millisecond, but costs less with many connections.
        self._selector = selectors.DefaultSelector() if crowd.clients else selectors.SelectSelector()
        self._idle: list[Connection] = []
        self._connections = self._begun = self._busy = 0
        #: Polls to come: when, and a number that keeps connections from being compared.
        self._later: list[tuple[float, int, Connection]] = []
        self._bad = self._polls = 0
        #: When visits that have ended had begun and ended.
        self._ended: list[tuple[float, float]] = []
        #: When the next visit begins, when the first did, and from when on none does.
        self._due = self._start = self._stop = 0.0

    def run(self) -> Outcome:
        """Return what came of the order. Raises WrongAnswer."""
        for _ in range(self._crowd.clients or READY):
            self._idle.append(self._connect())
        used = time.process_time()
        self._start = self._due = time.monotonic()
        self._stop = self._start + self._crowd.seconds
        while self._busy or self._due < self._stop:
            now = time.monotonic()
            if now > self._stop + PATIENCE_S:
                raise WrongAnswer(f"{self._busy} visits have not ended after {PATIENCE_S:g} s")
            self._begin_due(now)
            self._ask_due(now)
            for key, _ in self._selector.select(self._pause_s(now)):
                self._hear(key.data)
        return self._outcome(self._start + self._crowd.warm_s, time.process_time() - used)

    def _begin_due(self, now: float) -> None:
        if self._crowd.clients:
            self._due = now
            while self._idle and now < self._stop:
                self._begin(now)
        else:
            while self._due <= now and self._due < self._stop:
                self._begin(self._due)
                self._due = self._start + self._begun / self._crowd.per_s

    def _ask_due(self, now: float) -> None:
        while self._later and self._later[0][0] <= now:
            connection = heapq.heappop(self._later)[2]
            assert connection.visit is not None
            send(connection, connection.visit.get)

    def _pause_s(self, now: float) -> float:
        """Return how long there is nothing to do but to listen."""
        times = [self._stop + PATIENCE_S]
        if self._later:
            times.append(self._later[0][0])
        if not self._crowd.clients and self._due < self._stop:
            times.append(self._due)
        return max(0.0, min(times) - now)

    def _connect(self) -> Connection:
        if self._connections == MOST_CONNECTIONS:
            raise WrongAnswer(f"{MOST_CONNECTIONS} visits at the same time: the service does not keep up")
        self._connections += 1
        connection = Connection(socket.create_connection(("127.0.0.1", self._order.port), timeout=PATIENCE_S))
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.socket.setblocking(False)
        self._selector.register(connection.socket, selectors.EVENT_READ, connection)
        return connection

    def _begin(self, begun: float) -> None:
        connection = self._idle.pop() if self._idle else self._connect()
        connection.visit = Visit(next(self._sheet), begun)
        self._begun += 1
        self._busy += 1
        send(connection, connection.visit.item.post)

    def _hear(self, connection: Connection) -> None:
        piece = connection.socket.recv(65_536)
        if not piece or connection.visit is None:
            raise WrongAnswer("the service closed a connection" if not piece else "an answer that nobody asked for")
        connection.heard += piece
        reply = parsed(connection.heard)
        if reply is not None:
            connection.heard.clear()
            self._take(connection, connection.visit, *reply)

    def _take(self, connection: Connection, visit: Visit, status: int, body: bytes) -> None:
        if status == 200:
            self._end(connection, visit, orjson.loads(body))
            return
        if status != 202 or self._order.way is Way.WAIT or (visit.get and self._order.way is Way.LONG_POLL):
            raise WrongAnswer(f"{status} by {self._order.way}: {body[:300].decode(errors='replace')}")
        if not visit.get:
            visit.get = self._get(orjson.loads(body)["links"]["result"])
        if self._order.way is Way.LONG_POLL:
            send(connection, visit.get)
        else:
            self._polls += 1
            heapq.heappush(self._later, (time.monotonic() + POLL_S, self._polls, connection))

    def _get(self, link: str) -> bytes:
        query = f"?wait={WAIT_S}" if self._order.way is Way.LONG_POLL else ""
        return head(self._order, f"GET {link}{query}") + b"\r\n"

    def _end(self, connection: Connection, visit: Visit, answer: dict[str, Any]) -> None:
        found = (answer["verdict"], sum(len(each["findings"]) for each in answer["items"]))
        if found != (visit.item.verdict, visit.item.findings):
            raise WrongAnswer(f"{found}, not {(visit.item.verdict, visit.item.findings)}")
        self._bad += found[0] == "invalid"
        now = time.monotonic()
        self._ended.append((visit.begun, now))
        connection.visit = None
        self._idle.append(connection)
        self._busy -= 1

    def _outcome(self, warm: float, cpu_s: float) -> Outcome:
        times_ms = [(ended - begun) * 1000 for begun, ended in self._ended if begun >= warm]
        if not times_ms:
            raise WrongAnswer("no visit began after the warm-up: the service is too slow to measure")
        return Outcome(
            visits=len(self._ended),
            bad=self._bad,
            per_s=sum(warm <= ended < self._stop for _, ended in self._ended) / (self._stop - warm),
            times_ms=times_ms,
            cpu_s=cpu_s,
        )


def send(connection: Connection, text: bytes) -> None:
    """The request is on its way. Raises WrongAnswer when the service does not even take it."""
    if connection.socket.send(text) != len(text):
        raise WrongAnswer("the service does not read")


def parsed(heard: bytearray) -> tuple[int, bytes] | None:
    """Return status and body of a whole HTTP/1.1 response, None while some of it is missing. Raises WrongAnswer."""
    split = heard.find(b"\r\n\r\n")
    if split < 0:
        return None
    lines = bytes(heard[:split]).lower()
    _, found, rest = lines.partition(b"\r\ncontent-length:")
    if not found:
        raise WrongAnswer(f"a response without its length: {lines[:300].decode(errors='replace')}")
    end = split + 4 + int(rest.partition(b"\r\n")[0])
    return (int(lines[9:12]), bytes(heard[split + 4 : end])) if len(heard) >= end else None


def head(order: Order, line: str) -> bytes:
    """Return the head of a request up to, and without, the empty line."""
    return f"{line} HTTP/1.1\r\nHost: 127.0.0.1:{order.port}\r\nAuthorization: Bearer {order.token}\r\n".encode()


def sheet(order: Order, number: int = ITEMS) -> list[Item]:
    """Return the requests to send. Raises WrongAnswer when an item is not what the generator meant it to be."""
    ruleset = compile_rules(RULESET)
    prefer = f"Prefer: wait={WAIT_S}\r\n".encode() if order.way is Way.WAIT else b""
    found = []
    for place, item in enumerate(islice(items(seed=5), number), start=1):
        body = orjson.dumps({"ruleset": RULESET["name"], "item": item})
        length = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        findings = ruleset.check(item)
        if bool(findings) != (place % BAD == 0):
            raise WrongAnswer(f"item {place} is not as it was meant to be: {findings}")
        post = head(order, f"POST {PATH}") + prefer + length + body
        found.append(Item(post, "invalid" if findings else "valid", len(findings)))
    return found


def main() -> int:
    """Obey the order on standard input. Return 1 when an answer was wrong or missing."""
    told = json.load(sys.stdin)
    order = Order(told["port"], told["token"], Way(told["way"]), Crowd(**told["crowd"]))
    try:
        outcome = Load(order, sheet(order)).run()
    except (WrongAnswer, OSError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(json.dumps(asdict(outcome)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
