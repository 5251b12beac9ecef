"""CPU time: of a process with all its children, and of the machine, by proc(5). Linux only, in 1/100 s."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def used_s(*roots: int) -> list[float]:
    """Return the seconds that each process and its descendants have used, those that have ended included."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    ticks: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name, in brackets, may hold anything.
            fields = path.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # It has ended meanwhile, and its parent counts it.
        pid = int(path.parent.name)
        children[int(fields[1])].append(pid)
        # utime and stime, and the same of children that were waited for.
        ticks[pid] = sum(map(int, fields[11:15]))
    return [_TICK_S * _sum(root, children, ticks) for root in roots]


def machine_s() -> tuple[float, float]:
    """Return the seconds that all CPUs of the machine have had since it started, and those that its host kept of them.

    A virtual machine wants to run in those and may not: its work takes longer by as much.
    """
    fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    # user, nice, system, idle, iowait, irq, softirq, steal; the last two are parts of the first.
    ticks = list(map(int, fields[:8]))
    return _TICK_S * sum(ticks), _TICK_S * ticks[7]


class Watch:
    """What the host keeps of this machine's CPU time, from when it is made."""

    def __init__(self) -> None:
        self._before = machine_s()

    @property
    def kept(self) -> float:
        """Its share of the time until now."""
        all_s, kept_s = (late - early for early, late in zip(self._before, machine_s(), strict=True))
        return kept_s / all_s if all_s else 0.0


def _sum(root: int, children: dict[int, list[int]], ticks: dict[int, int]) -> int:
    return ticks.get(root, 0) + sum(_sum(child, children, ticks) for child in children.get(root, ()))
