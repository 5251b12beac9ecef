"""Middleware hooks, without calling those that do nothing.

Dramatiq's worker emits 28 signals a message, and with its default middleware three of four calls end in an
empty method. Which hooks are overridden is found out once for each signal and list of middleware.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dramatiq.middleware import Middleware

#: A method of a middleware.
Hook = Callable[..., Any]


class Hooks:
    """Which of a list of middleware have something to do before, or after, a signal."""

    def __init__(self) -> None:
        self._middleware: list[Middleware] = []
        self._before: dict[str, list[Hook]] = {}
        self._after: dict[str, list[Hook]] = {}

    def before(self, middleware: list[Middleware], signal: str) -> list[Hook]:
        """Return what `middleware` do before `signal` ("ack", …), in order."""
        self._heed(middleware)
        hooks = self._before.get(signal)
        if hooks is None:
            hooks = self._before[signal] = _overridden(middleware, "before_" + signal)
        return hooks

    def after(self, middleware: list[Middleware], signal: str) -> list[Hook]:
        """Return what `middleware` do after `signal`, in reverse order."""
        self._heed(middleware)
        hooks = self._after.get(signal)
        if hooks is None:
            hooks = self._after[signal] = _overridden(middleware[::-1], "after_" + signal)
        return hooks

    def _heed(self, middleware: list[Middleware]) -> None:
        # Lists are compared element by identical element: someone may have changed it in place.
        if middleware != self._middleware:
            self._middleware, self._before, self._after = list(middleware), {}, {}


def _overridden(middleware: list[Middleware], name: str) -> list[Hook]:
    hooks = [getattr(one, name, None) for one in middleware]
    return [hook for hook in hooks if hook is not None and not _does_nothing(hook, name)]


def _does_nothing(hook: Hook, name: str) -> bool:
    return getattr(hook, "__func__", hook) is getattr(Middleware, name, None)
