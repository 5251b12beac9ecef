"""Applications that are opened for a while and leave nothing behind: no thread, no connection, no change to logging."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask

from app.factory import create_app
from app.settings import Settings
from app.telemetry import logs


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
    """Put the root logger's handlers and level back as they were, and how our own lines are made."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    steps, formatter = list(logs.STEPS), logs.STDERR.formatter
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logs.STEPS[:] = steps
        logs.STDERR.setFormatter(formatter)
