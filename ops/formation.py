"""The processes that the Procfile names, run side by side: honcho, with logs in files and nothing left behind.

When one process stops, all are stopped; on Ctrl-C and SIGTERM, too. When this process is killed, the kernel passes it
on: honcho's own process for each line is killed, and the command in it is told to stop (see leash.py).
"""

import multiprocessing
import os
import re
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import honcho.manager
import orjson
from honcho.environ import parse_procfile
from honcho.printer import Message
from honcho.process import Popen, Process

from ops import leash
from ops.venv import say

#: A worker finishes what it has begun; honcho's own 5 s would cut that off.
honcho.manager.KILL_WAIT = 25

SYSTEM = honcho.manager.SYSTEM_PRINTER_NAME

WORTH_SHOWING = {"warning", "error", "critical"}
#: Lines of programs that do not log JSON: gunicorn's and Dramatiq's own, and what Python prints when it fails.
PLAIN = re.compile(r"\[(WARNING|ERROR|CRITICAL)\]|^Traceback |^\w*(Error|Exception)\b")


def read(procfile: Path) -> dict[str, str]:
    """The command of each process type, in the file's order."""
    return dict(parse_procfile(procfile.read_text()).processes)


class Formation(honcho.manager.Manager):  # type: ignore[misc]  # honcho has no types
    """Commands that run until one of them ends or `terminate` is called. `on_start` is called once they are started."""

    def __init__(
        self, commands: Mapping[str, str], *, env: Mapping[str, str], logs: Path, on_start: Callable[[], None]
    ):
        self.log = Log(logs)
        super().__init__(printer=self.log)
        self._process_ctor = Leashed
        self._on_start = on_start
        #: The process that ended by itself and made all others end, with its exit code.
        self.fallen: tuple[str, int] | None = None
        for name, command in commands.items():
            self.add_process(name, command, env=dict(env))

    @property
    def names(self) -> list[str]:
        """The processes, in the Procfile's order."""
        return list(self._processes)

    @property
    def stopping(self) -> bool:
        """Whether the processes have been told to end."""
        return bool(self._terminating)

    def run(self) -> None:
        """Everything was started and has ended again. Signal handlers for SIGINT and SIGTERM are honcho's meanwhile."""
        try:
            self.loop()
        finally:
            for each in self._processes.values():
                if "process" in each and each["process"].is_alive():
                    each["process"].kill()

    def terminate(self) -> None:
        """All processes have been told to end; `run` returns when they have."""
        if not self._terminating:
            self.log.quiet = True
            stopped = {name: each["returncode"] for name, each in self._processes.items() if "returncode" in each}
            self.fallen = next(iter(stopped.items()), None)
            say(f"Stopping {', '.join(self.names)}")
        super().terminate()

    def _start(self) -> None:
        super()._start()
        self._on_start()


class Leashed(Process):  # type: ignore[misc]  # honcho has no types
    """A process that does not outlive this program. Runs in a child of its own, as honcho does it."""

    def run(self, events: Any = None, ignore_signals: bool = False) -> None:
        parent = multiprocessing.parent_process()
        leash.hold(signal.SIGKILL, parent.pid if parent and parent.pid else os.getppid())
        command = [*leash.command(signal.SIGTERM), "/bin/sh", "-c", self.cmd]
        self.cmd: str = f"exec {shlex.join(command)}"
        self._child_ctor = followed
        super().run(events, ignore_signals)


def followed(command: str, **options: Any) -> Popen:
    """A started command, whose own children are told to end when it has: killed, it could not tell them itself.

    honcho counts a command as ended when nobody holds its output any more, so an orphan would keep all others running.
    """
    child = Popen(command, **options)

    def follow() -> None:
        child.wait()
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)

    threading.Thread(target=follow, daemon=True).start()
    return child


class Log:
    """What the processes of this run say: each into its own file, and what is worth showing on the terminal, too."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        #: honcho's interface: the width of the longest name.
        self.width = 0
        #: While everything is being stopped, complaints are expected.
        self.quiet = False
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.log"):
            old.unlink()

    def file(self, name: str) -> Path:
        """Where everything that the process `name` says is written."""
        return self.folder / f"{name}.log"

    def write(self, message: Message) -> None:
        """Take one message of honcho's, a line or several."""
        text = message.data.decode(errors="replace") if isinstance(message.data, bytes) else message.data
        with self.file(message.name).open("a") as file:
            file.write(text)
        if not self.quiet and message.name != SYSTEM and is_worth_showing(text):
            print(f"{message.name}: {readable(text)}", file=sys.stderr, flush=True)

    def last_words(self, name: str, lines: int = 15) -> str:
        """The end of what the process said, for people."""
        file = self.file(name)
        said = file.read_text(errors="replace").splitlines() if file.exists() else []
        return "\n".join(["Its last words:", *map(readable, said[-lines:])])


def is_worth_showing(line: str) -> bool:
    """Whether a log line is a warning or worse."""
    event = structured(line)
    return event.get("level") in WORTH_SHOWING if event else PLAIN.search(line) is not None


def readable(line: str) -> str:
    """A log line for people: the event first, then what it says about itself."""
    event = structured(line)
    if not event:
        return line.rstrip()
    trace = event.pop("exception", None)
    first = [event.pop("level", ""), event.pop("event", "")]
    rest = [f"{name}={value}" for name, value in event.items() if name not in ("timestamp", "logger")]
    return " ".join(map(str, first + rest)) + (f"\n{trace}" if trace else "")


def structured(line: str) -> dict[str, Any]:
    """The event of a JSON log line, empty for any other line."""
    try:
        event = orjson.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}
