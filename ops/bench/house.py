"""The house of the services: one Postgres, one Redis, and all services on them, each visited in its turn.

All run all the time: what those use that nobody visits is too little to measure. Each has a database of Postgres and
some of Redis's to itself.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import psycopg

from ops import leash
from ops.bench import cpu, ground
from ops.bench.contenders import ROOT, ProgramFailed
from ops.bench.ground import wait_for
from ops.bench.load import BAD, Crowd, Order, Outcome, Way
from ops.bench.services import Place, Prepared, Service
from ops.embedded import PostgresServer, free_ports

#: How long a process may take to start.
START_S = 60.0

#: What uses CPU, in the order of a request's way.
STAGES = ("web", "worker", "Postgres", "Redis", "clients")

#: Visits that make everything connect and compile.
_FIRST = Crowd(clients=4, seconds=0.5)


class Wrong(AssertionError):
    """A service gave a wrong answer, or none."""


class Process:
    """A process and its children, until the end of the `with`. They are killed: nothing of them is needed any more."""

    def __init__(self, command: str, env: Mapping[str, str], log: Path) -> None:
        self._command = command
        self._env = env
        self._log = log
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The first process. Raises ProgramFailed when it has ended."""
        assert self._child is not None
        if self._child.poll() is not None:
            raise ProgramFailed(self.last_words)
        return self._child.pid

    @property
    def last_words(self) -> str:
        """The end of what it has said."""
        return f"{self._log.name}: {' / '.join(self._log.read_text(errors='replace').splitlines()[-5:])}"

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(
                [*leash.command(signal.SIGKILL), "/bin/sh", "-c", self._command],
                cwd=ROOT,
                env=dict(self._env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._child is not None:
            with suppress(ProcessLookupError):  # The first process may have ended, and others of its group not.
                os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()


@dataclass(frozen=True, slots=True)
class Run:
    """What the clients saw, and what it took."""

    outcome: Outcome
    #: Milliseconds of CPU that one verdict took in each of STAGES.
    cpu_ms: dict[str, float]
    #: The share of the machine's CPU time that its host kept for itself.
    kept: float


class Running:
    """A service that runs, on servers that run."""

    def __init__(self, service: Service, place: Place, prepared: Prepared, servers: Sequence[int]) -> None:
        self.service = service
        self._port = place.port
        self._env, self._token = prepared
        self._servers = servers
        self._folder = place.folder
        self._database_url = place.database_url
        self._processes: list[Process] = []
        self._visits = 0

    @contextmanager
    def up(self) -> Iterator[Self]:
        """It answers inside the `with`. Raises ProgramFailed, Wrong."""
        with ExitStack() as stack:
            for name, command in (("web", self.service.web), ("worker", self.service.worker)):
                log = self._folder / f"{self.service.name} {name}.log"
                self._processes.append(stack.enter_context(Process(command, self._env, log)))
            try:
                wait_for(self._is_ready, f"the start of {self.service.name}", patience_s=START_S, look_s=0.1)
            except TimeoutError as error:
                raise ProgramFailed(f"{error}; {self._processes[0].last_words}") from error
            for way in self.service.ways:
                self.visit(way, _FIRST)
            yield self

    def _is_ready(self) -> bool:
        self._pids()
        try:
            return httpx.get(f"http://127.0.0.1:{self._port}/readyz", timeout=5).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def _pids(self) -> list[int]:
        """Return its processes and the servers, in the order of STAGES. Raises ProgramFailed when one has ended."""
        return [*(process.pid for process in self._processes), *self._servers]

    def visit(self, way: Way, crowd: Crowd) -> Run:
        """Return what came of visits. Raises Wrong for an answer that was wrong or missing, and ProgramFailed."""
        pids = self._pids()
        watch = cpu.Watch()
        before = cpu.used_s(*pids)
        outcome = sent(Order(self._port, self._token, way, crowd), self.service.name)
        after = cpu.used_s(*pids)
        kept = watch.kept
        self._visits += outcome.visits
        # They begin in the order of the items, and all have ended.
        if not outcome.visits or outcome.bad != outcome.visits // BAD:
            raise Wrong(f"{self.service.name}: {outcome.bad} of {outcome.visits} items were bad")
        used_s = [*(late - early for early, late in zip(before, after, strict=True)), outcome.cpu_s]
        cpu_ms = {stage: used * 1000 / outcome.visits for stage, used in zip(STAGES, used_s, strict=True)}
        return Run(outcome, cpu_ms, kept)

    def count(self) -> None:
        """As many verdicts are in Postgres as clients have had. Raises Wrong."""
        with psycopg.connect(self._database_url) as connection:
            row = connection.execute(self.service.verdicts.encode()).fetchone()
        if row != (self._visits,):
            raise Wrong(f"{self.service.name}: {row} verdicts in Postgres for {self._visits} visits")


def sent(order: Order, name: str) -> Outcome:
    """Return what came of an order, obeyed by a process of its own. Raises Wrong."""
    command = [*leash.command(signal.SIGKILL), sys.executable, "-m", "ops.bench.load"]
    done = subprocess.run(command, cwd=ROOT, input=json.dumps(asdict(order)), capture_output=True, text=True)
    if done.returncode != 0:
        raise Wrong(f"{name}: {' / '.join(done.stderr.splitlines()[-3:])}")
    return Outcome(**json.loads(done.stdout))


@dataclass(frozen=True, slots=True)
class House:
    """The services that answer, and which servers they stand on."""

    services: list[Running]
    versions: list[str]


@contextmanager
def opened(folder: Path, services: Sequence[Service]) -> Iterator[House]:
    """All services answer inside the `with`. Raises ProgramFailed, Wrong, ServerFailed, up.Failed."""
    with ExitStack() as stack:
        redis = stack.enter_context(ground.serve(folder / "redis", binary=None, aof=True))
        postgres = stack.enter_context(PostgresServer(folder / "postgres"))
        server: Any = redis.client.info("server")
        pids = [postgres.pid or 0, int(server["process_id"])]
        ports = free_ports()
        places = [
            _place(folder / f"service-{number}", postgres.url, redis.url, next(ports))
            for number in range(len(services))
        ]
        running = [
            stack.enter_context(Running(service, place, service.prepare(place), pids).up())
            for service, place in zip(services, places, strict=True)
        ]
        with psycopg.connect(postgres.url) as connection:
            version = connection.info.parameter_status("server_version")
        yield House(running, [f"PostgreSQL {version}", f"Redis {redis.version}"])


def _place(folder: Path, postgres_url: str, redis_url: str, port: int) -> Place:
    folder.mkdir()
    name = folder.name.replace("-", "_")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return Place(
        folder,
        database_url=f"{postgres_url.rpartition('/')[0]}/{name}",
        redis_url=redis_url.rpartition("/")[0],
        port=port,
    )
