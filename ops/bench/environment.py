"""The peers' own Python environment, made by uv of exactly the packages that peers/requirements.txt locks.

Not by ops/venv.py, which takes wheels only: one of the peers' packages has to be built.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent

FOLDER = _HERE.parents[1] / ".local" / "bench-venv"
PYTHON = FOLDER / "bin" / "python"
LOCK = _HERE / "peers" / "requirements.txt"


class NotInstalled(RuntimeError):
    """The peers' packages could not be installed; the message says why."""


def make() -> None:
    """The peers' packages are installed. Quick when they were before. Raises NotInstalled."""
    uv = Path(sys.executable).with_name("uv")
    _run([str(uv), "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(FOLDER)])
    _run([str(uv), "pip", "sync", "--quiet", "--python", str(PYTHON), "--require-hashes", str(LOCK)])


def missing(wanted: bool) -> str | None:
    """Return why the peers are not measured, None once their packages are installed."""
    if not wanted:
        return "not asked for (--peers)"
    try:
        make()
    except NotInstalled as error:
        return f"not installed: {error}"
    return None


def _run(command: list[str]) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise NotInstalled(" ".join(done.stderr.split()))
