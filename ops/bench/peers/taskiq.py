"""taskiq on Redis Streams: one event loop, a coroutine as task, taskiq's own limits on how many run at a time."""

from __future__ import annotations

import asyncio

from taskiq.api import run_receiver_task  # type: ignore[import-not-found,unused-ignore]  # in the peers' environment
from taskiq_redis import RedisStreamBroker  # type: ignore[import-not-found,unused-ignore]  # the same

from ops.bench import stage
from ops.bench.stage import PAYLOAD, Note, Send, Work


def make(url: str, note: Note) -> tuple[Send, Work]:
    """Return taskiq's sender and receiver."""
    # Without "0" the group begins at the end of the stream, and what was sent before is never run.
    broker = RedisStreamBroker(url, consumer_id="0")

    @broker.task(task_name="take")  # type: ignore[untyped-decorator,unused-ignore]  # theirs
    async def take(sent: float, item: dict[str, object]) -> None:
        note(sent)

    loop = asyncio.new_event_loop()

    def send(sent: float) -> object:
        return loop.run_until_complete(take.kiq(sent, dict(PAYLOAD)))

    def work() -> None:
        asyncio.run(run_receiver_task(broker, run_startup=True))

    return send, work


if __name__ == "__main__":
    stage.main(make)
