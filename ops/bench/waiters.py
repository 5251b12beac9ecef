"""Measure long polls at scale: `.venv/bin/python -m ops.bench.waiters`. What the rows mean is in README.md beside this.

One web process by the Procfile's own line, with thousands of requests that wait in it: what they cost, whether all of
them are woken, and whether all of them are answered when the process is told to end.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from app.models.requests import State
from app.models.standings import Standing
from app.platform import Platform
from app.settings import Settings
from ops import leash, up
from ops.bench import ground, memory, table
from ops.bench.contenders import ROOT, ProgramFailed
from ops.bench.freight import RULESET
from ops.bench.ground import Ground, wait_for
from ops.bench.house import Process
from ops.bench.line import Answer, Line, Missed, allow_files
from ops.bench.services import OURS, Place
from ops.bench.table import Row, at_most
from ops.embedded import PostgresServer, ServerFailed, free_ports

README = Path(__file__).parent / "README.md"

#: Requests that wait, and how many different ones they wait for.
WAITERS, REQUESTS = 5_000, 100
#: Longer than anything here takes, so that nobody's time is up meanwhile.
WAIT_S = 600
#: Notices told at once, as a busy worker does.
TOLD_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Site:
    """Servers, a database that is released, and who may call."""

    redis: Ground
    postgres: PostgresServer
    env: dict[str, str]
    token: str
    port: int
    folder: Path


@contextmanager
def built(folder: Path) -> Iterator[Site]:
    """All servers run inside the `with`. Raises ServerFailed, up.Failed."""
    with ExitStack() as stack:
        redis = stack.enter_context(ground.serve(folder / "redis", binary=None, aof=True))
        postgres = stack.enter_context(PostgresServer(folder / "postgres"))
        port = next(free_ports())
        place = Place(folder, postgres.url, redis.url.rpartition("/")[0], port)
        env, token = OURS.prepare(place)
        yield Site(redis, postgres, env | {"RATE_MAX_WAIT_S": str(WAIT_S)}, token, port, folder)


def connections(redis: Ground) -> int:
    """Return how many connections Redis has."""
    clients: Any = redis.client.info("clients")
    return int(clients["connected_clients"])


# The hub alone.


def alone(site: Site, number: int) -> Iterator[Row]:
    """Yield what waiters cost in a process that has nothing but them. Raises ProgramFailed."""
    before = connections(site.redis)
    command = [*leash.command(signal.SIGKILL), sys.executable, "-m", "gevent.monkey", "--module", "ops.bench.hub"]
    with subprocess.Popen(
        [*command, str(number)], cwd=ROOT, env=site.env, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        ids = [UUID(line.strip()) for line in islice(program.stdout, number)]
        used = connections(site.redis) - before
        tell(site, ids)
        last = program.stdout.readline()
        if program.wait() != 0 or not last:
            raise ProgramFailed(f"the hub: {last}")
    told = json.loads(last)
    yield Row(
        "the hub alone: memory", f"{told['more_mb']:.0f} MB", f"{number:,} waiters", told["more_mb"], at_most(100), "MB"
    )
    yield Row("the hub alone: connections to Redis", f"{used}", "", used, at_most(25), "")
    yield Row("the hub alone: first to last woken", f"{told['first_to_last_s']:.2f} s", f"{told['woken']:,} woken")


def tell(site: Site, ids: list[UUID]) -> None:
    """Whoever waits for these has been told, some at a time."""
    opened = Platform.open(Settings.from_env(site.env), name="bench")
    for begin in range(0, len(ids), TOLD_AT_ONCE):
        opened.notices.tell({each: failed(each).encode() for each in ids[begin : begin + TOLD_AT_ONCE]})
    opened.close()


def failed(request_id: UUID) -> Standing:
    """Return the standing of a request that has failed."""
    return Standing(request_id, request_id, State.FAILED, "none@1", "api", datetime.now(UTC))


# A whole web process.


def served(site: Site, number: int) -> Iterator[Row]:
    """Yield what waiters cost in a web process, and what they get. Raises ProgramFailed, Missed, TimeoutError."""
    allow_files(number + 1_000)
    before = connections(site.redis)
    with Process(OURS.web, site.env, site.folder / "web.log") as web:
        wait_for(lambda: is_ready(site), "the web process", patience_s=60, look_s=0.1)
        paths = pending(site)
        idle = served_mb(web)
        with Line(site.port, site.token, list(islice(cycle(paths), number))) as line:
            wait_for(lambda: waiting(site) == number, "the line", look_s=0.2)
            used, more = connections(site.redis) - before, served_mb(web) - idle
            with Process(OURS.worker, site.env, site.folder / "worker.log"):
                woken = line.answers()
        yield Row("one web process: memory, HTTP and all", f"{more:.0f} MB", f"{number:,} waiters", more, None, "MB")
        yield Row("one web process: connections to Redis", f"{used}", "", used, at_most(25), "")
        yield everybody("one web process: woken with their answer", woken, number, 200)
        with Line(site.port, site.token, list(islice(cycle(pending(site)), number))) as line:
            wait_for(lambda: waiting(site) == number, "the line", look_s=0.2)
            os.killpg(web.pid, signal.SIGTERM)
            yield everybody("SIGTERM: answered with the present state", line.answers(), number, 202)


def everybody(what: str, answers: list[Answer], number: int, status: int) -> Row:
    """Return the row that says how many got an answer of this status, and how long that took."""
    good = sum(answer.status == status for answer in answers)
    took_s = answers[-1].at - answers[0].at
    return Row(what, f"{good:,}", f"first to last {took_s:.1f} s", number - good, at_most(0), "missed")


def is_ready(site: Site) -> bool:
    """Return whether the web process takes requests."""
    try:
        return httpx.get(f"http://127.0.0.1:{site.port}/readyz", timeout=5).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def called(site: Site) -> httpx.Client:
    """Return a client with the token."""
    headers = {"Authorization": f"Bearer {site.token}"}
    return httpx.Client(base_url=f"http://127.0.0.1:{site.port}", headers=headers, timeout=60)


def pending(site: Site) -> list[str]:
    """Return where to wait for requests that have just been accepted, and that nobody judges yet."""
    with called(site) as client:
        body = {"ruleset": RULESET["name"], "item": {}}
        sent = [client.post("/api/validation/validate", json=body).raise_for_status() for _ in range(REQUESTS)]
    return [f"{reply.json()['links']['result']}?wait={WAIT_S}" for reply in sent]


def waiting(site: Site) -> int:
    """Return how many wait."""
    with called(site) as client:
        return int(client.get("/statusz").raise_for_status().json()["waiters"])


def served_mb(web: Process) -> float:
    """Return the memory of the process that serves."""
    return sum(memory.resident_mb(pid) for pid in memory.children(web.pid))


def measure(number: int) -> list[Row]:
    """Return the rows. Raises what stops the measurement."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, built(Path(folder)) as site:
        return [*alone(site, number), *served(site, number)]


def main() -> int:
    """Measure, and print the table. Return 1 when a bar is missed or the measurement broke off."""
    parser = argparse.ArgumentParser(prog="python -m ops.bench.waiters", description="Measure long polls at scale.")
    parser.add_argument("--waiters", type=int, default=WAITERS, help="how many wait (default: %(default)s)")
    parser.add_argument("--write", action="store_true", help="renew the table in ops/bench/README.md")
    options = parser.parse_args()
    try:
        rows = measure(options.waiters)
    except (ProgramFailed, ServerFailed, up.Failed, Missed, TimeoutError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(table.plain(rows))
    if options.write:
        table.renew(README, [f"{os.cpu_count()} cores; Python {platform.python_version()}"], rows, of="waiters")
    return int(any(row.failed for row in rows))


if __name__ == "__main__":
    sys.exit(main())
