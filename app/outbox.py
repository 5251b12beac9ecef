"""The outbox: which requests this process has sent, written to their rows a second or two later and in batches.

By then most of them are done and need no write at all. What is lost with the process is only knowledge: a row that is
not known as sent is sent again by `app.rescue`, which is harmless.
"""

import os
import threading
from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

import redis
import structlog

from app.database import Database
from app.epoch import Epoch
from app.errors import DatabaseAway
from app.models import requests

log = structlog.get_logger(__name__)

#: How long a sent request has at least to be done before its row is written; twice this is shorter than
#: `rescue_after_ms`. Were it written any sooner, the worker would find the row locked, and come back later.
PAUSE_S = 1.0


class Outbox:
    """What this process has sent, and the thread (a greenlet under gevent) that writes it down."""

    def __init__(self, database: Database, epoch: Epoch) -> None:
        self._database = database
        self._source = epoch
        #: The epoch as it was read *before* a send: an older one makes a send too many, a newer one would lose it.
        self._epoch: str | None = None
        #: Groups, each with the epoch.
        self._sent: list[tuple[Sequence[UUID], str]] = []
        #: What was sent before the last pause began.
        self._earlier: list[tuple[Sequence[UUID], str]] = []
        self._busy = threading.Event()
        self._stop = threading.Event()
        self._pid: int | None = None

    @property
    def epoch(self) -> str | None:
        """The epoch to send under; None while Redis has not told."""
        return self._epoch

    def start(self) -> None:
        """Have a writer running in this very process; further calls change nothing."""
        if self._pid == os.getpid():
            return
        self._pid = os.getpid()
        self._stop = threading.Event()
        threading.Thread(target=self._run, name="outbox", args=(self._stop,), daemon=True).start()

    def close(self) -> None:
        """Write down what there is, and have the writer stop."""
        self._stop.set()
        self._busy.set()
        self.flush()

    def sent(self, request_ids: Sequence[UUID], epoch: str | None) -> None:
        """Remember that the requests' messages were sent, `epoch` having been read before that."""
        if epoch is not None:
            self._sent.append((request_ids, epoch))
        self._busy.set()

    def flush(self) -> None:
        """Write down what was sent until now. A database that is away costs only a repeated send."""
        self._turn()
        self._turn()

    def _turn(self) -> None:
        """Write down what was sent before the last turn."""
        sent, self._earlier, self._sent = self._earlier, self._sent, []
        by_epoch: defaultdict[str, list[UUID]] = defaultdict(list)
        for request_ids, epoch in sent:
            by_epoch[epoch] += request_ids
        try:
            for epoch, group in by_epoch.items():
                with self._database.connection() as connection:
                    requests.mark_sent(connection, group, epoch=epoch)
        except DatabaseAway as error:
            log.warning("outbox.not_written", requests=sum(map(len, by_epoch.values())), error=str(error))

    def read_epoch(self) -> None:
        """Learn the present epoch, if Redis tells."""
        try:
            self._epoch = self._source.read()
        except redis.RedisError:
            self._epoch = None

    def _run(self, stop: threading.Event) -> None:
        self.read_epoch()
        while not stop.is_set():
            if not self._earlier:
                self._busy.wait()
            self._busy.clear()
            stop.wait(PAUSE_S)
            self._turn()
            self.read_epoch()
