"""Views: an item without what no condition reads, so that conditions cannot tell it from the whole."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rules import uses
from app.rules.expressions import Expressions, Failure, check
from app.rules.facts import compiled
from app.rules.uses import Use
from app.rules.views import view

ITEM = {"a": "1.50", "b": {"c": 1, "d": 2}, "list": [{"x": 1, "y": 2}, {"x": 3}], "unread": "z" * 1000}


def seen(source: str, item: Any, **kinds: str) -> Any:
    """Return what the expression sees of the item, with facts of these fields."""
    use = Use()
    uses.of(check(source, each=False).tree.root, {"item": use})
    return view(use, compiled({f"/{name}": kind for name, kind in kinds.items()}, {}))(item)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("1 < 2", None),
        ("item.b.c == 1", {"b": {"c": 1}}),
        ("item.b == {}", {"b": {"c": 1, "d": 2}}),
        ("'d' in item.b", {"b": {"d": None}}),
        ("item.list.size() == 2", {"list": [None, None]}),
        ("item.list.all(e, e.x > 0)", {"list": [{"x": 1}, {"x": 3}]}),
        ("item.list.all(e, !has(e.y))", {"list": [{"y": None}, {}]}),
        ("item.gone == 1", {}),
        ("item.size() == 4", ITEM),
    ],
)
def test_what_is_not_read_is_left_out(source: str, expected: Any) -> None:
    assert seen(source, ITEM) == expected


def test_facts_stand_in_the_place_of_a_text_as_far_as_they_are_read() -> None:
    assert seen("item.a.sign > 0", ITEM, a="decimal") == {"a": {"sign": 1}}
    assert seen("item.a.units + item.a.decimals > 0", ITEM, a="decimal") == {"a": {"units": 1_500_000, "decimals": 2}}
    assert seen("item.a.size() > 0", ITEM, a="decimal") == {
        "a": {"text": "1.50", "sign": 1, "decimals": 2, "units": 1_500_000}
    }


@pytest.mark.parametrize("odd", [None, 1, True, [], {}, "no number"])
def test_what_is_no_text_of_its_kind_is_passed_on_as_it_is(odd: Any) -> None:
    assert seen("item.a.sign > 0 || item.a.text == ''", {"a": odd}, a="decimal") == {"a": odd}


@pytest.mark.parametrize("odd", [None, 1, "text", []])
def test_an_item_that_is_no_object_is_passed_on(odd: Any) -> None:
    assert seen("item.b.c == 1", odd) == odd


def test_a_list_in_the_place_of_an_object_keeps_its_length_alone() -> None:
    assert seen("item.b.c == 1", {"b": [{"c": 1}, 2]}) == {"b": [None, None]}


def test_the_item_itself_stays_as_it_was() -> None:
    item = {"a": "1.50", "list": [{"x": 1, "y": 2}]}

    seen("item.a.sign > 0 && item.list.all(e, e.x > 0)", item, a="decimal")

    assert item == {"a": "1.50", "list": [{"x": 1, "y": 2}]}


SOURCES = [
    "item.a", "item.a.b", "has(item.a)", "has(item.a.b)", "item.a.size()", "'b' in item.a", "item.a[0]",
    "item['a']['b']", "item.a.all(e, has(e.b))", "item.a.exists(e, e == 1)", "item.a.map(e, e)",
    "item.a.filter(e, has(e.b))",
    "item.a.filter(e, has(e.b)).size()", "item.a.filter(e, e == 1).all(f, f == 1)", "item.a == item.b", "item.size()",
]  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "b", "1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3),
    max_leaves=8,
)


@given(item=VALUES)
def test_no_expression_can_tell_a_view_from_the_whole(item: Any) -> None:
    for source, whole, part in EACH:
        (expected,), (got,) = whole.values(item), part.values(item)

        # What cannot be evaluated cannot be evaluated of either; of why, the words may differ.
        assert got.__class__ is expected.__class__, source
        assert isinstance(expected, Failure) or got == expected, source


#: Each source, over the whole item (the list around it reads all of it), and over its view.
EACH = [(source, Expressions([f"[item, {source}][1]"]), Expressions([source])) for source in SOURCES]
