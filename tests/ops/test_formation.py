"""Processes side by side: one falls, all end; what they say is kept, and what is wrong is shown."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ops import formation
from tests.ops.gone import is_gone
from tests.processes import ROOT, wait_for

#: Runs the commands of a JSON object and says at the end who fell.
PROGRAM = """
import json, os, sys
from pathlib import Path
from ops.formation import Formation
commands = json.loads(sys.argv[1])
say = lambda: print("started", flush=True)
them = Formation(commands, env=dict(os.environ), logs=Path(sys.argv[2]), on_start=say)
them.run()
print(json.dumps(them.fallen))
"""


def program(commands: dict[str, str], logs: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, json.dumps(commands), str(logs)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def pids(folder: Path, names: list[str]) -> list[int]:
    """The ids that the commands wrote down about themselves."""
    files = [folder / name for name in names]
    wait_for(lambda: all(file.exists() and file.read_text().endswith("\n") for file in files), what="the commands")
    return [int(file.read_text()) for file in files]


def sleeper(folder: Path, name: str) -> str:
    return f"echo $$ > {folder / name}; exec sleep 1000"


def test_when_one_process_ends_all_end_and_it_is_named(tmp_path: Path) -> None:
    bad = f"until [ -s {tmp_path / 'good'} ]; do sleep 0.05; done; echo last words; exit 3"
    running = program({"good": sleeper(tmp_path, "good"), "bad": bad}, tmp_path / "log")

    out, _ = running.communicate(timeout=60)

    assert out.splitlines() == ["started", '["bad", 3]']
    assert is_gone(*pids(tmp_path, ["good"]))
    assert (tmp_path / "log" / "bad.log").read_text() == "last words\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_program_stops_its_processes_first(tmp_path: Path, number: signal.Signals) -> None:
    running = program({name: sleeper(tmp_path, name) for name in ("one", "two")}, tmp_path / "log")
    children = pids(tmp_path, ["one", "two"])

    running.send_signal(number)
    out, _ = running.communicate(timeout=60)

    assert all(map(is_gone, children))
    assert out.splitlines()[-1] == "null"  # nobody fell: this was asked for


def test_a_killed_program_leaves_no_process_behind(tmp_path: Path) -> None:
    running = program({name: sleeper(tmp_path, name) for name in ("one", "two")}, tmp_path / "log")
    children = pids(tmp_path, ["one", "two"])

    running.kill()
    running.communicate()

    wait_for(lambda: all(map(is_gone, children)), what="the end of the processes")


def test_an_orphan_of_a_killed_command_does_not_keep_the_others_running(tmp_path: Path) -> None:
    leads = f"sleep 1000 & echo $! > {tmp_path / 'orphan'}; echo $$ > {tmp_path / 'leader'}; wait"
    running = program({"leader": leads, "good": sleeper(tmp_path, "good")}, tmp_path / "log")
    leader, orphan, good = pids(tmp_path, ["leader", "orphan", "good"])

    os.kill(leader, signal.SIGKILL)
    out, _ = running.communicate(timeout=60)

    assert out.splitlines()[-1] == '["leader", -9]'
    assert is_gone(orphan)
    assert is_gone(good)


def test_only_what_is_wrong_is_shown_but_everything_is_kept(tmp_path: Path) -> None:
    lines = ['{"event": "worker.started", "level": "info"}', '{"event": "redis.away", "level": "warning", "n": 2}']
    printed = "; ".join(f"echo '{line}'" for line in lines)

    _, errors = program({"worker": printed}, tmp_path / "log").communicate(timeout=60)

    assert errors == "worker: warning redis.away n=2\n--> Stopping worker\n"
    assert (tmp_path / "log" / "worker.log").read_text().splitlines() == lines


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('{"event": "request", "level": "info", "path": "/Error"}', False),
        ('{"event": "boom", "level": "error", "exception": "Traceback"}', True),
        ("[2026-11-23 06:00:00 +0000] [12] [INFO] Booting worker with pid: 13", False),
        ("[2026-11-23 06:00:00 +0000] [12] [ERROR] Connection in use", True),
        ("Traceback (most recent call last):", True),
        ("ModuleNotFoundError: No module named 'wsgi'", True),
        ("RATE_X is not a setting.", False),
        ("17", False),
    ],
)
def test_warnings_and_worse_are_worth_showing(line: str, shown: bool) -> None:
    assert formation.is_worth_showing(line) is shown
