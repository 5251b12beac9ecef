"""The web process's worker: gunicorn's on gevent, with connections of our own.

The master, signals, the heartbeat, accepting, and limits of time and number are gunicorn's; so is every connection
where a setting asks for what ours do not know. What may surprise: clients that say nothing are let go from here, once a
second for all of them, since a timer for each connection would cost more than to read its request.
"""

import os
from contextlib import suppress
from time import monotonic
from types import FrameType
from typing import Any

import gevent
from gunicorn.config import Config
from gunicorn.workers.ggevent import GeventWorker

from ops.serving import faults
from ops.serving.connections import Connection
from ops.serving.terms import Terms

#: Settings of gunicorn's that our connections know nothing of.
UNKNOWN = (
    "accesslog",
    "certfile",
    "http2_cleartext",
    "keyfile",
    "logconfig",
    "logconfig_dict",
    "logconfig_json",
    "post_request",
    "pre_request",
    "protocol",
    "proxy_protocol",
    "statsd_host",
    "syslog",
)
#: A connection that has been silent for so long is not about to be used: it may be closed when the process is to stop.
SILENT_S = 1.0


class Worker(GeventWorker):  # type: ignore[misc]  # untyped library
    """Gunicorn's worker on gevent, which serves connections of ours."""

    alive: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.waiting: dict[Connection, float] = {}
        self._terms: dict[Any, Terms] = {}

    def run(self) -> None:
        """Serve until told to stop, and then what has been begun."""
        addresses = {listener: listener.getsockname() for listener in self.sockets if are_ours(self.cfg)}
        # A Unix socket has a path in place of host and port.
        self._terms = {at: Terms.of(self.cfg, name) for at, name in addresses.items() if isinstance(name, tuple)}
        super().run()

    def handle(self, listener: Any, client: Any, address: Any) -> None:
        """Serve one connection to its end."""
        if (terms := self._terms.get(listener)) is None:
            super().handle(listener, client, address)
        else:
            client.setblocking(True)
            Connection(self, terms, client, address).serve()

    def count(self) -> None:
        """Have one more request counted, which may be the last that gunicorn's `max_requests` allows."""
        self.nr += 1
        if self.nr >= self.max_requests and self.alive:
            self.log.info("Autorestarting worker after current request.")
            self.alive = False

    def notify(self) -> None:
        """Show the master that the process is alive, and let go of those who wait too long; called each second."""
        super().notify()
        self.dismiss()

    def handle_exit(self, number: int, frame: FrameType | None) -> None:
        """Begin to stop."""
        super().handle_exit(number, frame)
        gevent.spawn(self.dismiss)  # In a signal handler the connections may be in any state.

    def dismiss(self) -> None:
        """Hang up on clients that have been silent for too long: not for long when the process is to stop.

        Whoever has just been answered may be sending the next request, which must not be lost: it is answered, and told
        that the connection ends.
        """
        now = monotonic()
        for connection, since in list(self.waiting.items()):
            silent_s = now - since
            if silent_s < SILENT_S:
                return
            if 0 < self.cfg.keepalive <= silent_s or (connection.is_silent and not self.alive):
                connection.hang_up()

    def handle_error(self, _request: Any, connection: Any, _address: Any, error: BaseException) -> None:
        """Answer the request, whose connection is closed afterwards."""
        answer = faults.answer(error)
        with suppress(OSError):  # Most of those who cannot speak HTTP do not wait for an answer either.
            connection.sendall(answer)


def are_ours(cfg: Config) -> bool:
    """Return whether our connections do all that these settings ask for."""
    is_mounted = "SCRIPT_NAME" in os.environ  # Gunicorn's way to serve the application below a path.
    return not is_mounted and all(getattr(cfg, name) == cfg.settings[name].default for name in UNKNOWN)
