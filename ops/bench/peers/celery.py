"""Celery on Redis: a pool of threads, acknowledged late, so that a crash loses nothing; no results."""

from __future__ import annotations

from celery import Celery  # type: ignore[import-not-found,import-untyped,unused-ignore]  # in the peers' environment

from ops.bench import stage
from ops.bench.stage import CONCURRENCY, PAYLOAD, Note, Send, Work


def make(url: str, note: Note) -> tuple[Send, Work]:
    """Return Celery's sender and worker."""
    app = Celery("bench", broker=url)
    app.conf.update(task_acks_late=True, task_ignore_result=True)

    @app.task(name="take")  # type: ignore[untyped-decorator,unused-ignore]  # theirs
    def take(sent: float, item: dict[str, object]) -> None:
        note(sent)

    def send(sent: float) -> object:
        return take.delay(sent, dict(PAYLOAD))

    def work() -> None:
        app.worker_main(["worker", "--pool=threads", f"--concurrency={CONCURRENCY}", "--loglevel=WARNING"])

    return send, work


if __name__ == "__main__":
    stage.main(make)
