"""huey on Redis: threads that block on a list. A task is off the list before it runs, so a crash loses it."""

from __future__ import annotations

from huey import RedisHuey  # type: ignore[import-not-found,unused-ignore]  # lives in the peers' environment

from ops.bench import stage
from ops.bench.stage import CONCURRENCY, PAYLOAD, Note, Send, Work


def make(url: str, note: Note) -> tuple[Send, Work]:
    """Return huey's sender and consumer."""
    queue = RedisHuey("bench", url=url, results=False)

    @queue.task(name="take")  # type: ignore[untyped-decorator,unused-ignore]  # theirs
    def take(sent: float, item: dict[str, object]) -> None:
        note(sent)

    def send(sent: float) -> object:
        return take(sent, dict(PAYLOAD))

    def work() -> None:
        queue.create_consumer(workers=CONCURRENCY).run()

    return send, work


if __name__ == "__main__":
    stage.main(make)
