"""The CEL engine, behind the one file that knows which library it is: cel-expr-python, Google's C++ engine.

`eval` of that library mostly returns a value of type ERROR where others raise, and one failing element turns a whole
list into an error; values nested some ten thousand deep overflow its C stack, so `legible` turns those away before.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from cel_expr_python import cel

_PLACE = re.compile(r"<input>:(\d+):(\d+): ([^\n]*)")


class ExpressionError(ValueError):
    """The text is no expression, names something unknown or mixes types. The text says at which line and column."""


@dataclass(frozen=True, slots=True)
class Failure:
    """What an expression gives when it cannot be evaluated, say because a field it reads is missing."""

    reason: str


def check(source: str, *, each: bool) -> str:
    """Return the type that `source` gives: `bool`, `int`, `string`, … or `dyn` when only an item can tell.

    An expression sees `item`, and `each` where it is asked about the elements of a list. Raises ExpressionError with
    line and column.
    """
    names = ("item", "each") if each else ("item",)
    return str(_compiled(source, *names).return_type().name()).lower()


class Expressions:
    """Several expressions over one item, evaluated together: several times faster than one by one."""

    def __init__(self, sources: Sequence[str]) -> None:
        """Compile `sources`, each of which has been checked."""
        self._list = _compiled(listing(sources), "item")
        self._single = [_compiled(source, "item") for source in sources]

    def values(self, item: Any) -> list[Any]:
        """Return what each expression gives for `item`, in order: a plain value, or a Failure."""
        values = _value(self._list, data={"item": item})
        if not isinstance(values, Failure):
            return cast("list[Any]", values)
        # It says nothing about the other expressions: ask them one at a time, of an item that is converted once.
        activation = _env("item").Activation({"item": item})
        return [_value(expression, activation=activation) for expression in self._single]


def listing(sources: Sequence[str]) -> str:
    """Return one expression that gives the list of what `sources` give."""
    return "[" + ", ".join(enclosed(source) for source in sources) + "]"


def mapping(sources: Mapping[str, str]) -> str:
    """Return one expression that gives a map from each name to what its source gives."""
    return "{" + ", ".join(f'"{name}": {enclosed(source)}' for name, source in sources.items()) + "}"


def over(field: str, source: str) -> str:
    """Return an expression that gives what `source` gives for `each` element of the item's `field`, if it is there."""
    # Not `item.field`, a syntax error for a field called `in`; and the checker lets nobody walk an index without dyn().
    return f'"{field}" in item ? dyn(item["{field}"]).map(each, {enclosed(source)}) : []'


def enclosed(source: str) -> str:
    """Return `source` in parentheses; on a line of its own, since a `//` comment would swallow the closing one."""
    return f"(\n{source}\n)"


@cache
def _env(*names: str) -> Any:
    # No functions in Python here: this version of the library leaks the arguments of every call of one.
    return cel.NewEnv(variables=dict.fromkeys(names, cel.Type.DYN))


def _compiled(source: str, *names: str) -> Any:
    try:
        return _env(*names).compile(source)
    except RuntimeError as error:
        raise ExpressionError(_reason(str(error))) from None


def _reason(text: str) -> str:
    place = _PLACE.search(text)
    return f"line {place[1]}, column {place[2]}: {place[3]}" if place else text


def _value(expression: Any, **given: Any) -> Any:
    try:
        value = expression.eval(**given)
    except RuntimeError as error:  # Of all failures, only running out of the budget for loops is raised.
        return Failure(str(error))
    plain = value.plain_value()
    # An error's plain value is its text. To ask for the type costs three times as much, so only ask of texts.
    return Failure(plain) if isinstance(plain, str) and value.type() == cel.Type.ERROR else plain
