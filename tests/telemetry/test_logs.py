import io
import json
import logging
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
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


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_line_of_ours_and_one_of_a_librarys_look_alike(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, log_format: Any
) -> None:
    logs.configure(replace(SETTINGS, log_format=log_format))
    monkeypatch.setattr(time, "time_ns", lambda: 1_795_446_164_000_042_000)
    structlog.contextvars.bind_contextvars(request_id="extension-42", client="c-1")

    structlog.get_logger("same").warning("Went wrong.")
    logging.getLogger("same").warning("Went wrong.")
    for log in (structlog.get_logger("same"), logging.getLogger("same")):
        try:
            raise ZeroDivisionError
        except ZeroDivisionError:
            log.exception("Went wrong.")  # One place in the code, so that even the tracebacks are the same.

    text = capsys.readouterr().err
    half = len(text.splitlines()) // 2
    ours, theirs, *with_traceback = text.splitlines()
    assert ours == theirs
    assert with_traceback[: half - 1] == with_traceback[half - 1 :]
    assert "2026-11-23T15:02:44.000042Z" in ours


def test_a_logger_that_was_used_follows_a_further_call(capsys: pytest.CaptureFixture[str]) -> None:
    log = structlog.get_logger("test")
    logs.configure(replace(SETTINGS, log_level="error", log_format="console"))
    log.error("for people")
    bound = log.bind(field=1)

    logs.configure(replace(SETTINGS, log_level="debug"))
    log.debug("for machines")
    bound.debug("for machines too")

    people, *machines = capsys.readouterr().err.splitlines()
    assert "for people" in people
    assert [json.loads(line)["event"] for line in machines] == ["for machines", "for machines too"]


def test_the_level_can_be_given_as_a_number(
    log: structlog.stdlib.BoundLogger, capsys: pytest.CaptureFixture[str]
) -> None:
    log.log(logging.WARNING, "loud")
    log.log(logging.DEBUG, "quiet")

    [line] = written(capsys)
    assert (line["event"], line["level"]) == ("loud", "warning")


def test_what_is_logged_can_be_looked_at_in_tests(log: structlog.stdlib.BoundLogger) -> None:
    log.info("before")  # The logger is at work already.

    with structlog.testing.capture_logs() as told:
        log.info("looked.at", items=3)

    assert told == [{"event": "looked.at", "items": 3, "log_level": "info"}]


class Broken(io.StringIO):
    """A standard error whose reader has gone."""

    def write(self, _text: str) -> int:
        raise BrokenPipeError


def closed() -> io.StringIO:
    there = io.StringIO()
    there.close()
    return there


@pytest.mark.parametrize("stderr", [None, closed(), Broken()], ids=["none", "closed", "broken"])
def test_without_a_standard_error_nobody_is_stopped(
    log: structlog.stdlib.BoundLogger, monkeypatch: pytest.MonkeyPatch, stderr: io.StringIO | None
) -> None:
    monkeypatch.setattr(sys, "stderr", stderr)

    log.info("nobody hears this")
    logging.getLogger("library").warning("nor this")
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        log.exception("nor that")


def test_long_lines_of_many_threads_do_not_get_into_each_other(
    log: structlog.stdlib.BoundLogger, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    text = "x" * 9_000  # More than a pipe takes in one piece (PIPE_BUF), and than a file's buffer holds.

    def speak(name: str) -> None:
        for _ in range(20):
            log.info(name, text=text)
            logging.getLogger("library").warning("%s %s", name, text)

    with os.fdopen(reader) as heard, ThreadPoolExecutor(5) as pool:
        listening = pool.submit(heard.readlines)
        with os.fdopen(writer, "w") as stderr:
            monkeypatch.setattr(sys, "stderr", stderr)
            for speaking in [pool.submit(speak, str(number)) for number in range(4)]:
                speaking.result()
        lines = listening.result()

    assert len(lines) == 4 * 20 * 2
    assert {len(json.loads(line)["event"]) for line in lines} == {1, 9_002}


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
