"""The shelf: what takes a while to make is made once, as long as there is room."""

import pytest

from app.shelf import Shelf


def test_a_value_is_made_once() -> None:
    shelf: Shelf[str, object] = Shelf(2)

    first = shelf.get("a", object)

    assert shelf.get("a", object) is first
    assert shelf.get("b", object) is not first


def test_the_value_used_longest_ago_goes_first() -> None:
    shelf: Shelf[str, object] = Shelf(2)
    kept, gone = shelf.get("kept", object), shelf.get("gone", object)

    shelf.get("kept", object)
    shelf.get("new", object)

    assert shelf.get("kept", object) is kept
    assert shelf.get("gone", object) is not gone


def test_what_cannot_be_made_is_tried_again() -> None:
    shelf: Shelf[str, float] = Shelf(2)

    with pytest.raises(ZeroDivisionError):
        shelf.get("a", lambda: 1 / 0)

    assert shelf.get("a", lambda: 1.0) == 1.0
