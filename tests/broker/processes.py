"""Worker processes for tests to kill, freeze and stop."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ops import leash
from tests.broker.servers import wait_for

ROOT = Path(__file__).parents[2]

#: Start a command (or else `tests.broker.program`); keywords become variables of its environment, after BROKER_.
Start = Callable[..., subprocess.Popen[bytes]]


@contextmanager
def starting(url: str) -> Iterator[Start]:
    """Start processes that know where Redis is, each the leader of a group; whatever is left at the end is killed."""
    with ExitStack() as stack:

        def start(*command: str, **variables: object) -> subprocess.Popen[bytes]:
            command = command or (sys.executable, "-m", "tests.broker.program")
            settings = {f"BROKER_{name.upper()}": str(value) for name, value in variables.items()}
            # Dramatiq's own, in ms: how soon a thread that waits for work sees that it shall stop.
            settings["dramatiq_worker_timeout"] = "100"
            # Dramatiq's command starts itself anew by the first Python in PATH.
            path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
            child = subprocess.Popen(
                [*leash.command(signal.SIGKILL), *command],
                cwd=ROOT,
                env={**os.environ, "PATH": path, "BROKER_URL": url, **settings},
                start_new_session=True,
                stderr=subprocess.DEVNULL,
            )
            stack.callback(end, child)
            return child

        yield start


def end(child: subprocess.Popen[bytes]) -> None:
    """The process and all of its group are gone."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def tell(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """The process and all of its group got a signal, as soon as the leader was ready for it.

    Dramatiq's command heeds signals some time after its first worker began to work.
    """
    wait_for(lambda: heeds(child.pid, number), what=f"heeding {number.name}")
    os.killpg(child.pid, number)


def heeds(pid: int, number: signal.Signals) -> bool:
    """Tell whether the process does something of its own when it gets the signal (proc(5), SigCgt)."""
    if not leash.LINUX:
        return True
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False


def command(name: str) -> str:
    """Return the path of a command that is installed beside this Python."""
    return str(Path(sys.executable).parent / name)
