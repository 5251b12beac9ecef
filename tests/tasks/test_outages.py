"""Outages: the servers being away is nobody's failure; everything else is."""

import pytest
import redis
from dramatiq.errors import ConnectionClosed

from app.errors import DatabaseAway, UnknownRuleSet
from broker import Reschedule
from tasks.outages import LONGEST_MS, SHORTEST_MS, patient


@pytest.mark.parametrize(
    "error",
    [
        DatabaseAway("away"),
        redis.ConnectionError("away"),
        redis.TimeoutError("away"),
        ConnectionClosed("away"),  # type: ignore[no-untyped-call]  # theirs
    ],
)
def test_an_outage_is_waited_for(error: Exception) -> None:
    with pytest.raises(Reschedule) as raised, patient():
        raise error

    assert SHORTEST_MS <= (raised.value.delay or 0) <= LONGEST_MS
    assert raised.value.__cause__ is error


@pytest.mark.parametrize("error", [UnknownRuleSet("gone"), RuntimeError("broken"), Reschedule(5)])
def test_what_waiting_does_not_mend_is_left_alone(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, patient():
        raise error

    assert raised.value is error
