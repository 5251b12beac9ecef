"""Detours: requests that come to Flask with an error that another way came upon, to be answered like all others.

The error travels in the request's WSGI environment and is raised in place of the view.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask, request

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_ERROR = "rate.error"


def install(app: Flask) -> None:
    """Have the error of a detour raised. To be installed after all that a request has to pass."""
    app.before_request(fail)


def bring(environ: WSGIEnvironment, error: Exception) -> None:
    """Have the request's error raised once Flask has the request."""
    environ[_ERROR] = error


def brought(environ: WSGIEnvironment) -> Exception | None:
    """Return the error with which the request comes, None when it comes as it is."""
    return environ.get(_ERROR)


def fail() -> None:
    """Raise the error, if there is one."""
    if error := brought(request.environ):
        raise error
