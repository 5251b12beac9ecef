"""The quick way: most conditions only compare two fields, or a field and a literal. Python answers those sooner than
it can hand the item to CEL.

It answers only where it cannot differ from CEL: texts with texts, whole numbers with whole numbers, bools, midnights.
Whatever else comes, a missing field above all, is Unsure, and then CEL is asked. A test holds one against the other.
"""

import operator
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from app.rules.facts import Facts
from app.rules.syntax import Call, Constant, Listing, Loop, Name, Node, Select

#: Raised by an answer that CEL has to give. Not a class of ours: these are what a missing field or a wrong type raise.
Unsure = (KeyError, TypeError)

#: Returns the value of an expression for an item, the element that it is asked about, and the element of a loop.
Answer = Callable[[Any, Any, Any], Any]

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "_==_": operator.eq, "_!=_": operator.ne,
    "_<_": operator.lt, "_<=_": operator.le, "_>_": operator.gt, "_>=_": operator.ge,
}  # fmt: skip
_VARIABLES = ("item", "each")
_EQUAL = ("_==_", "_!=_")
#: What gives a bool or is Unsure.
_BOOLS = frozenset({*_COMPARE, "_&&_", "_||_", "!_", "@in"})
_ORDERED = (str, int, datetime, timedelta)
_SPANS = {"h": timedelta(hours=1), "m": timedelta(minutes=1), "s": timedelta(seconds=1)}
_SPAN = re.compile(r"([0-9]{1,6})([hms])")
_MIDNIGHT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T00:00:00Z")


def condition(root: Node, facts: Facts, each: Facts | None) -> Answer | None:
    """Return what answers the condition at `root`, True or False, or raises Unsure; None when only CEL can.

    `facts` are those of the item, `each` those of the elements that it is asked about.
    """
    answer = _answer(root, {"item": facts, "each": each or Facts()})
    return _sure(root, answer) if answer else None


def every(field: str, answer: Answer) -> Answer:
    """Return what answers whether `answer` is True for every element of the item's `field`, if there is one."""

    def all_of(item: Any, each: Any, one: Any) -> bool:
        if item.__class__ is not dict:
            raise TypeError
        if field not in item:
            return True
        elements = item[field]
        if elements.__class__ is not list:
            raise TypeError
        # To the end also after a False: an element that is Unsure is CEL's to explain.
        answers = [answer(item, element, None) for element in elements]
        return False not in answers

    return all_of


def path(root: Node, facts: Facts, each: Facts | None) -> Answer | None:
    """Return what answers with the field that `root` names, or raises Unsure; None when it is no name of a field."""
    return _path(root, {"item": facts, "each": each or Facts()}) if isinstance(root, Select) else None


def _answer(node: Node, names: Mapping[str, Facts]) -> Answer | None:
    match node:
        case Constant(value=value) if value is not None:
            return lambda item, each, one: value
        case Select(test=True):
            return _test(node, names)
        case Select():
            return _path(node, names)
        case Call(function="!_", args=(inner,)):
            answer = _answer(inner, names)
            return _not(answer) if answer else None
        case Call(function="_&&_" | "_||_", args=(left, right)):
            one, other = _answer(left, names), _answer(right, names)
            return _joined(one, other, stops=node.function == "_||_") if one and other else None
        case Call(function="@in", args=(left, Listing(elements=options))):
            return _among(_answer(left, names), options)
        case Call(function="timestamp", args=(Call(function="_+_", args=(day, Constant(value="T00:00:00Z"))),)):
            answer = _answer(day, names)
            return _midnight(answer) if answer else None
        case Call(function="duration", args=(Constant(value=str(written)),)) if found := _SPAN.fullmatch(written):
            span = int(found[1]) * _SPANS[found[2]]
            return lambda item, each, one: span
        case Call(function="_-_", args=(Call(function="timestamp"), Call(function="timestamp"))):
            first, second = (_answer(arg, names) for arg in node.args)
            return (
                (lambda item, each, one: first(item, each, one) - second(item, each, one)) if first and second else None
            )
        case Call(function="size", args=(Loop() as loop,)):
            return _loop(loop, names, counts=True)
        case Loop():
            return _loop(node, names, counts=False)
        case Call(function=function, args=(left, right)) if function in _COMPARE:
            one, other = _answer(left, names), _answer(right, names)
            return _compared(function, one, other) if one and other else None
    return None


def _path(node: Node, names: Mapping[str, Facts]) -> Answer | None:
    steps: list[str] = []
    while isinstance(node, Select) and not node.test:
        steps.insert(0, node.field)
        node = node.operand
    if not isinstance(node, Name) or node.name not in names or not 1 <= len(steps) <= 2:
        return None
    field, name = steps[0], steps[-1]
    facts = names[node.name].fields.get(field, Facts())
    if facts.fields or facts.elements:
        return None
    if len(steps) == 1:
        # A text with facts is a map of them, which CEL has to see.
        if facts.read:
            return None
        return _field(node.name, field)
    told = facts.told if facts.read else None
    if told is None:
        return _on(node.name, lambda of: of[field][name])
    if node.name == "item":
        return _fact(field, name, told)
    return _on(node.name, lambda of: _told(told, of[field])[name])


def _field(name: str, field: str) -> Answer:
    """Return what answers with a field of the variable called `name`."""
    # Written out, as in `_fact`: these are asked some twenty times an item, and each call more shows.
    if name == "item":
        return lambda item, each, one: item[field]
    if name == "each":
        return lambda item, each, one: each[field]
    return lambda item, each, one: one[field]


def _fact(field: str, name: str, told: Callable[[str], Any]) -> Answer:
    """Return what answers with a fact of a text of the item."""

    def fact(item: Any, each: Any, one: Any) -> Any:
        value = item[field]
        return (told(value) if value.__class__ is str else value)[name]

    return fact


def _on(name: str, get: Callable[[Any], Any]) -> Answer:
    """Return what answers with what `get` makes of the variable called `name`."""
    if name == "item":
        return lambda item, each, one: get(item)
    if name == "each":
        return lambda item, each, one: get(each)
    return lambda item, each, one: get(one)


def _midnight(answer: Answer) -> Answer:
    """Return what answers with the time at which the day begins, where `answer` is one: `2026-01-31`."""

    def begins(item: Any, each: Any, one: Any) -> datetime:
        day = answer(item, each, one)
        if day.__class__ is str and len(day) == 10 and _MIDNIGHT.fullmatch(day + "T00:00:00Z"):
            try:
                return datetime.fromisoformat(day)
            except ValueError:
                raise TypeError from None
        raise TypeError

    return begins


def _loop(loop: Loop, names: Mapping[str, Facts], *, counts: bool) -> Answer | None:
    """Return what answers `all` or `exists`, or with `counts` the size of what `filter` leaves; not inside another."""
    if len(names) > len(_VARIABLES) or loop.element in names:
        return None
    match loop.over:
        case Select(operand=Name(name="item"), field=field, test=False):
            facts = names["item"].fields.get(field, Facts())
        case _:
            return None
    match loop.step:
        case Call(function="_&&_" | "_||_", args=(Name(name=sum_), asked)) if sum_ == loop.sum and not counts:
            pass
        case Call(
            function="_?_:_",
            args=(asked, Call(function="_+_", args=(Name(name=sum_), Listing(elements=(Name(name=kept),)))), Name()),
        ) if counts and sum_ == loop.sum and kept == loop.element:
            pass
        case _:
            return None
    body = _answer(asked, {**names, loop.element: facts.elements or Facts()})
    return _walk(field, _sure(asked, body), loop.step.function) if body else None


def _walk(field: str, body: Answer, joins: str) -> Answer:
    def answers(item: Any, each: Any) -> list[bool]:
        elements = item[field]
        if elements.__class__ is not list:
            raise TypeError
        return [body(item, each, one) for one in elements]

    if joins == "_&&_":
        return lambda item, each, one: False not in answers(item, each)
    if joins == "_||_":
        return lambda item, each, one: True in answers(item, each)
    return lambda item, each, one: answers(item, each).count(True)


def _told(told: Callable[[str], Any], value: Any) -> Any:
    """Return the facts of a text; any other value is seen as it is."""
    return told(value) if value.__class__ is str else value


def _test(node: Select, names: Mapping[str, Facts]) -> Answer | None:
    """Return what answers `has(…)`."""
    field = node.field
    match node.operand:
        case Name(name=name) if name in names:
            return _on(name, lambda of: field in _map(of))
        case Select(operand=Name(name=name), field=outer, test=False) if name in names:
            facts = names[name].fields.get(outer, Facts())
            if facts.fields or facts.elements:
                return None
            told = facts.told if facts.read else None
            if told is None:
                return _on(name, lambda of: field in _map(of[outer]))
            return _on(name, lambda of: field in _map(_told(told, of[outer])))
    return None


def _map(value: Any) -> dict[str, Any]:
    if value.__class__ is dict:
        found: dict[str, Any] = value
        return found
    raise TypeError


def _sure(node: Node, answer: Answer) -> Answer:
    """Return what answers the same as `answer`, which is that of `node`, if it is a bool."""
    match node:
        case Loop() | Select(test=True):
            return answer
        case Call(function=function) if function in _BOOLS:
            return answer
    return _checked(answer)


def _checked(answer: Answer) -> Answer:
    def sure(item: Any, each: Any, one: Any) -> Any:
        value = answer(item, each, one)
        if value is True or value is False:
            return value
        raise TypeError

    return sure


def _not(answer: Answer) -> Answer:
    def negated(item: Any, each: Any, one: Any) -> bool:
        value = answer(item, each, one)
        if value is True:
            return False
        if value is False:
            return True
        raise TypeError

    return negated


def _joined(left: Answer, right: Answer, *, stops: bool) -> Answer:
    """Return what answers `left || right` (it stops at True) or `left && right` (at False)."""

    def joined(item: Any, each: Any, one: Any) -> bool:
        value = left(item, each, one)
        if value is stops:
            return bool(value)
        if value is not (not stops):
            raise TypeError
        value = right(item, each, one)
        if value is True or value is False:
            return bool(value)
        raise TypeError

    return joined


def _compared(function: str, first: Answer, second: Answer) -> Answer:
    compare = _COMPARE[function]
    kinds: tuple[type, ...] = (*_ORDERED, bool) if function in _EQUAL else _ORDERED

    def compared(item: Any, each: Any, one: Any) -> bool:
        left, right = first(item, each, one), second(item, each, one)
        kind = left.__class__
        if kind is right.__class__ and kind in kinds:
            return bool(compare(left, right))
        raise TypeError

    return compared


def _among(answer: Answer | None, options: tuple[Node, ...]) -> Answer | None:
    texts = frozenset(each.value for each in options if isinstance(each, Constant) and isinstance(each.value, str))
    if answer is None or not all(isinstance(each, Constant) and isinstance(each.value, str) for each in options):
        return None

    def among(item: Any, each: Any, one: Any) -> bool:
        value = answer(item, each, one)
        if value.__class__ is str:
            return value in texts
        raise TypeError

    return among
