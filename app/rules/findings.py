"""A finding: one thing that is wrong with an item, at one place in it, and where that is known, what to write instead.

It carries a code and params, never text, so that a stored finding can be read in any language later.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import orjson

from app.rules import catalogue

JSON = None | bool | int | float | str | list[Any] | dict[str, Any]
Severity = Literal["error", "warning", "info"]

#: Params are stored with every finding, a million times in an import: long texts and lists are cut to this.
LONGEST_TEXT = 200
LONGEST_LIST = 20
#: Characters of a pointer: items choose their names, and one item can have a hundred findings below a long one.
LONGEST_POINTER = 1_000


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What would make one finding go away, as an operation of JSON Patch (RFC 6902). Nothing applies it unasked.

    `replace` puts `value` in the place of what is at `path`; `move` takes what is at `from_` to `path`, for a field
    whose name is misspelt. Both are JSON Pointers into the item. `confidence` is between 0 and 1, `reason` one of
    `trim`, `case`, `number`, `near_miss`: what they mean, and how sure each is, stands in `app.rules.suggestions`.
    """

    op: Literal["replace", "move"]
    path: str
    value: JSON
    confidence: float
    reason: str
    from_: str | None = None

    def operation(self) -> dict[str, JSON]:
        """Return the operation as JSON; a reader of RFC 6902 (§3) ignores the two members it does not know."""
        told: dict[str, JSON] = {"op": self.op}
        if self.op == "move":
            told["from"] = self.from_
        told["path"] = self.path
        if self.op == "replace":
            told["value"] = self.value
        return told | {"confidence": self.confidence, "reason": self.reason}

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """Return the suggestion whose `operation` is `told`."""
        return cls(
            told["op"], told["path"], told.get("value"), told["confidence"], told["reason"], from_=told.get("from")
        )


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. Only findings of severity `error` make an item invalid.

    `pointer` is a JSON Pointer (RFC 6901) to the value; for a missing property, to where it should be; to what holds it
    where it would be longer than LONGEST_POINTER. `code` is stable; `app.rules.catalogue` lists every one. `rule_id`
    names the rule in the rule set: a rule's id, the schema keyword as a URI fragment such as
    `#/properties/amount/pattern`, or the place of a fact such as `/origin`; empty when none of these is at fault.
    """

    pointer: str
    code: str
    severity: Severity
    params: dict[str, JSON]
    rule_id: str
    suggestion: Suggestion | None = None

    def message(self, texts: catalogue.Texts | None = None, language: str = catalogue.ENGLISH) -> str:
        """Return the text for this finding in `language`, in English where there is none in that.

        `texts` is `RuleSet.messages` of the rule set that found it; without it the built-in rule sets' texts are used.
        """
        return catalogue.render(self.code, self.rule_id, self.params, texts, language)


def pointer(path: Iterable[str | int]) -> str:
    """Return `path` as a JSON Pointer (RFC 6901): `["a/b", 0]` is `/a~1b/0`, the whole item is the empty string."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def place(path: Iterable[str | int]) -> str:
    """Return `path` as a JSON Pointer of at most LONGEST_POINTER characters: that of what holds it, if need be."""
    found = ""
    for step in path:
        longer = found + pointer([step])
        if len(longer) > LONGEST_POINTER:
            break
        found = longer
    return found


def steps(pointer: str) -> list[str]:
    """Return the unescaped reference tokens of a JSON Pointer (RFC 6901 §3): `/a~1b/0` is `["a/b", "0"]`."""
    plain = pointer.split("/")[1:]
    return [step.replace("~1", "/").replace("~0", "~") for step in plain] if "~" in pointer else plain


def clip(params: Mapping[str, Any]) -> dict[str, JSON]:
    """Return `params` as JSON of bounded size: long texts and lists cut, deep values as their JSON, others as text."""
    return {name: _clipped(value) for name, value in params.items()}


def _clipped(value: Any) -> JSON:
    if isinstance(value, list):
        return [_flat(each) for each in value[:LONGEST_LIST]]
    return _flat(value)


def _flat(value: Any) -> JSON:
    if value is None or isinstance(value, bool | int | float):
        return value
    return cut(_written(value), LONGEST_TEXT)


def cut(text: str, longest: int) -> str:
    """Return `text`, with its end as `…` when it is too long."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _written(value: Any) -> str:
    """Return a value as text: a list or an object as people write it in their files, not as Python would."""
    if isinstance(value, list | dict):
        return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    return str(value)
