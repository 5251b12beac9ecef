"""The leash: what is started with it does not outlive who started it."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from ops import leash
from tests.ops.gone import is_gone
from tests.processes import ROOT, wait_for

STARTS_A_SLEEPER = """
import signal, subprocess, sys
from ops import leash
child = subprocess.Popen([*leash.command(signal.SIGTERM), "/bin/sleep", "1000"])
print(child.pid, flush=True)
sys.stdin.read()
"""


def test_a_command_is_told_to_end_when_its_parent_is_killed() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", STARTS_A_SLEEPER], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdin
    assert parent.stdout
    sleeper = int(parent.stdout.readline())
    wait_for(lambda: "sleep" in Path(f"/proc/{sleeper}/comm").read_text(), what="the exec of the command")

    parent.kill()
    parent.communicate()

    wait_for(lambda: is_gone(sleeper), what="the end of the command")


def test_a_command_whose_parent_is_gone_before_it_starts_does_not_start() -> None:
    *words, _parent, folder = leash.command(signal.SIGTERM)
    started = time.monotonic()

    code = subprocess.call([*words, "999999999", folder, "/bin/sleep", "1000"])

    assert code == -signal.SIGTERM
    assert time.monotonic() - started < 100


def test_a_command_that_does_not_exist_is_named_in_one_line() -> None:
    done = subprocess.run([*leash.command(signal.SIGTERM), "/no/such/command"], capture_output=True, text=True)

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "/no/such/command" in done.stderr
