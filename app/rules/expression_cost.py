"""What an expression can cost at most, from its tree and the schema of the items, before there is any item.

The unit is the largest item: a text of the item weighs 1 where the schema does not bound it, two texts joined weigh 2.
Kubernetes bounds the rules of its users in the same way, and asks for `maxItems` as this does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.rules.expressions import ExpressionError
from app.rules.legible import LARGEST_ITEM
from app.rules.schema_cost import resolved
from app.rules.syntax import Call, Constant, Listing, Loop, Name, Node, Select, Tree, below

#: Elements of a list that rules may walk, and steps of one loop with the loops inside. The engine itself stops an
#: expression after 10,000 steps, so that one that may take more could never judge a full item.
MOST_ELEMENTS = 1_000
MOST_STEPS = 10_000
#: Steps of all loops of all rules of a rule set: two hundred rules that walk a list of a thousand, and some.
MOST_STEPS_TOGETHER = 250_000
#: How often one loop may stand inside another.
MOST_LOOPS = 3
#: Levels of a tree. The engine has room for 32; the list of all rules and a walk over elements take some.
DEEPEST = 22
#: How much one value can weigh, in largest items: it is what a worker has to hold.
HEAVIEST = 16
#: How much all rules of a rule set together can read, in largest items: a second or two.
MOST_READ = 1_000
#: Characters of the pattern of `matches`.
LONGEST_PATTERN = 500

#: What gives a number, a bool or a time, whatever it is given.
_SCALAR = frozenset({
    "_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "_&&_", "_||_", "!_", "_-_", "_*_", "_/_", "_%_", "-_", "@in",
    "@not_strictly_false", "size", "matches", "contains", "startsWith", "endsWith", "timestamp", "duration", "int",
    "uint", "double", "bool", "type", "getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek",
    "getDayOfYear", "getHours", "getMinutes", "getSeconds", "getMilliseconds",
})  # fmt: skip
_SMALL = 8 / LARGEST_ITEM


@dataclass(frozen=True, slots=True)
class Size:
    """The most that a value can be: its weight, how many elements it has where that is known, and its schema."""

    weight: float
    count: int | None = None
    schema: Any = None


_NUMBER = Size(_SMALL)


class Bounds:
    """What the expressions of one rule set may cost together."""

    def __init__(self, schema: Any) -> None:
        """Take the schema that every item has passed before an expression sees it."""
        self._schema = schema
        self._read = 0.0
        self._steps = 0

    def hold(self, tree: Tree, *, each_of: str = "") -> None:
        """Return only if the expression may be used; `each_of` is the list for whose elements it is asked.

        Raises ExpressionError, with the place.
        """
        names, times = {"item": self._part(Size(1), self._schema)}, 1
        if each_of:
            elements = self._field(names["item"], each_of)
            if elements.count is None or elements.count > MOST_ELEMENTS:
                raise ExpressionError(_unbounded(f"the list {each_of}"))
            times = max(elements.count, 1)
            names["each"] = self._element(elements)
        _Reading(self, tree, names, times)

    def read(self, weight: float) -> bool:
        """Return whether there is room to read this much more."""
        self._read += weight
        return self._read <= MOST_READ

    def step(self, steps: int) -> bool:
        """Return whether there is room for so many steps more."""
        self._steps += steps
        return self._steps <= MOST_STEPS_TOGETHER

    def _part(self, outer: Size, schema: Any) -> Size:
        """Return the size of a part of `outer` that has this schema."""
        known = resolved(self._schema, schema)
        if not isinstance(known, Mapping):
            return Size(outer.weight)
        most = [limit for limit in (known.get("maxItems"), known.get("maxProperties")) if isinstance(limit, int)]
        longest = known.get("maxLength")
        # A character takes four bytes at most.
        weight = min(outer.weight, 4 * longest / LARGEST_ITEM) if isinstance(longest, int) else outer.weight
        return Size(weight, max(most) if most else None, known)

    def _field(self, outer: Size, name: str) -> Size:
        fields = outer.schema.get("properties") if isinstance(outer.schema, Mapping) else None
        return self._part(outer, fields.get(name) if isinstance(fields, Mapping) else None)

    def _element(self, outer: Size) -> Size:
        """Return the size of an element: all of them together weigh no more than the list."""
        schema = outer.schema.get("items") if isinstance(outer.schema, Mapping) else None
        return self._part(Size(outer.weight / max(outer.count or 1, 1)), schema)


class _Reading:
    """One walk over a tree."""

    def __init__(self, bounds: Bounds, tree: Tree, names: Mapping[str, Size], times: int) -> None:
        self._bounds = bounds
        self._tree = tree
        self._size(tree.root, names, times, depth=1, loops=0)

    def _size(self, node: Node, names: Mapping[str, Size], times: int, *, depth: int, loops: int) -> Size:
        """Return the size of the value of `node`, which is asked for this many times."""
        if depth > DEEPEST:
            raise self._error(node, f"nested deeper than {DEEPEST} levels")
        if isinstance(node, Loop):
            return self._loop(node, names, times, depth=depth, loops=loops)
        sizes = [self._size(each, names, times, depth=depth + 1, loops=loops) for each in below(node)]
        size = self._made(node, sizes, names)
        if not self._bounds.read(times * sum(each.weight for each in sizes) if isinstance(node, Call) else 0):
            raise self._error(node, "the rules together read too much: bound texts and lists in the schema")
        if size.weight > HEAVIEST:
            raise self._error(node, f"the value can become larger than {HEAVIEST} items of the largest size")
        return size

    def _made(self, node: Node, sizes: list[Size], names: Mapping[str, Size]) -> Size:
        match node:
            case Constant():
                return Size(max(node.size, 8) / LARGEST_ITEM)
            case Name():
                return names.get(node.name, Size(1))
            case Select():
                return _NUMBER if node.test else self._bounds._field(sizes[0], node.field)
            case Listing():
                return Size(sum(each.weight for each in sizes), len(sizes))
            case Call(function="dyn"):
                return sizes[0]
            case Call(function="_[_]", args=(_, Constant(value=str(name)))):
                return self._bounds._field(sizes[0], name)
            case Call(function="_[_]"):
                return Size(sizes[0].weight, None, self._bounds._element(sizes[0]).schema)
            case Call(function="_?_:_"):
                return _either(sizes[1], sizes[2])
            case Call(function="matches", args=(_, pattern)):
                if not isinstance(pattern, Constant) or pattern.size > LONGEST_PATTERN:
                    raise self._error(
                        node, f"matches() takes a pattern that is written out, of at most {LONGEST_PATTERN} characters"
                    )
                return _NUMBER
            case Call(function=function) if function in _SCALAR:
                return _NUMBER
            case _:
                counts = [each.count for each in sizes]
                known = [count for count in counts if count is not None]
                return Size(sum(each.weight for each in sizes), sum(known) if len(known) == len(counts) else None)

    def _loop(self, loop: Loop, names: Mapping[str, Size], times: int, *, depth: int, loops: int) -> Size:
        if loops == MOST_LOOPS:
            raise self._error(loop, f"more than {MOST_LOOPS} loops inside each other")
        over = self._size(loop.over, names, times, depth=depth + 1, loops=loops)
        if over.count is None or over.count > MOST_ELEMENTS:
            raise self._error(loop, _unbounded("what a loop goes over"))
        steps = times * max(over.count, 1)
        if steps > MOST_STEPS:
            raise self._error(loop, f"more than {MOST_STEPS} steps, with the loops around it: lower maxItems")
        if not self._bounds.step(steps):
            raise self._error(loop, f"the rules together take more than {MOST_STEPS_TOGETHER} steps: lower maxItems")
        first = self._size(loop.first, names, times, depth=depth + 1, loops=loops)
        inside = {**names, loop.element: self._bounds._element(over), loop.sum: Size(0, first.count)}
        for part in (loop.while_, loop.result):
            self._size(part, inside, steps, depth=depth + 1, loops=loops + 1)
        step = self._size(loop.step, inside, steps, depth=depth + 1, loops=loops + 1)
        if first.count is None:  # It sums up a bool or a number.
            return _NUMBER
        size = Size(first.weight + over.count * step.weight, over.count * (step.count or 0))
        if size.weight > HEAVIEST:
            raise self._error(loop, f"the value can become larger than {HEAVIEST} items of the largest size")
        return size

    def _error(self, node: Node, text: str) -> ExpressionError:
        return ExpressionError(text, *(self._tree.place(node) or ()))


def _either(one: Size, other: Size) -> Size:
    counts = None if one.count is None or other.count is None else max(one.count, other.count)
    return Size(max(one.weight, other.weight), counts, one.schema or other.schema)


def _unbounded(what: str) -> str:
    return f"{what} needs a maxItems in the schema, of at most {MOST_ELEMENTS}"
