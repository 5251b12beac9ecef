"""The second stage: conditions in CEL that look at several fields at once. A condition says what must be true.

A condition whose pointer has a `*`, such as `/surcharges/*/currency`, is asked for every element of that list, as
`each`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from app.rules.errors import RuleSetError
from app.rules.expressions import ExpressionError, Expressions, Failure, check, mapping, over
from app.rules.findings import Finding, Severity, clip

_STARRED = re.compile(r"/([A-Za-z_][A-Za-z0-9_]*)/\*((?:/[^*]*)?)")


class Conditions:
    """The rules of one rule set, compiled."""

    def __init__(self, rules: Sequence[Mapping[str, Any]]) -> None:
        """Compile `rules`. Raises RuleSetError, naming the rule, with line and column."""
        self._conditions = [Condition(rule) for rule in rules]
        self._all = Expressions([condition.source for condition in self._conditions])

    def findings(self, item: Any) -> Iterator[Finding]:
        """Yield one finding per condition that is false or cannot be evaluated, in the order of the rules."""
        for condition, value in zip(self._conditions, self._all.values(item), strict=True):
            if value is not True:
                yield from condition.findings(value, item)


class Condition:
    """One rule. `source` gives a bool, or a list of them when it is asked for every element of a list."""

    def __init__(self, rule: Mapping[str, Any]) -> None:
        self.id: str = rule["id"]
        self._severity: Severity = rule["severity"]
        self._pointer: str = rule["pointer"]
        self._field, self._rest = _split(self.id, self._pointer)
        self._checked("expr", rule["expr"], gives={"bool", "dyn"})
        for name, source in rule.get("params", {}).items():
            self._checked(f"params/{name}", source)
        self.source = self._asked(rule["expr"])
        self._params = Expressions([self._asked(mapping(rule.get("params", {})))])

    def findings(self, value: Any, item: Any) -> Iterator[Finding]:
        """Yield what `value`, an answer of `source` for `item` that is not True, means."""
        if not self._field:
            yield self._finding(value, self._pointer, self._param(item))
        elif not isinstance(value, list):
            yield self._finding(value, f"/{self._field}", {})
        elif not all(one is True for one in value):
            params = self._param(item) or [{}] * len(value)
            for index, (one, param) in enumerate(zip(value, params, strict=True)):
                if one is not True:
                    yield self._finding(one, f"/{self._field}/{index}{self._rest}", param)

    def _finding(self, value: Any, pointer: str, params: dict[str, Any]) -> Finding:
        if value is False:
            return Finding(pointer, f"rule.{self.id}", self._severity, clip(params), self.id)
        reason = value.reason if isinstance(value, Failure) else f"it gives {type(value).__name__}, not bool"
        return Finding(pointer, "rule.eval_error", "error", clip({"rule": self.id, "reason": reason}), self.id)

    def _param(self, item: Any) -> Any:
        """Return the params for a finding, or a list of them, one for each element.

        Params that fail leave the finding without any, they do not hide it.
        """
        (value,) = self._params.values(item)
        return {} if isinstance(value, Failure) else value

    def _asked(self, source: str) -> str:
        return over(self._field, source) if self._field else source

    def _checked(self, place: str, source: str, *, gives: set[str] | None = None) -> None:
        try:
            kind = check(source, each=bool(self._field))
        except ExpressionError as error:
            raise RuleSetError(f"rule {self.id}, {place}: {error}") from None
        if gives and kind not in gives:
            raise RuleSetError(f"rule {self.id}, {place}: gives {kind}, a condition gives bool")


def _split(rule_id: str, pointer: str) -> tuple[str, str]:
    """Return the list that a pointer with `*` goes through, and what follows; two empty strings without a `*`."""
    if "*" not in pointer:
        return "", ""
    starred = _STARRED.fullmatch(pointer)
    if not starred:
        raise RuleSetError(f"rule {rule_id}, pointer: {pointer} is not of the form /field/*/…")
    return starred[1], starred[2]
