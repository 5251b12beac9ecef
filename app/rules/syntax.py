"""The tree of an expression, read from the bytes in which a CEL library hands over what it has checked.

Those bytes are protocol buffers, cel.expr.CheckedExpr of github.com/google/cel-spec (proto/cel/expr), the same for
every CEL library. Seven kinds of node do not warrant that format's own library, so its few rules are here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

# Field numbers of cel.expr.CheckedExpr, SourceInfo and Expr.
_EXPR, _SOURCE = 4, 5
_LINES, _POSITIONS = 3, 4
# Those of Constant.
_BOOL, _INT, _TEXT = 2, 3, 6
_ID, _CONSTANT, _IDENT, _SELECT, _CALL, _LIST, _STRUCT, _LOOP = 2, 3, 4, 5, 6, 7, 8, 9


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal; its `value` if that is a text, a whole number or a bool, else None. `size` is in bytes."""

    id: int
    value: str | int | bool | None
    size: int


@dataclass(frozen=True, slots=True)
class Name:
    """A variable: `item`, `each`, or what a loop calls an element."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Select:
    """`operand.field`, or `has(operand.field)` when it is a `test`."""

    id: int
    operand: "Node"
    field: str
    test: bool


@dataclass(frozen=True, slots=True)
class Call:
    """A function or operator; the target of `target.function(…)` comes first among `args`."""

    id: int
    function: str
    args: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """A list or map literal: its elements, or its keys and values."""

    id: int
    elements: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Loop:
    """What the macros all, exists, exists_one, map and filter become."""

    id: int
    element: str
    over: "Node"
    sum: str
    first: "Node"
    while_: "Node"
    step: "Node"
    result: "Node"


Node = Constant | Name | Select | Call | Listing | Loop


class Place(NamedTuple):
    """Where in its text a node stands, both from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Tree:
    """An expression."""

    root: Node
    #: SourceInfo as it came: only whoever has something to complain of asks for a place.
    _source: bytes

    def place(self, node: Node) -> Place | None:
        """Return where `node` stands, None when nobody has said; what a macro has added stands where the macro does."""
        source = _parts(self._source)
        pairs = (_parts(_bytes(pair)) for pair in source.get(_POSITIONS, []))
        offset = next((_number(pair, 2) for pair in pairs if _number(pair, 1) == node.id), None)
        if offset is None:
            return None
        starts = [0, *(end for end in _packed(source.get(_LINES, [])) if end <= offset)]
        return Place(len(starts), offset - starts[-1] + 1)


def read(checked: bytes) -> Tree:
    """Return the tree that `checked`, the bytes of a CheckedExpr, holds."""
    parts = _parts(checked)
    return Tree(_node(_last(parts, _EXPR)), _last(parts, _SOURCE))


def field(message: bytes, number: int) -> bytes:
    """Return the message in this field of `message`, empty when it has none."""
    return _last(_parts(message), number)


def below(node: Node) -> tuple[Node, ...]:
    """Return the nodes right under `node`."""
    match node:
        case Select():
            return (node.operand,)
        case Call():
            return node.args
        case Listing():
            return node.elements
        case Loop():
            return (node.over, node.first, node.while_, node.step, node.result)
        case _:
            return ()


_Parts = dict[int, list[int | bytes]]


def _node(encoded: bytes) -> Node:
    parts = _parts(encoded)
    number = _number(parts, _ID)
    if _IDENT in parts:
        return Name(number, _text(_parts(_last(parts, _IDENT)), 1))
    if _SELECT in parts:
        select = _parts(_last(parts, _SELECT))
        return Select(number, _node(_last(select, 1)), _text(select, 2), bool(_number(select, 3)))
    if _CALL in parts:
        call = _parts(_last(parts, _CALL))
        return Call(number, _text(call, 2), tuple(_node(_bytes(each)) for each in call.get(1, []) + call.get(3, [])))
    if _LIST in parts:
        return Listing(number, tuple(_node(_bytes(each)) for each in _parts(_last(parts, _LIST)).get(1, [])))
    if _STRUCT in parts:
        return Listing(number, tuple(_entries(_parts(_last(parts, _STRUCT)))))
    if _LOOP in parts:
        loop = _parts(_last(parts, _LOOP))
        over, first, while_, step, result = (_node(_last(loop, field)) for field in (2, 4, 5, 6, 7))
        return Loop(number, _text(loop, 1), over, _text(loop, 3), first, while_, step, result)
    constant = _parts(_last(parts, _CONSTANT)) if _CONSTANT in parts else {}
    size = sum(len(each[-1]) if isinstance(each[-1], bytes) else 8 for each in constant.values())
    return Constant(number, _literal(constant), size)


def _literal(constant: _Parts) -> str | int | bool | None:
    if _TEXT in constant:
        return _text(constant, _TEXT)
    if _BOOL in constant:
        return bool(_number(constant, _BOOL))
    if _INT in constant:
        value = _number(constant, _INT)
        return value - 2**64 if value >= 2**63 else value  # two's complement of 64 bits
    return None


def _entries(struct: _Parts) -> Iterator[Node]:
    for each in struct.get(2, []):
        entry = _parts(_bytes(each))
        yield from (_node(_last(entry, field)) for field in (3, 4) if field in entry)


def _parts(encoded: bytes) -> _Parts:
    """Return the values of one message by field number (protobuf.dev/programming-guides/encoding)."""
    parts: _Parts = {}
    at = 0
    while at < len(encoded):
        key, at = _varint(encoded, at)
        value: int | bytes
        match key & 7:
            case 0:
                value, at = _varint(encoded, at)
            case 2:
                length, at = _varint(encoded, at)
                value, at = encoded[at : at + length], at + length
            case wire:
                length = {1: 8, 5: 4}[wire]
                value, at = encoded[at : at + length], at + length
        parts.setdefault(key >> 3, []).append(value)
    return parts


def _varint(encoded: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = encoded[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def _packed(values: list[int | bytes]) -> Iterator[int]:
    for value in values:
        if isinstance(value, int):
            yield value
            continue
        at = 0
        while at < len(value):
            number, at = _varint(value, at)
            yield number


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number where a message belongs")
    return value


def _last(parts: _Parts, field: int) -> bytes:
    return _bytes(parts[field][-1]) if field in parts else b""


def _number(parts: _Parts, field: int) -> int:
    value = parts[field][-1] if field in parts else 0
    if isinstance(value, bytes):
        raise ValueError("a message where a number belongs")
    return value


def _text(parts: _Parts, field: int) -> str:
    return _last(parts, field).decode()
