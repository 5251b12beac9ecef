"""Trees: what the bytes of a checked expression say, read without the library of their format."""

from typing import Any

import pytest

from app.rules import syntax
from app.rules.expressions import check
from app.rules.syntax import Call, Constant, Listing, Loop, Name, Node, Place, Select, Tree, below


def tree(source: str) -> Tree:
    """Return the tree of an expression."""
    return check(source, each=False).tree


def written(node: Node) -> str:
    """Return a node in short: enough to see what is in it, and in which order."""
    inside = ", ".join(map(written, below(node)))
    match node:
        case Constant(value=value):
            return repr(value)
        case Name(name=name):
            return name
        case Select(field=field, test=test):
            return f"{inside}.{field}{'?' if test else ''}"
        case Call(function=function):
            return f"{function}({inside})"
        case Listing():
            return f"[{inside}]"
        case Loop(element=element):
            return f"loop {element}({inside})"


@pytest.mark.parametrize(
    ("source", "value", "size"),
    [
        ("'Größe'", "Größe", 7),
        ("''", "", 0),
        ("7", 7, 8),
        ("-7", -7, 8),
        ("9223372036854775807", 2**63 - 1, 8),
        ("-9223372036854775808", -(2**63), 8),
        ("true", True, 8),
        ("false", False, 8),
        ("null", None, 8),
        ("1.5", None, 8),
        ("7u", None, 8),
        ("b'abc'", None, 3),
    ],
)
def test_a_literal_has_its_value_and_size(source: str, value: Any, size: int) -> None:
    root = tree(source).root

    assert isinstance(root, Constant)
    assert (root.value, root.size) == (value, size)
    assert type(root.value) is type(value)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("item", "item"),
        ("item.a.b", "item.a.b"),
        ("has(item.a.b)", "item.a.b?"),
        ("item['a b']", "_[_](item, 'a b')"),
        ("item.a.startsWith('x')", "startsWith(item.a, 'x')"),
        ("item.a == 1 && !item.b", "_&&_(_==_(item.a, 1), !_(item.b))"),
        ("item.a ? 1 : 2", "_?_:_(item.a, 1, 2)"),
        ("[1, item.a, []]", "[1, item.a, []]"),
        ("{'k': item.a, 'l': 2}", "['k', item.a, 'l', 2]"),
        ("{}", "[]"),
    ],
)
def test_a_tree_has_all_parts_in_their_order(source: str, expected: str) -> None:
    assert written(tree(source).root) == expected


def test_a_macro_is_a_loop_with_all_that_it_does() -> None:
    loop = tree("item.list.all(x, x > 1)").root

    assert isinstance(loop, Loop)
    assert loop.element == "x"
    assert written(loop.over) == "item.list"
    assert written(loop.step) == f"_&&_({loop.sum}, _>_(x, 1))"
    assert below(loop) == (loop.over, loop.first, loop.while_, loop.step, loop.result)


def test_a_node_stands_at_its_line_and_column() -> None:
    found = tree("item.a ==\n  item.list.all(x,\n    x > 1)")
    root = found.root
    assert isinstance(root, Call)
    left, loop = root.args
    assert isinstance(loop, Loop)
    assert isinstance(loop.step, Call)

    places = [found.place(node) for node in (root, left, loop.over, loop.step.args[1])]

    assert places == [Place(1, 8), Place(1, 5), Place(2, 7), Place(3, 7)]
    assert found.place(loop.first) == found.place(loop)


def test_a_node_of_another_tree_stands_nowhere() -> None:
    assert tree("item").place(Name(99, "item")) is None


def test_bytes_of_another_message_are_refused() -> None:
    number_for_a_message, message_for_a_number = b"\x20\x01", b"\x22\x05\x1a\x03\x1a\x01x"

    with pytest.raises(ValueError, match="a number where a message belongs"):
        syntax.read(number_for_a_message)
    with pytest.raises(ValueError, match="a message where a number belongs"):
        syntax.read(message_for_a_number)


def test_a_field_that_is_not_there_is_empty() -> None:
    assert syntax.field(b"", 2) == b""
    assert syntax.field(b"\x12\x01a\x12\x01b", 2) == b"b"
