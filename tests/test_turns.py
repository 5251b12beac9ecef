"""Turns: how far one gets in a time."""

from app.turns import in_turns


def test_each_has_its_turn_in_order() -> None:
    assert list(in_turns("abc", within_s=600)) == ["a", "b", "c"]
    assert list(in_turns([], within_s=600)) == []


def test_when_the_time_is_up_the_rest_has_none() -> None:
    assert list(in_turns("abc", within_s=-1)) == ["a"]
