"""Suggestions: what to write instead, where that can be worked out from what was written. None is ever applied here.

A suggestion makes its finding go away when it is applied: it is tried before it is made. It never rounds an amount,
never guesses what `1,234` means, and never picks one of two words that are as near.

| reason | what was wrong | confidence |
|---|---|---|
| `trim` | white space around the text, no-break spaces too | 0.99 |
| `case` | a known code in another case; where only a pattern speaks for the other case | 0.95; 0.7 |
| `number` | a number as the declared locale writes it; read in the only way it can be | 0.95; 0.9 |
| `near_miss` | one edit from the one known code; from one of three letters; two edits from a long one | 0.9; 0.7; 0.6 |

A number in JSON where a text is asked for, or the other way round, is a `number` as well, at 0.9.

For an unexpected field the operation is a `move` to the missing field whose name it nearly has (`case`, `near_miss`).
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

import orjson

from app.rules import currencies, numerals, tables
from app.rules.errors import RuleSetError
from app.rules.findings import JSON, Finding, Suggestion, pointer, steps
from app.rules.nearby import SHORTEST, Nearby
from app.rules.normalisers import WHITE
from app.rules.shape import Shape

#: So many findings of one item are looked at.
MOST = 20
#: So many times is an item judged again for them, which is what it takes to try a suggestion for a rule.
MOST_TRIALS = 4
#: Longer texts are left alone: they are prose.
LONGEST = 200
#: Answers remembered for each rule set: the same mistake is made a thousand times in one file.
REMEMBERED = 1_024
#: JSON numbers beyond 64 bits are refused as items.
LARGEST = 2**63 - 1

TRIM, CASE, CASE_BY_PATTERN, DECLARED, ONLY_NUMBER, OTHER_TYPE = 0.99, 0.95, 0.7, 0.95, 0.9, 0.9
ONE_EDIT, TWO_EDITS, SHORT_WORD = 0.9, 0.6, 0.7

#: Keywords that make a schema mean something else outside of its document.
_REFERRING = (b'"$ref"', b'"$dynamicRef"', b'"$id"')
_UNEXPECTED = {"schema.additionalProperties", "schema.unevaluatedProperties"}

#: What to write instead, how surely, and why.
_Instead = tuple[JSON, float, str]
#: Return all findings of an item, without suggestions.
Judge = Callable[[Any], Iterable[Finding]]


class Suggestions:
    """What one rule set knows about the values that its items should have."""

    def __init__(self, definition: Mapping[str, Any], lists: Mapping[str, frozenset[str]]) -> None:
        """Take a definition that has been inspected, and the codes of its tables by the name it gives them."""
        self._schema: Any = definition["schema"]
        self._facts: Mapping[str, Any] = definition.get("facts", {})
        self._lists = lists
        self._locales = {
            rule["pointer"]: rule["locale"] for rule in definition.get("normalisers", ()) if rule.get("locale")
        }
        self._parents: dict[str, Parent | None] = {}
        # Typed, because 1, 1.0 and True are the same key otherwise.
        self._replacement = lru_cache(maxsize=REMEMBERED, typed=True)(self._work_out)

    def added(self, item: Any, findings: Sequence[Finding], judge: Judge) -> tuple[Finding, ...]:
        """Return `findings` of `item`, with suggestions where there are any. `judge` is asked about changed copies."""
        trials = Trials(item, findings, judge)
        told = list(findings)
        for index, finding in enumerate(findings[:MOST]):
            if suggestion := self._for(item, finding, trials):
                told[index] = _with(finding, suggestion)
        return tuple(told)

    def _for(self, item: Any, finding: Finding, trials: "Trials") -> Suggestion | None:
        code = finding.code
        if code in _UNEXPECTED:
            return self._move(item, finding)
        if code.startswith("schema.") and code != "schema.propertyNames":  # That is about the name of the value.
            value = _at(item, finding.pointer)
            return self._replacement(finding.rule_id, finding.pointer, value) if _readable(value) else None
        if code.startswith("rule.") or code == "ref.unknown":
            return self._code(item, finding, trials)
        return None

    def _code(self, item: Any, finding: Finding, trials: "Trials") -> Suggestion | None:
        """Return what to write instead of a code that is in no list, for a finding that says so or may."""
        place = _place(finding.pointer)
        if place not in self._facts:
            return None
        value = _at(item, finding.pointer)
        if not isinstance(value, str) or not _readable(value) or self._listed(place, value) is not False:
            return None
        suggestion = self._replacement("", finding.pointer, value)
        return suggestion if suggestion and trials.pass_(finding, suggestion) else None

    def _move(self, item: Any, finding: Finding) -> Suggestion | None:
        """Return how to name an unexpected field."""
        *above, name = steps(finding.pointer)
        owner, parent = _at(item, pointer(above)), self._parent(finding.rule_id)
        if parent is None or not isinstance(owner, dict) or len(name) > LONGEST:
            return None
        if finding.params["property"] != name:  # The pointer is that of what holds it.
            return None
        missing = Nearby(parent.fields - owner.keys())
        # `Valid From` and `valid-from` are written for `valid_from`.
        plain = "_".join(name.replace("-", " ").replace("_", " ").split())
        if same := missing.same(plain):
            return _moved(finding.pointer, pointer([*above, same]), CASE, "case")
        near = missing.nearest(plain)
        return near and _moved(finding.pointer, pointer([*above, near[0]]), _surely(*near), "near_miss")

    def _work_out(self, rule_id: str, path: str, value: str | float) -> Suggestion | None:
        """Return what to write in place of `value` so that the schema (or the list, without `rule_id`) allows it."""
        parent = self._parent(rule_id) if rule_id else ANYTHING
        if parent is None:
            return None
        place = _place(path)
        for instead, confidence, reason in self._candidates(parent, place, value):
            if instead != value and parent.allows(instead) and self._listed(place, instead) is not False:
                return Suggestion("replace", path, instead, confidence, reason)
        return None

    def _candidates(self, parent: "Parent", place: str, value: str | float) -> Iterator[_Instead]:
        """Yield what could be meant, the surest first."""
        if not isinstance(value, str):
            yield numerals.decimal(value), OTHER_TYPE, "number"
            return
        text = value.strip(WHITE)
        if not text:
            return
        yield text, TRIM, "trim"
        yield from self._numbers(place, text)
        known = [_nearby(codes) for codes in (parent.options, self._codes(place)) if codes]
        for words in known:
            yield words.same(text), CASE, "case"
        # Mixed case is a name rather than a code: `Tokyo` would pass for a port in Tonga.
        if parent.has_pattern and (text.islower() or text.isupper()):
            yield text.swapcase(), CASE_BY_PATTERN, "case"
        for words in known:
            if near := words.nearest(text):
                yield near[0], _surely(*near), "near_miss"

    def _numbers(self, place: str, text: str) -> Iterator[_Instead]:
        locale = self._locales.get(place)
        number = numerals.read(text, locale)
        if number is None:
            return
        yield number, DECLARED if locale else ONLY_NUMBER, "number"
        # Where the schema asks for a number of JSON's, and that holds all the digits.
        if "." not in number and abs(int(number)) <= LARGEST:
            yield int(number), OTHER_TYPE, "number"
        elif "." in number and numerals.decimal(float(number)) == number:
            yield float(number), OTHER_TYPE, "number"

    def _listed(self, place: str, value: JSON) -> bool | None:
        """Return whether `value` is one of the codes that its place is declared to have; None when none are."""
        kind = self._facts.get(place)
        if kind is None or kind == "decimal":
            return None
        if not isinstance(value, str):
            return False
        if kind == "currency":
            return bool(currencies.read(value)["known"])
        return value[: kind.get("first")] in self._lists[kind["listed"]]

    def _codes(self, place: str) -> frozenset[str]:
        """Return the whole codes that can stand at `place`, none when that is not known."""
        kind = self._facts.get(place)
        if kind == "currency":
            return _currencies()
        return self._lists[kind["listed"]] if isinstance(kind, dict) and "first" not in kind else frozenset()

    def _parent(self, rule_id: str) -> "Parent | None":
        if rule_id not in self._parents:
            self._parents[rule_id] = Parent.of(self._schema, rule_id)
        return self._parents[rule_id]


class Parent:
    """The schema around a keyword: what it allows, which options and which fields it names."""

    def __init__(self, shape: Shape | None, schema: Mapping[str, Any]) -> None:
        self._shape = shape
        self.has_pattern = "pattern" in schema
        forms = [schema, *schema.get("anyOf", ()), *schema.get("oneOf", ())]
        options = (
            option for form in forms if isinstance(form, dict) for option in form.get("enum", [form.get("const")])
        )
        self.options = frozenset(option for option in options if isinstance(option, str))
        self.fields = frozenset(schema.get("properties", {}))

    @classmethod
    def of(cls, schema: Any, rule_id: str) -> "Parent | None":
        """Return the schema that holds the keyword at `rule_id` (a URI fragment), None when it can't stand alone."""
        if rule_id.endswith("…"):  # It was too long, so nobody knows where it led.
            return None
        *above, keyword = steps(rule_id.removeprefix("#")) or [""]
        parent = _at(schema, pointer(above))
        if not isinstance(parent, dict):
            return None
        shape = next((made for made in map(_alone, (parent, {keyword: parent.get(keyword)})) if made), None)
        return cls(shape, parent)

    def allows(self, value: Any) -> bool:
        """Return whether `value` can stand here."""
        return self._shape is not None and self._shape.fits(value)


def _alone(schema: Mapping[str, Any]) -> Shape | None:
    written = orjson.dumps(schema)
    if any(word in written for word in _REFERRING):
        return None
    try:
        return Shape(dict(schema))
    except RuleSetError:
        return None


#: What is around a value that only a rule is about.
ANYTHING = Parent(Shape(True), {})


class Trials:
    """An item and its findings, for trying suggestions."""

    def __init__(self, item: Any, findings: Iterable[Finding], judge: Judge) -> None:
        self._item = item
        self._findings = findings
        self._judge = judge
        self._left = MOST_TRIALS

    def pass_(self, finding: Finding, suggestion: Suggestion) -> bool:
        """Return whether `suggestion` makes `finding` go away, and no other come."""
        if not self._left:
            return False
        self._left -= 1
        left = {_key(each) for each in self._judge(applied(self._item, suggestion))}
        return left <= {_key(each) for each in self._findings} - {_key(finding)}


def applied(item: Any, suggestion: Suggestion) -> Any:
    """Return a copy of `item` with the suggestion's operation applied; the item stays as it is.

    Raises KeyError or IndexError when the item has no such place.
    """
    if suggestion.op == "replace":
        return _put(item, steps(suggestion.path), suggestion.value)
    *above, name = steps(suggestion.from_ or "")
    owner = _at(item, pointer(above))
    kept = {field: value for field, value in owner.items() if field != name}
    return _put(item, above, kept | {steps(suggestion.path)[-1]: owner[name]})


def _put(item: Any, path: Sequence[str], value: Any) -> Any:
    if not path:
        return value
    copy = item.copy()
    step = int(path[0]) if isinstance(item, list) else path[0]
    copy[step] = _put(item[step], path[1:], value)
    return copy


def _at(value: Any, place: str) -> Any:
    """Return what is at `place` in `value`, None when nothing is."""
    for step in steps(place):
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def _place(place: str) -> str:
    """Return a pointer of a finding as a definition writes it, with `*` for every element of a list."""
    return "/".join("*" if step.isdecimal() else step for step in place.split("/"))


def _readable(value: Any) -> bool:
    """Return whether `value` is a text or number that can be looked at in bounded time."""
    if isinstance(value, str):
        return len(value) <= LONGEST
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _with(finding: Finding, suggestion: Suggestion) -> Finding:
    return Finding(finding.pointer, finding.code, finding.severity, finding.params, finding.rule_id, suggestion)


def _moved(origin: str, path: str, confidence: float, reason: str) -> Suggestion:
    return Suggestion("move", path, None, confidence, reason, from_=origin)


def _surely(known: str, edits: int) -> float:
    if edits > 1:
        return TWO_EDITS
    return SHORT_WORD if len(known) == SHORTEST else ONE_EDIT


def _key(finding: Finding) -> tuple[str, str, str]:
    return finding.pointer, finding.code, finding.rule_id


@lru_cache(maxsize=32)
def _nearby(codes: frozenset[str]) -> Nearby:
    # Shared, because a table of 100,000 codes takes megabytes and 70 ms, and every version of a rule set names it.
    return Nearby(codes)


@cache
def _currencies() -> frozenset[str]:
    """Return the codes of all currencies that are money today."""
    facts = map(currencies.read, tables.read("iso4217")["currencies"])
    # Without minor units are gold and the like, which nobody means who mistypes a currency.
    return frozenset(fact["text"] for fact in facts if "minor_units" in fact and "until" not in fact)
