"""Memory of processes, by proc(5). Linux only."""

from __future__ import annotations

import os
import re
from pathlib import Path


def resident_mb(pid: int | None = None) -> float:
    """Return what a process, this one by default, holds in memory, in MB."""
    status = Path(f"/proc/{pid or os.getpid()}/status").read_text()
    found = re.search(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def children(pid: int) -> list[int]:
    """Return the children of a process."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name, in brackets, may hold anything.
            fields = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == pid:
            found.append(int(path.parent.name))
    return found
