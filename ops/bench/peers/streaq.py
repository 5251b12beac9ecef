"""streaQ on Redis Streams: one event loop, a coroutine as task, streaQ's own limits on how many run at a time."""

from __future__ import annotations

import atexit
from contextlib import ExitStack
from typing import Any

from anyio.from_thread import start_blocking_portal  # type: ignore[import-not-found,unused-ignore]  # as streaQ below
from streaq import Worker  # type: ignore[import-not-found,unused-ignore]  # lives in the peers' environment

from ops.bench import stage
from ops.bench.stage import PAYLOAD, Note, Send, Work


def make(url: str, note: Note) -> tuple[Send, Work]:
    """Return streaQ's sender and worker."""
    worker = Worker(redis_url=url)
    open_portals = ExitStack()
    atexit.register(open_portals.close)

    @worker.task(name="take")  # type: ignore[untyped-decorator,unused-ignore]  # theirs
    async def take(sent: float, item: dict[str, object]) -> None:
        note(sent)

    async def enqueue(sent: float) -> None:
        await take.enqueue(sent, dict(PAYLOAD))

    portals: list[Any] = []

    def send(sent: float) -> object:
        if not portals:
            portals.append(open_portals.enter_context(start_blocking_portal()))
            open_portals.enter_context(portals[0].wrap_async_context_manager(worker))
        return portals[0].call(enqueue, sent)

    return send, worker.run_sync


if __name__ == "__main__":
    stage.main(make)
