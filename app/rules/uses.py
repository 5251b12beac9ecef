"""Which parts of an item expressions read, so that nothing else has to be made ready for them.

To hand a value to CEL costs more than most rules do. In doubt a part counts as read whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.rules.syntax import Call, Constant, Listing, Loop, Name, Node, Select, below


@dataclass(slots=True)
class Use:
    """What is read of one value, and of what is in it. Without any of these it matters only that the value is there."""

    #: The value itself, with all that is in it.
    whole: bool = False
    #: How many elements it has, or whether something is one of them.
    size: bool = False
    member: bool = False
    fields: dict[str, "Use"] = field(default_factory=dict)
    elements: "Use | None" = None

    def at(self, name: str) -> "Use":
        """Return the use of a field, from now on a part of this one."""
        return self.fields.setdefault(name, Use())

    def each(self) -> "Use":
        """Return the use of the elements, from now on a part of this one."""
        self.elements = self.elements or Use()
        return self.elements


def of(root: Node, names: Mapping[str, Use]) -> None:
    """Have what the expression at `root` reads of each variable added to its use."""
    _value(root, names)


def _value(node: Node, names: Mapping[str, Use]) -> None:
    """Have it noted that the value of `node` is read whole."""
    part = _part(node, names)
    if part:
        part.whole = True
        if part.elements:  # The list may be one that a filter made, of elements that are another's.
            part.elements.whole = True


def _part(node: Node, names: Mapping[str, Use]) -> Use | None:
    """Return the use of the part of an item that `node` stands for, None when it stands for something new."""
    match node:
        case Name():
            return names.get(node.name)
        case Select(operand=operand, field=name, test=True):
            outer = _part(operand, names)
            if outer:
                outer.at(name)
        case Select(operand=operand, field=name):
            outer = _part(operand, names)
            return outer.at(name) if outer else None
        case Call(function="dyn", args=(inner,)):
            return _part(inner, names)
        case Call(function="_[_]", args=(operand, Constant(value=str(name)))):
            outer = _part(operand, names)
            return outer.at(name) if outer else None
        case Call(function="_[_]", args=(operand, Constant())):
            outer = _part(operand, names)
            return outer.each() if outer else None
        case Call(function="@in", args=(Constant(value=str(name)), operand)):
            outer = _part(operand, names)
            if outer:
                outer.at(name)
                outer.member = True
        case Call(function="size", args=(operand,)):
            outer = _part(operand, names)
            if outer:
                outer.size = True
        case Loop():
            return _loop(node, names)
        case _:
            for each in below(node):
                _value(each, names)
    return None


def _loop(loop: Loop, names: Mapping[str, Use]) -> Use | None:
    outer = _part(loop.over, names)
    element = outer.each() if outer else None
    inside = {name: use for name, use in names.items() if name not in (loop.element, loop.sum)}
    _value(loop.first, inside)
    _value(loop.result, inside)
    if element:
        inside[loop.element] = element
    _value(loop.while_, inside)
    match loop.step:
        case Call(
            function="_?_:_",
            args=(condition, Call(function="_+_", args=(Name(), Listing(elements=(Name(name=kept),)))), Name()),
        ) if kept == loop.element:
            _value(condition, inside)
            return Use(elements=element) if element else None
    _value(loop.step, inside)
    return None
