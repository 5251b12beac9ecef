"""Applications that are opened for a while and leave nothing behind: no thread, no connection, no change to logging."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask

from app.factory import create_app
from app.settings import Settings


@contextmanager
def application(settings: Settings) -> Iterator[Flask]:
    """Yield an application, closed afterwards."""
    with logging_kept():
        app = create_app(settings)
        try:
            yield app
        finally:
            app.extensions["platform"].close()


@contextmanager
def logging_kept() -> Iterator[None]:
    """Put the handlers and the level of the root logger back as they were."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
