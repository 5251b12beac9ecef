"""A grace time for those who are told to stop more than once."""

import signal
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest

from broker import SignalGrace


@pytest.fixture
def heard() -> Iterator[list[int]]:
    """Signals that reached the process's own handler."""
    heard: list[int] = []

    def hear(number: int, frame: FrameType | None) -> None:
        heard.append(number)

    before = {number: signal.signal(number, hear) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield heard
    for number, handler in before.items():
        signal.signal(number, handler)


def boot(grace_s: float) -> None:
    """Do what a worker process does when it starts."""
    broker: Any = None
    SignalGrace(grace_s).after_process_boot(broker)


def test_the_first_signal_passes_and_its_repeats_do_not(heard: list[int]) -> None:
    boot(grace_s=60)

    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGHUP):
        signal.raise_signal(number)

    assert heard == [signal.SIGTERM]


def test_after_the_grace_time_a_repeat_passes(heard: list[int]) -> None:
    boot(grace_s=0)

    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)

    assert heard == [signal.SIGTERM, signal.SIGTERM]
