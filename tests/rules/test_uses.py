"""Uses: which parts of an item an expression reads. What is not noted is not handed to it."""

from collections.abc import Iterator

import pytest

from app.rules import uses
from app.rules.expressions import check
from app.rules.uses import Use


def read(*sources: str) -> set[str]:
    """Return what the expressions read: places, those read whole with `=`, by size `#`, by what is in them `@`."""
    item, each = Use(), Use()
    for source in sources:
        uses.of(check(source, each=True).tree.root, {"item": item, "each": each})
    return {*told(item, "item"), *told(each, "each")}


def told(use: Use, place: str) -> Iterator[str]:
    """Yield the places of which more is read than that they are there, and those that are all that is read."""
    marks = "".join(mark for mark, on in (("=", use.whole), ("#", use.size), ("@", use.member)) if on)
    if marks:
        yield place + marks
    for name, inner in use.fields.items():
        yield from told(inner, f"{place}.{name}")
        if inner == Use():
            yield f"{place}.{name}"
    if use.elements is not None:
        yield from told(use.elements, f"{place}.*")
        if use.elements == Use():
            yield f"{place}.*"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("1 < 2", set()),
        ("item == 1", {"item="}),
        ("item.a.b > each.c", {"item.a.b=", "each.c="}),
        ("item['a'].b == 1", {"item.a.b="}),
        ("dyn(item.a).b == 1", {"item.a.b="}),
        ("item.a == 1 || item.a.b == 1", {"item.a=", "item.a.b="}),
        ("size(item.list) > 1", {"item.list#"}),
        ("item.list.size() > 1", {"item.list#"}),
        ("'a' in item.map", {"item.map@", "item.map.a"}),
        ("1 in item.list", {"item.list="}),
        ("item.map[item.key] == 1", {"item.map=", "item.key="}),
        ("item.list[0].a == 1", {"item.list.*.a="}),
        ("item.list == [1]", {"item.list="}),
        ("item.list.all(x, x.a > 1)", {"item.list.*.a="}),
        ("item.list.all(x, true)", {"item.list.*"}),
        ("item.list.all(x, x > 1)", {"item.list.*="}),
        ("item.list.map(x, x.a) == [1]", {"item.list.*.a="}),
        ("item.list.filter(x, x.a == 1).size() == 1", {"item.list.*.a="}),
        ("item.list.filter(x, x.a == 1) == []", {"item.list.*.a=", "item.list.*="}),
        ("item.list.filter(x, x.a == 1).all(y, y.b == 2)", {"item.list.*.a=", "item.list.*.b="}),
        ("item.list.all(x, item.other.exists(y, y.a == x.b))", {"item.list.*.b=", "item.other.*.a="}),
        ("item.list.all(item, item.a == 1)", {"item.list.*.a="}),
        ("item.a.matches('x')", {"item.a="}),
        ("[item.a, {'k': item.b}].size() == 2", {"item.a=", "item.b="}),
    ],
)
def test_what_an_expression_reads(source: str, expected: set[str]) -> None:
    assert read(source) == expected


def test_has_reads_only_that_the_field_is_there() -> None:
    assert read("has(item.a.b)") == {"item.a.b"}
    assert read("has(item.a)", "item.a.b == 1") == {"item.a.b="}


def test_several_expressions_read_what_each_of_them_reads() -> None:
    assert read("item.a == 1", "item.list.size() == 1", "item.list[0] == 1") == {
        "item.a=",
        "item.list#",
        "item.list.*=",
    }
