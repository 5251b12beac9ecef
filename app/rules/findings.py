"""A finding: one thing that is wrong with an item, at one place in it.

It carries a code and params, never text, so that a stored finding can be read in any language later.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from app.rules import catalogue

JSON = None | bool | int | float | str | list[Any] | dict[str, Any]
Severity = Literal["error", "warning", "info"]

#: Params are stored with every finding, a million times in an import: long texts and lists are cut to this.
LONGEST_TEXT = 200
LONGEST_LIST = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. Only findings of severity `error` make an item invalid.

    `pointer` is a JSON Pointer (RFC 6901) to the value; for a missing property, to where it should be. `code` is
    stable: `schema.<JSON Schema keyword>`, `rule.<rule id>`, `rule.eval_error` or `item.<…>`. `rule_id` names the rule
    in the rule set: a rule's id, or the schema keyword as a URI fragment such as `#/properties/amount/pattern`.
    """

    pointer: str
    code: str
    severity: Severity
    params: dict[str, JSON]
    rule_id: str

    def message(self, own: Mapping[str, str] | None = None) -> str:
        """Return the English text for this finding.

        `own` is `RuleSet.messages` of the rule set that found it; without it the built-in rule sets' texts are used.
        """
        return catalogue.render(self.code, self.params, own)


def pointer(path: Iterable[str | int]) -> str:
    """Return `path` as a JSON Pointer (RFC 6901): `["a/b", 0]` is `/a~1b/0`, the whole item is the empty string."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def clip(params: Mapping[str, Any]) -> dict[str, JSON]:
    """Return `params` as JSON of bounded size: long texts and lists cut, deep or foreign values as text."""
    return {name: _clipped(value) for name, value in params.items()}


def _clipped(value: Any) -> JSON:
    if isinstance(value, list):
        return [_flat(each) for each in value[:LONGEST_LIST]]
    return _flat(value)


def _flat(value: Any) -> JSON:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"
