"""Our broker, with its defaults."""

from __future__ import annotations

from broker import RedisStreamsBroker
from ops.bench import stage
from ops.bench.peers.dramatiqs import contender
from ops.bench.stage import Note, Send, Work


def make(url: str, note: Note) -> tuple[Send, Work]:
    """Return our sender and worker."""
    return contender(RedisStreamsBroker(url=url), note)


if __name__ == "__main__":
    stage.main(make)
