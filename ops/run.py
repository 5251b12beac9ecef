"""One run's place on this machine: a data folder and a port, which no other run has at the same time.

Both are held by file locks, which the kernel lets go of however the run ends.
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import IO

from ops.embedded import is_free

PORT = 8000
#: How far from PORT a free one is looked for.
PORTS = 100


class NoPlace(Exception):
    """There is no folder or port for this run; the message says what to do."""


@contextmanager
def folder(local: Path) -> Iterator[Path]:
    """The first of `local`/run-1, run-2, … that no other run holds, with what earlier runs left in it."""
    for number in count(1):
        place = local / f"run-{number}"
        try:
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = (place / "lock").open("a")
        except OSError as error:
            raise NoPlace(f"Cannot write to {place}: {error.strerror}. Does it belong to another account?") from error
        with lock:
            if _locked(lock):
                yield place
                return


@contextmanager
def port(wanted: int | None) -> Iterator[int]:
    """`wanted`, or without it the first free port from 8000 on. Raises NoPlace when it is taken."""
    for number in [wanted] if wanted else range(PORT, PORT + PORTS):
        with _claim(number) as claimed:
            if claimed:
                yield number
                return
    raise NoPlace(f"Port {wanted} is in use." if wanted else f"Ports {PORT} to {PORT + PORTS} are all in use.")


@contextmanager
def _claim(number: int) -> Iterator[bool]:
    """Whether the port is ours. The lock keeps it ours until the web process listens, some seconds from now."""
    with (Path(tempfile.gettempdir()) / f"rate-platform-{os.getuid()}-{number}.lock").open("a") as lock:
        yield _locked(lock) and is_free(number)


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
