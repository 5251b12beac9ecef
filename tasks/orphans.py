"""Orphans: a worker whose master was killed stops by itself, as if it had been told to.

Dramatiq's master passes signals on to its workers, but it cannot pass on SIGKILL: its workers would run on for ever,
with nobody left who could stop or replace them.
"""

import os
import signal
import threading
import time

import structlog

log = structlog.get_logger(__name__)

#: How often the parent is looked for.
LOOK_S = 1.0


def end_with_parent() -> None:
    """From now on this process gets SIGTERM once the process that started it is gone."""
    threading.Thread(target=_watch, args=(os.getppid(),), name="orphans", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_S)
    log.warning("worker.orphaned", parent=parent)
    os.kill(os.getpid(), signal.SIGTERM)
