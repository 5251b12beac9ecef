"""The second stage: conditions in CEL that look at several fields at once. A condition says what must be true.

A condition whose pointer has a `*`, such as `/surcharges/*/currency`, is asked for every element of that list, as
`each`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from app.rules import quick
from app.rules.errors import RuleSetError
from app.rules.expression_cost import Bounds
from app.rules.expressions import ExpressionError, Expressions, Failure, check, every, mapping, over
from app.rules.facts import Facts
from app.rules.findings import Finding, Severity, clip, pointer
from app.rules.syntax import Tree

#: One item can break a rule ten thousand times over; nobody reads more than this of one rule.
MOST_OF_ONE_RULE = 101

_STARRED = re.compile(r"/([A-Za-z_][A-Za-z0-9_]*)/\*((?:/[^*]*)?)")


class Conditions:
    """The rules of one rule set, compiled."""

    def __init__(self, rules: Sequence[Mapping[str, Any]], facts: Facts, bounds: Bounds) -> None:
        """Compile `rules`. Raises RuleSetError, naming the rule, with line and column."""
        self._conditions = [Condition(f"/rules/{number}", rule, facts, bounds) for number, rule in enumerate(rules)]
        self._ways = [(condition, condition.quick) for condition in self._conditions]
        slow = [condition for condition, answer in self._ways if answer is None]
        try:
            self._slow = Expressions([condition.source for condition in slow], facts) if slow else None
        except ExpressionError as error:
            raise RuleSetError(f"/rules: {error}", pointer="/rules") from None

    def findings(self, item: Any) -> list[Finding]:
        """Return the findings of each condition that is false or cannot be evaluated, in the order of the rules."""
        findings: list[Finding] = []
        answers = iter(self._slow.values(item) if self._slow else ())
        for condition, answer in self._ways:
            if answer is None:
                value = next(answers)
            else:
                try:
                    value = answer(item, None, None)
                except quick.Unsure:
                    value = condition.asked(item)
            if value is not True:
                findings.extend(condition.findings(value, item))
        return findings


class Condition:
    """One rule.

    `source` gives whether it holds, for all elements when it is asked about the elements of a list. `quick` returns
    what `source` gives, or raises quick.Unsure; it is None where there is no quicker way.
    """

    def __init__(self, place: str, rule: Mapping[str, Any], facts: Facts, bounds: Bounds) -> None:
        self.id: str = rule["id"]
        self._severity: Severity = rule["severity"]
        self._pointer: str = rule["pointer"]
        self._field, self._rest = _split(place, self.id, self._pointer)
        params: Mapping[str, str] = rule.get("params", {})
        tree = self._check(f"{place}/expr", "expr", rule["expr"], bounds, gives={"bool", "dyn"})
        trees = {
            name: self._check(f"{place}/params{pointer([name])}", f"params/{name}", source, bounds)
            for name, source in params.items()
        }
        elements = facts.fields.get(self._field, Facts()).elements if self._field else None
        self.source = every(self._field, rule["expr"]) if self._field else rule["expr"]
        try:
            self._alone = Expressions([self.source], facts)
            self._each = Expressions([over(self._field, rule["expr"])], facts) if self._field else None
            self._params = Expressions([mapping(params)], facts, each_of=self._field) if params else None
        except ExpressionError as error:
            raise RuleSetError(f"rule {self.id}: {error}", pointer=place) from None
        answer = quick.condition(tree.root, facts, elements)
        self.quick = quick.every(self._field, answer) if answer and self._field else answer
        paths = {name: quick.path(tree.root, facts, elements) for name, tree in trees.items()}
        self._paths = {name: path for name, path in paths.items() if path}
        self._most = len(params)

    def asked(self, item: Any) -> Any:
        """Return what CEL gives for `source`."""
        (value,) = self._alone.values(item)
        return value

    def findings(self, value: Any, item: Any) -> Iterator[Finding]:
        """Yield what `value`, an answer of `source` for `item` that is not True, means."""
        if self._each is None:
            yield self._finding(value, self._pointer, self._param(item) if value is False else {})
            return
        (values,) = self._each.values(item)
        if not isinstance(values, list):
            yield self._finding(values, f"/{self._field}", {})
            return
        broken = list(islice((index for index, one in enumerate(values) if one is not True), MOST_OF_ONE_RULE))
        for index, param in zip(broken, self._params_of(item, broken), strict=True):
            yield self._finding(values[index], f"/{self._field}/{index}{self._rest}", param)

    def _finding(self, value: Any, pointer: str, params: dict[str, Any]) -> Finding:
        if value is False:
            return Finding(pointer, f"rule.{self.id}", self._severity, clip(params), self.id)
        reason = value.reason if isinstance(value, Failure) else f"it gives {type(value).__name__}, not bool"
        return Finding(pointer, "rule.eval_error", "error", clip({"rule": self.id, "reason": reason}), self.id)

    def _param(self, item: Any) -> dict[str, Any]:
        """Return the params for a finding. Params that fail leave it without any, they do not hide it."""
        if self._params is None:
            return {}
        return self._named(item, None) or _given(self._params.values(item))

    def _params_of(self, item: Any, indexes: Sequence[int]) -> list[dict[str, Any]]:
        """Return the params for the findings of these elements."""
        if self._params is None:
            return [{} for _ in indexes]
        named = [self._named(item, item[self._field][index]) for index in indexes]
        if all(named):
            return [params for params in named if params]
        return [_given(values) for values in self._params.values_of_each(item, indexes)]

    def _named(self, item: Any, each: Any) -> dict[str, Any] | None:
        """Return the params if all are names of fields, and all are there."""
        if len(self._paths) < self._most:
            return None
        try:
            return {name: path(item, each, None) for name, path in self._paths.items()}
        except quick.Unsure:
            return None

    def _check(
        self, place: str, what: str, source: str, bounds: Bounds, *, gives: frozenset[str] | set[str] = frozenset()
    ) -> Tree:
        try:
            checked = check(source, each=bool(self._field))
            bounds.hold(checked.tree, each_of=self._field)
        except ExpressionError as error:
            raise RuleSetError(
                f"rule {self.id}, {what}: {error}", pointer=place, line=error.line, column=error.column
            ) from None
        if gives and checked.kind not in gives:
            raise RuleSetError(f"rule {self.id}, {what}: gives {checked.kind}, a condition gives bool", pointer=place)
        return checked.tree


def _given(values: Sequence[Any]) -> dict[str, Any]:
    (params,) = values
    return {} if isinstance(params, Failure) else params


def _split(place: str, rule_id: str, pointer: str) -> tuple[str, str]:
    """Return the list that a pointer with `*` goes through, and what follows; two empty strings without a `*`."""
    if "*" not in pointer:
        return "", ""
    starred = _STARRED.fullmatch(pointer)
    if not starred:
        raise RuleSetError(
            f"rule {rule_id}, pointer: {pointer} is not of the form /field/*/…", pointer=f"{place}/pointer"
        )
    return starred[1], starred[2]
