"""What every contender's program can be told on its command line, so that all play by the same rules.

    PROGRAM work URL NAME EXPECTED   run messages until killed; the bench knows this worker as NAME
    PROGRAM join URL NAME EXPECTED   the same, but not before the bench lets all workers begin
    PROGRAM hold URL NAME EXPECTED   the same, but no task ever ends
    PROGRAM fill URL NUMBER          send messages one by one, and print how many a second
    PROGRAM pace URL NUMBER SECONDS  send one message every so many seconds

It needs the standard library and redis-py only, because the peers have an environment of their own.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

from ops.bench.tally import Tally

#: What each message carries beside the time of its sending: about 200 bytes of JSON.
PAYLOAD = {
    "carrier": "MAEU",
    "origin": "VNSGN",
    "destination": "NLRTM",
    "equipment": "40HC",
    "currency": "USD",
    "amount": "2450.00",
    "valid_from": "2026-01-01",
    "valid_to": "2026-03-31",
    "surcharges": [{"code": "BAF", "amount": "310.00"}],
}

#: How many messages a worker runs at a time.
CONCURRENCY = 8

#: Called by each task when it starts, with the time that its message carries.
Note = Callable[[float], None]
#: Sends one message that carries the time and PAYLOAD.
Send = Callable[[float], object]
#: Runs messages until the process is killed.
Work = Callable[[], object]
#: Makes a contender on a Redis.
Make = Callable[[str, Note], tuple[Send, Work]]


def main(make: Make) -> None:
    """The command line has been obeyed."""
    role, url, *rest = sys.argv[1:]
    roles: dict[str, Callable[..., None]] = {"work": _work, "join": _join, "hold": _hold, "fill": _fill, "pace": _pace}
    roles[role](make, url, *rest)


def rate(number: int, seconds: float) -> None:
    """The bench has been told how many messages a second were sent."""
    print(json.dumps({"per_s": number / seconds}))


def _work(make: Make, url: str, name: str, expected: str) -> None:
    tally = Tally(url, name, int(expected))
    tally.start()
    _, work = make(url, tally.note)
    work()


def _join(make: Make, url: str, name: str, expected: str) -> None:
    tally = Tally(url, name, int(expected))
    tally.start()
    _, work = make(url, tally.note)
    tally.wait_for_start()
    work()


def _hold(make: Make, url: str, name: str, expected: str) -> None:
    tally = Tally(url, name, int(expected))
    tally.start()

    def hold(sent: float) -> None:
        tally.note(sent)
        time.sleep(3600)

    _, work = make(url, hold)
    work()


def _fill(make: Make, url: str, number: str) -> None:
    send, _ = make(url, _unheard)
    send(time.monotonic())  # connects
    begun = time.monotonic()
    for _one in range(int(number) - 1):
        send(time.monotonic())
    rate(int(number) - 1, time.monotonic() - begun)


def _pace(make: Make, url: str, number: str, every_s: str) -> None:
    send, _ = make(url, _unheard)
    due = time.monotonic()
    for _one in range(int(number)):
        time.sleep(max(0.0, due - time.monotonic()))
        send(time.monotonic())
        due += float(every_s)


def _unheard(_sent: float) -> None:
    """A sender runs no task."""
