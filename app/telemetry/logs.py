"""Logs: one event a line on standard error, from every library through the same chain, the same in every process.

What may surprise: whatever looks like a token is blotted out of the finished line, wherever in it that came from. No
line should ever carry one; this is the net below that rule.
"""

import json
import logging
import sys
from collections.abc import Callable
from typing import Any, cast

import orjson
import structlog
from structlog.typing import Processor, WrappedLogger

from app.auth import tokens
from app.settings import LogFormat, Settings

#: These bring handlers of their own, which would write past ours.
STUBBORN = ("gunicorn.error", "gunicorn.access")
#: These tell at INFO what only their own developers want to know.
CHATTY = ("alembic", "apscheduler")


class Stderr(logging.Handler):
    """Writes each line at once to what standard error is at that moment: Dramatiq and test runners exchange it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the finished line."""
        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except Exception:
            self.handleError(record)


def configure(settings: Settings) -> None:
    """Have this process log as the settings say. A further call replaces what the one before set up."""
    spare()
    root = logging.getLogger()
    # Ours of before, and what gunicorn's, Dramatiq's or Flask's set-up left; a test runner's handlers stay.
    for handler in tuple(root.handlers):
        if type(handler) in (Stderr, logging.StreamHandler):
            root.removeHandler(handler)
    root.addHandler(stderr(settings.log_format))
    root.setLevel(settings.log_level.upper())
    for name in STUBBORN:
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def spare() -> None:
    """Have the library not look up for each line what no line says: https://docs.python.org/3/howto/logging.html."""
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def stderr(log_format: LogFormat) -> logging.Handler:
    """Return the handler that turns events into lines of this format."""
    handler = Stderr()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared(),
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *renderers(log_format),
                cast(Processor, blot),  # What a renderer returns is text, which the type of processors does not know.
            ],
        )
    )
    return handler


def shared() -> list[Processor]:
    """Return the steps that every event goes through, ours and the libraries'."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def renderers(log_format: LogFormat) -> list[Processor]:
    """Return the last steps: to one line of JSON for machines, or to text for people."""
    if log_format == "console":
        # Without the values of local variables, which the pretty tracebacks show: they hold items and tokens.
        plain = structlog.dev.plain_traceback
        return [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(written)]


def written(event: dict[str, Any], default: Callable[[Any], Any]) -> str:
    """Return the event as JSON. What is none becomes what `default` makes of it."""
    try:
        return orjson.dumps(event, default=default).decode()
    except TypeError:  # A number of more than 64 bits, half of a surrogate pair, a key that is no text.
        return json.dumps(event, default=default)


def blot(_logger: WrappedLogger, _method: str, line: str) -> str:
    """Return the line with every token in it made unreadable."""
    return tokens.blot(line)
