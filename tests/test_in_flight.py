"""In flight: what was sent and has not ended, for a moment."""

import pytest

from app import in_flight
from app.in_flight import InFlight
from app.models.base import new_id
from app.platform import Platform


def test_what_was_sent_is_in_flight_until_it_has_ended() -> None:
    flight = InFlight()
    first, second, strange = new_id(), new_id(), new_id()
    flight.sent([first, second])

    assert flight.number() == 2
    assert not flight.ended([strange])
    assert flight.ended([strange, first])
    assert not flight.ended([first])
    assert flight.number() == 1


def test_what_was_sent_long_ago_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_flight, "MOST_S", 0)
    flight = InFlight()

    flight.sent([new_id()])

    assert flight.number() == 0


def test_an_accepted_request_is_in_flight_until_its_end_is_heard(platform: Platform) -> None:
    request_id, other = new_id(), new_id()

    platform.intake.accept(request_id, client_id=new_id(), source="api", ruleset="fx_rate", items=[{}])

    flying = platform.intake._in_flight
    assert request_id in flying._sent_at
    platform.intake.heard([other])
    assert request_id in flying._sent_at
    platform.intake.heard([other, request_id])
    assert request_id not in flying._sent_at
