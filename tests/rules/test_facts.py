"""Facts: what conditions see in place of a text."""

from typing import Any

import pytest

from app.rules.facts import compiled
from app.rules.uses import Use
from app.rules.views import view

FACTS = compiled(
    {
        "/price": "decimal",
        "/currency": "currency",
        "/port": {"listed": "countries", "first": 2},
        "/lines/*/price": "decimal",
        "/lines/*/kind": {"listed": "kinds"},
    },
    {"countries": frozenset({"NL"}), "kinds": frozenset({"base"})},
)
seen = view(Use(whole=True), FACTS)


def test_a_text_is_seen_with_its_facts() -> None:
    assert seen({"price": "-1.5", "currency": "HRK", "port": "NLRTM", "other": "1.5"}) == {
        "price": {"text": "-1.5", "sign": -1, "decimals": 1, "units": -1_500_000},
        "currency": {"text": "HRK", "known": True, "until": "2022-12-31"},
        "port": {"text": "NLRTM", "listed": True},
        "other": "1.5",
    }


def test_texts_in_a_list_are_seen_with_their_facts() -> None:
    assert seen({"lines": [{"price": "0", "kind": "base"}, {"kind": "basel"}]}) == {
        "lines": [
            {
                "price": {"text": "0", "sign": 0, "decimals": 0, "units": 0},
                "kind": {"text": "base", "listed": True},
            },
            {"kind": {"text": "basel", "listed": False}},
        ]
    }


@pytest.mark.parametrize(
    "item",
    [
        None,
        [],
        "1.5",
        {},
        {"price": 1.5, "currency": None, "port": ["NLRTM"]},
        {"price": "on req."},
        {"lines": {"price": "1"}},
        {"lines": ["1", 1, None, []]},
    ],
)
def test_what_has_no_facts_is_seen_as_it_is(item: Any) -> None:
    assert seen(item) == item


def test_the_item_itself_does_not_change() -> None:
    item = {"price": "1.5", "lines": [{"price": "2"}]}

    seen(item)

    assert item == {"price": "1.5", "lines": [{"price": "2"}]}
