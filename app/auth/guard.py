"""The guard: every route says which scope it needs, or that it is public and why; nothing else is let through.

The statement is a mark on the view, read before the view is called. Decorators around a view keep the mark, since
`functools.wraps` copies it, so the order of decorators does not matter.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from flask import Flask, Response, g, request

from app.auth.callers import Caller, Callers
from app.auth.scopes import Scope
from app.errors import Forbidden

View = TypeVar("View", bound=Callable[..., Any])

MARK = "__access__"


@dataclass(frozen=True)
class Public:
    """Open to everybody, for this reason."""

    reason: str


class Unguarded(Exception):
    """A view does not say who may call it."""


def scope(needed: Scope) -> Callable[[View], View]:
    """Mark a view as open to tokens with this scope."""
    return _mark(needed)


def public(reason: str) -> Callable[[View], View]:
    """Mark a view as open to everybody, for `reason`."""
    return _mark(Public(reason))


def access(view: Callable[..., Any]) -> Scope | Public:
    """Return what the view states. Raises Unguarded."""
    stated = view.__dict__.get(MARK)
    if not isinstance(stated, Scope | Public):
        raise Unguarded(f"{view.__module__}.{view.__qualname__} states neither @scope(…) nor @public(…)")
    return stated


def verify(app: Flask) -> None:
    """Return only if every route of `app` states who may call it. Raises Unguarded."""
    for rule in app.url_map.iter_rules():
        access(app.view_functions[rule.endpoint])


def install(app: Flask, callers: Callers) -> None:
    """Have every request to `app` checked before its view is called."""

    def check() -> None:
        if request.url_rule is None:  # No such route: the answer is 404 or 405, whoever asks.
            return
        stated = access(app.view_functions[request.url_rule.endpoint])
        if isinstance(stated, Scope):
            g.caller = admit(callers.identify(request.headers.get, request.args, request.remote_addr), stated)

    def note(response: Response) -> Response:
        if callers.has_uses:  # Written down once the answer has gone out: nobody waits for it.
            response.call_on_close(callers.write_uses)
        return response

    app.before_request(check)
    app.after_request(note)


def admit(caller: Caller, needed: Scope) -> Caller:
    """Return the caller if it has the scope. Raises Forbidden."""
    bind(caller)
    if needed not in caller.scopes:
        raise Forbidden(f"The token lacks the scope {needed}.", scope=str(needed))
    return caller


def bind(caller: Caller) -> None:
    """Have the caller's client in the log lines of this request."""
    structlog.contextvars.bind_contextvars(client=str(caller.client_id))


def _mark(stated: Scope | Public) -> Callable[[View], View]:
    def mark(view: View) -> View:
        view.__dict__[MARK] = stated
        return view

    return mark
