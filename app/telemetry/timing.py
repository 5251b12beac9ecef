"""Timing: when a request began, noted by whoever meets it first and read by all who tell how long it took."""

import time
from collections.abc import MutableMapping
from typing import Any

_BEGAN = "rate.began"


def begin(environ: MutableMapping[str, Any]) -> None:
    """Note that the request with this WSGI environment has begun, unless that is noted."""
    if _BEGAN not in environ:
        environ[_BEGAN] = time.perf_counter()


def elapsed_s(environ: MutableMapping[str, Any]) -> float:
    """Return the seconds since the request began."""
    began: float = environ[_BEGAN]
    return time.perf_counter() - began
