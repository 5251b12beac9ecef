"""Dramatiq's own RedisBroker, with its defaults."""

from __future__ import annotations

from dramatiq.brokers.redis import RedisBroker

from ops.bench import stage
from ops.bench.peers.dramatiqs import contender
from ops.bench.stage import Note, Send, Work


def make(url: str, note: Note) -> tuple[Send, Work]:
    """Return RedisBroker's sender and worker."""
    return contender(RedisBroker(url=url), note)  # type: ignore[no-untyped-call]  # theirs


if __name__ == "__main__":
    stage.main(make)
