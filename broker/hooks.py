"""Middleware hooks, without calling those that do nothing.

Dramatiq's worker emits 28 signals a message, and with its default middleware three of four calls end in an
empty method. Which hooks are overridden is found out once for each signal and list of middleware.
"""

from __future__ import annotations

from dramatiq.middleware import Middleware


class Hooks:
    """Which of a list of middleware have something to do at a signal."""

    def __init__(self) -> None:
        self._middleware: list[Middleware] = []
        self._busy: dict[str, list[Middleware]] = {}

    def busy(self, middleware: list[Middleware], signal: str) -> list[Middleware]:
        """Return those of `middleware`, in order, that do something at `signal` ("before_ack", …)."""
        # Lists are compared element by identical element: someone may have changed it in place.
        if middleware != self._middleware:
            self._middleware, self._busy = list(middleware), {}
        busy = self._busy.get(signal)
        if busy is None:
            busy = self._busy[signal] = [one for one in middleware if _overrides(one, signal)]
        return busy


def _overrides(middleware: Middleware, signal: str) -> bool:
    hook = getattr(middleware, signal, None)
    return hook is not None and getattr(hook, "__func__", hook) is not getattr(Middleware, signal, None)
