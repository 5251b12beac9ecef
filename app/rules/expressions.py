"""The CEL engine, behind the one file that knows which library it is: cel-expr-python, Google's C++ engine.

`eval` of that library mostly returns a value of type ERROR where others raise, and one failing element turns a whole
list into an error; values nested some ten thousand deep overflow its C stack, so `legible` turns those away before.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from cel_expr_python import cel

from app.rules import syntax, uses
from app.rules.facts import Facts
from app.rules.syntax import Tree
from app.rules.uses import Use
from app.rules.views import view

_PLACE = re.compile(r"<input>:(\d+):(\d+): ([^\n]*)")
#: `serialize` gives a google.protobuf.Any, whose field 2 is the CheckedExpr.
_ENVELOPE = 2


class ExpressionError(ValueError):
    """The text is no expression, names something unknown or mixes types. `line` and `column` say where, if known."""

    def __init__(self, text: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(f"line {line}, column {column}: {text}" if line else text)
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class Failure:
    """What an expression gives when it cannot be evaluated, say because a field it reads is missing."""

    reason: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What is known of an expression before there is an item.

    `kind` is the type that it gives: `bool`, `int`, `string`, … or `dyn` when only an item can tell.
    """

    kind: str
    tree: Tree


def check(source: str, *, each: bool) -> Checked:
    """Return what is known of `source`, which sees `item`, and `each` where it is asked about the elements of a list.

    Raises ExpressionError with line and column.
    """
    compiled = _compiled(source, *(("item", "each") if each else ("item",)))
    return Checked(str(compiled.return_type().name()).lower(), _tree(compiled))


class Expressions:
    """Several expressions over one item, evaluated together: several times faster than one by one."""

    def __init__(self, sources: Sequence[str], facts: Facts | None = None, *, each_of: str = "") -> None:
        """Compile `sources`, each of which has been checked; where `each_of` names a field, they also see `each`.

        Raises ExpressionError: one of them is nested so deep that there is no room for the list around them.
        """
        names = ("item", "each") if each_of else ("item",)
        together = _compiled(listing(sources), *names)
        self._eval = together.eval
        self._sources = sources
        self._names = names
        self._each_of = each_of
        item = Use()
        uses.of(_tree(together).root, {"item": item, "each": item.at(each_of).each()} if each_of else {"item": item})
        self._view = view(item, facts)

    def values(self, item: Any) -> list[Any]:
        """Return what each expression gives for `item`, in order: a plain value, or a Failure."""
        return self._values({"item": self._view(item)})

    def values_of_each(self, item: Any, indexes: Sequence[int]) -> list[list[Any]]:
        """Return what `values` gives, for each of these elements of the field `each_of`, which has to hold a list."""
        seen = self._view(item)
        elements = seen[self._each_of]
        return [self._values({"item": seen, "each": elements[index]}) for index in indexes]

    @cached_property
    def _single(self) -> list[Any]:
        """Each expression by itself: rarely needed, and half the work of compiling."""
        return [_compiled(source, *self._names) for source in self._sources]

    def _values(self, given: dict[str, Any]) -> list[Any]:
        try:
            values = self._eval(data=given).plain_value()
        except RuntimeError:  # It ran out of the budget for loops.
            values = None
        if values.__class__ is list:
            return values
        # It says nothing about the other expressions: ask them one at a time, of an item that is converted once.
        activation = _env(*self._names).Activation(given)
        return [_value(expression, activation) for expression in self._single]


def listing(sources: Sequence[str]) -> str:
    """Return one expression that gives the list of what `sources` give."""
    return "[" + ", ".join(enclosed(source) for source in sources) + "]"


def mapping(sources: Mapping[str, str]) -> str:
    """Return one expression that gives a map from each name to what its source gives."""
    return "{" + ", ".join(f'"{name}": {enclosed(source)}' for name, source in sources.items()) + "}"


def every(field: str, source: str) -> str:
    """Return an expression that gives whether `source` is true for `each` element of the item's `field`, if there."""
    # Not `item.field`, a syntax error for a field called `in`; and the checker lets nobody walk an index without dyn().
    return f'!("{field}" in item) || dyn(item["{field}"]).all(each, {enclosed(source)})'


def over(field: str, source: str) -> str:
    """Return an expression that gives what `source` gives for `each` element of the item's `field`, if it is there."""
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
        raise _explained(str(error)) from None


def _tree(compiled: Any) -> Tree:
    return syntax.read(syntax.field(compiled.serialize(), _ENVELOPE))


def _explained(text: str) -> ExpressionError:
    place = _PLACE.search(text)
    return ExpressionError(place[3], int(place[1]), int(place[2])) if place else ExpressionError(text)


def _value(expression: Any, activation: Any) -> Any:
    try:
        value = expression.eval(activation=activation)
    except RuntimeError as error:  # Of all failures, only running out of the budget for loops is raised.
        return Failure(str(error))
    plain = value.plain_value()
    # An error's plain value is its text. To ask for the type costs three times as much, so only ask of texts.
    return Failure(plain) if isinstance(plain, str) and value.type() == cel.Type.ERROR else plain
