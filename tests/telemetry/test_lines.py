"""Lines: every event becomes one, whatever is in it."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from app.telemetry import lines

LOGGER = structlog.stdlib.get_logger("test")


class Unshowable:
    """A value that breaks when it is looked at."""

    def __repr__(self) -> str:
        raise ZeroDivisionError


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    """Leave no context."""
    yield
    structlog.contextvars.clear_contextvars()


def as_json(**event: Any) -> dict[str, Any]:
    """Return what the line of this event says."""
    line: Any = lines.finish("json")(LOGGER, "info", event)
    assert "\n" not in line
    return dict(json.loads(line))


def test_what_is_bound_is_added_unless_the_event_says_otherwise() -> None:
    structlog.contextvars.bind_contextvars(request_id="bound", client="bound", actor="bound")
    structlog.contextvars.unbind_contextvars("actor")

    event = lines.gather(LOGGER, "info", {"client": "its own"})

    assert event == {"client": "its own", "request_id": "bound"}


@pytest.mark.parametrize("nanoseconds", [0, 999, 1_000, 1_795_446_164_999_999_999, 1_795_446_165_000_000_000])
def test_the_time_is_that_of_utc_with_all_its_digits(monkeypatch: pytest.MonkeyPatch, nanoseconds: int) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: nanoseconds)

    text = lines.now()

    at = datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC)
    at = at.replace(microsecond=nanoseconds // 1_000 % 1_000_000)
    assert text == at.isoformat(timespec="microseconds").replace("+00:00", "Z")


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary() | st.uuids(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text() | st.integers() | st.tuples(st.integers()), inner, max_size=3)
        ),
        max_leaves=10,
    )
)
def test_any_value_can_be_shown(value: Any) -> None:
    assert as_json(event="shown", value=value, items=3)["event"] == "shown"


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize(
    "value",
    [Unshowable(), [Unshowable()], {(1, 2): 3}, "\ud800", 1 << 64, 10**5_000],
    ids=["unshowable", "deeply so", "a key of two", "half a character", "too big", "far too big"],
)
def test_a_value_that_cannot_be_shown_does_not_cost_the_others(log_format: Any, value: object) -> None:
    event = {"event": "went.wrong", "validation": "01a2", "value": value, "level": "info"}

    line: Any = lines.finish(log_format)(LOGGER, "info", event)

    assert "went.wrong" in line
    assert "01a2" in line


def test_a_value_that_contains_itself_is_shown_as_far_as_it_goes() -> None:
    endless: list[object] = []
    endless.append(endless)

    assert as_json(event="shown", value=endless) == {"event": "shown", "value": "[[...]]"}
