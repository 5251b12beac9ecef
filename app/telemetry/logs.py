"""Logs: one event a line on standard error, from us and from every library alike, the same in every process.

What may surprise: the libraries log through `logging`, and our own events do not. They are written at once, which takes
a fifth of the time. Only what carries an exception goes the libraries' way, since error tracking listens there.
"""

import logging
import sys
from typing import Any

import structlog
from structlog import BoundLoggerBase
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

from app.settings import LogLevel, Settings
from app.telemetry import lines

#: The levels of `logging` by their numbers, the loudest last.
LEVELS = {logging.DEBUG: "debug", logging.INFO: "info", logging.WARNING: "warning", logging.ERROR: "error"}
#: These bring handlers of their own, which would write past ours.
STUBBORN = ("gunicorn.error", "gunicorn.access")
#: These tell at INFO what only their own developers want to know.
CHATTY = ("alembic", "apscheduler")


class Stderr(logging.Handler):
    """Writes each line at once to what standard error is at that moment: Dramatiq and test runners exchange it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record's line."""
        try:
            line = self.format(record)
        except Exception:
            self.handleError(record)
        else:
            self.write(line)

    def write(self, line: str) -> None:
        """Write the line, whole, between two others. Without a standard error that works it is lost: nothing raises."""
        with self.lock:  # type: ignore[union-attr]  # It has one, which logging looks after when a process forks.
            try:
                sys.stderr.write(line + "\n")
                sys.stderr.flush()
            except Exception:
                return  # There is nobody to tell.


#: Of the whole process, since lines that have one lock do not get into each other.
STDERR = Stderr()

#: What our own events go through. Loggers keep the very list that they were first used with, so there is only one.
STEPS: list[Processor] = []


class Logger(BoundLoggerBase):
    """What says our own events. structlog's own does more on the way, for one more microsecond."""

    def debug(self, event: str, **fields: object) -> None:
        """Say what only somebody who debugs wants to know."""
        self._say("debug", event, fields)

    def info(self, event: str, **fields: object) -> None:
        """Say what has come about."""
        self._say("info", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Say what an operator may have to look at."""
        self._say("warning", event, fields)

    def error(self, event: str, **fields: object) -> None:
        """Say what has gone wrong."""
        self._say("error", event, fields)

    def exception(self, event: str, **fields: object) -> None:
        """Say what has gone wrong, with the exception that is being handled."""
        self._say("error", event, {"exc_info": True, **fields})

    def log(self, level: int, event: str, **fields: object) -> None:
        """Say it at this level, which is one of `logging`'s."""
        self._say(LEVELS[level], event, fields)

    def _say(self, level: str, event: str, fields: dict[str, object]) -> None:
        told: Any = {**self._context, **fields, "event": event}
        try:
            for step in self._processors:
                told = step(self._logger, level, told)
        except structlog.DropEvent:
            return
        STDERR.write(told)


def configure(settings: Settings) -> None:
    """Have this process log as the settings say. A further call replaces what the one before set up."""
    spare()
    finish = lines.finish(settings.log_format)
    libraries(settings.log_level, finish)
    STEPS[:] = [heard(settings.log_level), lines.gather, lines.sign, detour, finish]
    structlog.configure(
        processors=STEPS,
        wrapper_class=Logger,
        logger_factory=logging.getLogger,
        cache_logger_on_first_use=True,
    )


def spare() -> None:
    """Have the library not look up for each line what no line says: https://docs.python.org/3/howto/logging.html."""
    logging._srcfile = None
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def libraries(level: LogLevel, finish: Processor) -> None:
    """Have the libraries' events, from this level on, become lines like our own."""
    root = logging.getLogger()
    # What gunicorn's, Dramatiq's or Flask's set-up left; a test runner's handlers stay.
    for handler in tuple(root.handlers):
        if type(handler) is logging.StreamHandler:
            root.removeHandler(handler)
    STDERR.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[lines.gather, lines.sign],
            processors=[ProcessorFormatter.remove_processors_meta, finish],
        )
    )
    root.addHandler(STDERR)
    root.setLevel(level.upper())
    for name in STUBBORN:
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


def heard(level: LogLevel) -> Processor:
    """Return the step that drops what is below this level."""
    names = list(LEVELS.values())
    quiet = frozenset(names[: names.index(level)])

    def step(_logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        if method in quiet:
            raise structlog.DropEvent
        return event

    return step


def detour(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Have an event with an exception go through `logging`, and return any other."""
    if not event.get("exc_info"):
        return event
    args, more = ProcessorFormatter.wrap_for_formatter(logger, method, event)
    getattr(logger, method)(*args, **more)
    raise structlog.DropEvent
