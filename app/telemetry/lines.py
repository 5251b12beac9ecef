"""Lines: what an event becomes before it is written: one line of JSON for machines, or text for people.

What may surprise: whatever looks like a token is blotted out of the finished line, wherever in it that came from. No
line should ever carry one; this is the net below that rule.
"""

import json
import sys
import time
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from functools import cache
from typing import Any, cast

import orjson
import structlog
from structlog.contextvars import STRUCTLOG_KEY_PREFIX
from structlog.typing import EventDict, Processor, WrappedLogger

from app.auth import tokens
from app.settings import LogFormat

Render = Callable[[WrappedLogger, str, EventDict], str]

#: The second of the last line, and its text: of all that is in a line's time, the rest changes.
_second: tuple[int, str] = (0, "")


def gather(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Return the event with what is bound to the context, where it does not say otherwise itself.

    structlog's own `merge_contextvars` does the same in twice the time.
    """
    for variable, value in copy_context().items():
        name = bound_name(variable)
        if name and name not in event and value is not ...:  # Which stands for what is bound no more.
            event[name] = value
    return event


@cache
def bound_name(variable: ContextVar[Any]) -> str:
    """Return the name by which structlog has bound this variable, nothing where it is somebody else's."""
    prefix, name = variable.name[: len(STRUCTLOG_KEY_PREFIX)], variable.name[len(STRUCTLOG_KEY_PREFIX) :]
    return name if prefix == STRUCTLOG_KEY_PREFIX else ""


def sign(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Return the event with its level, its logger and its time."""
    record = event.get("_record")  # Of a library's, which has come through logging.
    event["level"] = method
    event["logger"] = logger.name if record is None else record.name
    event["timestamp"] = now()
    return event


def now() -> str:
    """Return the time in UTC as in ISO 8601, with six digits of the second."""
    global _second
    at, micros = divmod(time.time_ns() // 1000, 1_000_000)
    second, text = _second
    if at != second:
        text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at))
        _second = at, text
    return f"{text}.{micros:06}Z"


def finish(log_format: LogFormat) -> Processor:
    """Return the last step: an event becomes its line, with every token made unreadable. It never raises."""
    render = as_text() if log_format == "console" else as_json

    def finished(logger: WrappedLogger, method: str, event: EventDict) -> str:
        try:
            line = render(logger, method, event)
        except Exception:  # Of a value that cannot be shown.
            line = render(logger, method, plain(event))
        return tokens.blot(line)

    return cast(Processor, finished)  # That the last one returns text, the type of processors does not know.


def as_json(logger: WrappedLogger, method: str, event: EventDict) -> str:
    """Return the event as JSON. What is none is shown as Python would."""
    if "exc_info" in event:
        event = structlog.processors.format_exc_info(logger, method, event)
    try:
        return orjson.dumps(event, default=repr).decode()
    except TypeError:  # A number of more than 64 bits, half of a surrogate pair, a key that is no text.
        return json.dumps(event, default=repr)


def as_text() -> Render:
    """Return what makes text of events, without the values of local variables: they hold items and tokens."""
    plain_traceback = structlog.dev.plain_traceback
    render = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain_traceback)
    return lambda logger, method, event: render(logger, method, {**event})  # It takes apart what it is given.


def plain(event: EventDict) -> EventDict:
    """Return the event as nothing but text, and without its exception."""
    event.pop("exc_info", None)
    return {name: value if type(value) is str else shown(value) for name, value in event.items()}


def shown(value: object) -> str:
    """Return the value as Python shows it, or no more than its kind if that fails."""
    try:
        return repr(value)
    except Exception:
        return f"<{type(value).__name__}>"
