import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import structlog

from app.auth import tokens
from app.settings import Settings
from app.telemetry import logs

SETTINGS = Settings(database_url="", redis_url="")


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    """Leave logging as it was."""
    root = logging.getLogger()
    handlers, level = tuple(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str]) -> structlog.stdlib.BoundLogger:
    """A logger of a process that logs JSON."""
    logs.configure(SETTINGS)
    return structlog.stdlib.get_logger("test")


def written(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_an_event_is_one_line_of_json(log: structlog.stdlib.BoundLogger, capsys: pytest.CaptureFixture[str]) -> None:
    log.info("validation.accepted", items=3, odd=object(), text="two\nlines")

    [line] = written(capsys)
    assert (line["event"], line["items"], line["text"]) == ("validation.accepted", 3, "two\nlines")
    assert (line["level"], line["logger"]) == ("info", "test")
    assert line["timestamp"].endswith("Z")


def test_a_library_goes_through_the_same_chain(
    log: structlog.stdlib.BoundLogger, capsys: pytest.CaptureFixture[str]
) -> None:
    structlog.contextvars.bind_contextvars(request_id="extension-42")

    logging.getLogger("dramatiq.worker").warning("Consumer %s", "gone")

    [line] = written(capsys)
    assert (line["event"], line["level"], line["logger"]) == ("Consumer gone", "warning", "dramatiq.worker")
    assert line["request_id"] == "extension-42"


def test_an_exception_is_one_line_with_its_traceback(
    log: structlog.stdlib.BoundLogger, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        raise ZeroDivisionError("by hand")
    except ZeroDivisionError:
        log.exception("went.wrong")
        logging.getLogger("library").exception("went wrong")

    for line in written(capsys):
        assert "ZeroDivisionError: by hand" in line["exception"]


def test_what_is_below_the_level_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(replace(SETTINGS, log_level="warning"))

    structlog.get_logger("test").info("quiet")
    logging.getLogger("library").info("quiet")
    structlog.get_logger("test").warning("loud")

    assert [line["event"] for line in written(capsys)] == ["loud"]


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_token_is_blotted_out_wherever_it_is(capsys: pytest.CaptureFixture[str], log_format: Any) -> None:
    logs.configure(replace(SETTINGS, log_format=log_format))
    token = tokens.make()

    structlog.get_logger("test").info(f"in the event {token}", field={"inner": [token]})
    logging.getLogger("library").warning("in the words %s", token)
    try:
        raise ValueError(token)
    except ValueError:
        structlog.get_logger("test").exception("in the traceback")

    text = capsys.readouterr().err
    assert token not in text
    assert text.count(tokens.BLOT) == 4


def test_a_traceback_for_people_does_not_show_values(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(replace(SETTINGS, log_format="console"))
    item = {"amount": "canary"}
    try:
        item["missing"]
    except KeyError:
        structlog.get_logger("test").exception("went.wrong")

    text = capsys.readouterr().err
    assert "KeyError" in text
    assert "canary" not in text.replace('item = {"amount": "canary"}', "")


def test_configuring_again_does_not_double_the_lines(
    log: structlog.stdlib.BoundLogger, capsys: pytest.CaptureFixture[str]
) -> None:
    logging.getLogger().addHandler(logging.StreamHandler())
    logs.configure(SETTINGS)
    log.info("once")
    logging.getLogger("gunicorn.error").addHandler(logging.StreamHandler())
    logs.configure(SETTINGS)
    logging.getLogger("gunicorn.error").warning("once")

    assert [line["event"] for line in written(capsys)] == ["once", "once"]
