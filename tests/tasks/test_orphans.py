"""Orphans: no worker goes on when the master that looked after it was killed."""

import os
import signal
from pathlib import Path

import pytest

from app.settings import Settings
from tests.processes import Worker, environment, wait_for


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds the worker's processes in Linux's /proc")
def test_a_worker_ends_when_its_master_is_killed(settings: Settings, tmp_path: Path) -> None:
    with Worker(environment(settings), tmp_path) as worker:
        children = group(worker.pid) - {worker.pid}
        assert children

        os.kill(worker.pid, signal.SIGKILL)

        wait_for(lambda: not group(worker.pid) & children, what="the end of the orphans")


def group(leader: int) -> set[int]:
    """Return the ids of all processes of a process group that still run."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, its_group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(its_group) == leader and state != "Z":
            found.add(int(folder.name))
    return found
