"""The platform's processes, started by the Procfile's own lines, to be killed by real signals."""

import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import Self

from honcho.environ import parse_procfile

from app.settings import Settings
from app.settings import variable as env_name
from ops import leash
from ops.embedded import free_ports

ROOT = Path(__file__).parent.parent
#: Generous: two noisy cores start three Python processes.
START_TIMEOUT_S = 60.0


def wait_for(condition: Callable[[], bool], *, timeout_s: float = 30.0, what: str = "the condition") -> None:
    """Return once the condition is true. Raises TimeoutError, naming what was waited for.

    It must have been false when it was looked at after that time: a machine that stood still meanwhile proves nothing.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        is_late = time.monotonic() > deadline
        if condition():
            return
        if is_late:
            raise TimeoutError(f"{what} did not come true within {timeout_s:g} s")
        time.sleep(0.02)


def environment(settings: Settings, **more: str) -> dict[str, str]:
    """Return the environment that gives a process these settings."""
    ours = {env_name(name): str(value) for name, value in vars(settings).items() if value != ""}
    # The console scripts that the Procfile names are beside this very interpreter.
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, **ours, "PATH": path, **more}


class Process(ABC):
    """One process type of the Procfile, started. Up inside of its `with`; ends with the test, also when that is killed.

    To start takes seconds, so those that are needed at once are better made first, and then waited for by `together`.
    """

    def __init__(self, name: str, env: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}-{time.monotonic_ns()}.log"
        line = parse_procfile((ROOT / "Procfile").read_text()).processes[name]
        with self.log.open("wb") as log:
            self._child = subprocess.Popen(
                [*leash.command(signal.SIGKILL), "/bin/sh", "-c", line],
                cwd=ROOT,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process group's leader."""
        return self._child.pid

    def says(self, words: str) -> bool:
        """Return whether the process has logged these words."""
        return words in self.log.read_text(errors="replace")

    def signal(self, number: signal.Signals) -> None:
        """Send the signal to the whole group, as a platform does."""
        os.killpg(self.pid, number)

    def kill(self) -> None:
        """End the whole group at once, with no chance to tidy up."""
        if self._child.poll() is None:
            self.signal(signal.SIGKILL)
        self._child.wait()

    def stop(self, timeout_s: float = 30.0) -> int:
        """Ask the process to end, and return its exit code."""
        if self._child.poll() is None:
            self.signal(signal.SIGTERM)
        return self._child.wait(timeout_s)

    @abstractmethod
    def is_up(self) -> bool:
        """Return whether the process does what it is there for."""

    def __enter__(self) -> Self:
        wait_for(self.is_up, timeout_s=START_TIMEOUT_S, what=f"the start of {self.name}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        if kind is not None:
            sys.stderr.write(f"--- {self.name} said:\n{self.log.read_text(errors='replace')[-4000:]}\n")


@contextmanager
def together(*processes: Process) -> Iterator[None]:
    """Have these processes be up inside of the block, and gone after it."""
    with ExitStack() as stack:
        for process in processes:
            stack.push(process)
        for process in processes:
            process.__enter__()
        yield


class Web(Process):
    """A web process that answers at `url`."""

    def __init__(self, env: Mapping[str, str], folder: Path) -> None:
        self.port = next(free_ports())
        self.url = f"http://127.0.0.1:{self.port}"
        # A killed process leaves its metrics where temporary files are.
        super().__init__("web", {**env, "PORT": str(self.port), "WEB_CONCURRENCY": "1", "TMPDIR": str(folder)}, folder)

    def is_up(self) -> bool:
        """Return whether the process takes requests."""
        # A bare connection: this is asked over and over, and must not take the time from the process that starts.
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=5)) as connection, suppress(OSError, HTTPException):
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        return False


class Worker(Process):
    """A worker process that takes messages."""

    def __init__(self, env: Mapping[str, str], folder: Path) -> None:
        super().__init__("worker", env, folder)

    def is_up(self) -> bool:
        """Return whether the process takes messages."""
        return self.says("ready for action")


class Clock(Process):
    """A clock process."""

    def __init__(self, env: Mapping[str, str], folder: Path) -> None:
        super().__init__("clock", env, folder)

    def is_up(self) -> bool:
        """Return whether the process sends what is due."""
        return self.says("clock.started")
