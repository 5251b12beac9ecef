"""The hub alone: waiters without HTTP around them, in a process of its own. A program, for `ops.bench.waiters`.

    python -m gevent.monkey --module ops.bench.hub NUMBER      as the web process runs, with DATABASE_URL and REDIS_URL

It says the ids it waits for on standard output, one a line, then how it went once they have all been told of, as JSON.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from uuid import UUID

from app.models.base import new_id
from app.platform import Platform
from app.settings import Settings
from ops.bench.memory import resident_mb

_PATIENCE_S = 120


def main() -> int:
    """Wait for as many as asked. Return 1 when somebody was not woken."""
    number = int(sys.argv[1])
    platform = Platform.open(Settings.from_env(), name="hub")
    platform.start()
    platform.hub.ready(_PATIENCE_S)
    woken: list[float] = []

    def wait(request_id: UUID) -> None:
        with platform.hub.watch(request_id) as watch:
            if watch.until(lambda: platform.hub.ended(request_id), timeout_s=_PATIENCE_S):
                woken.append(time.monotonic())

    before = resident_mb()
    ids = [new_id() for _ in range(number)]
    threads = [threading.Thread(target=wait, args=(request_id,)) for request_id in ids]
    for thread in threads:
        thread.start()
    while platform.hub.waiters() < number:
        time.sleep(0.01)
    waiting = resident_mb()
    print("\n".join(map(str, ids)), flush=True)
    for thread in threads:
        thread.join()
    told = {"woken": len(woken), "more_mb": waiting - before, "first_to_last_s": max(woken) - min(woken)}
    print(json.dumps(told), flush=True)
    return int(len(woken) != number)


if __name__ == "__main__":
    sys.exit(main())
