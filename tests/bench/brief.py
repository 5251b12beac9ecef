"""Our broker with a short lease, so that a test need not wait long for a recovery."""

from __future__ import annotations

from broker import RedisStreamsBroker
from ops.bench import stage
from ops.bench.peers.dramatiqs import contender
from ops.bench.stage import Note, Send, Work


def make(url: str, note: Note) -> tuple[Send, Work]:
    """Return the sender and worker."""
    return contender(RedisStreamsBroker(url=url, lease_ms=1_000), note)


if __name__ == "__main__":
    stage.main(make)
