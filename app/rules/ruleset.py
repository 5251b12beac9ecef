"""A rule set: a JSON Schema, conditions and code lists, compiled from plain data and ready to check items."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import islice
from types import MappingProxyType
from typing import Any

import orjson

from app.rules import tables
from app.rules.conditions import Conditions
from app.rules.errors import RuleSetError
from app.rules.facts import Facts
from app.rules.findings import Finding
from app.rules.legible import illegible
from app.rules.shape import Shape

#: One item can break a rule ten thousand times over; nobody reads more than this.
MOST_FINDINGS = 100
#: Built-in tables that a rule set can name.
CODE_LISTS = ("iso3166",)

_SEVEREST_FIRST = ("error", "warning", "info")


@dataclass(frozen=True, slots=True)
class RuleSet:
    """A compiled rule set. `messages` are the texts of its own rules by finding code, for `Finding.message`."""

    name: str
    version: int
    title: str
    messages: Mapping[str, str]
    _shape: Shape
    _facts: Facts
    _conditions: Conditions

    @property
    def ref(self) -> str:
        """How a rule set is named everywhere: `fx_rate@1`."""
        return f"{self.name}@{self.version}"

    def check(self, item: Any) -> tuple[Finding, ...]:
        """Return everything that is wrong with `item`, any JSON value; an empty tuple when nothing is.

        Conditions are only asked about an item of the right shape, so that each can rely on fields and types. At most
        MOST_FINDINGS are returned, then one `item.more_findings`. Raises only when the engine itself is broken.
        """
        unread = illegible(item)
        if unread:
            return (unread,)
        misshapen = tuple(islice(self._shape.findings(item), MOST_FINDINGS + 1))
        return _capped(misshapen or tuple(self._conditions.findings(self._facts.seen(item))))


def compile_rules(definition: Mapping[str, Any]) -> RuleSet:
    """Return the rule set that `definition` (plain JSON data, shaped as in definition.json) describes.

    Raises RuleSetError, saying where: a wrong shape, a schema or expression that does not compile, an unknown table.
    """
    _inspect(definition)
    lists = {name: _codes(name, source) for name, source in definition.get("tables", {}).items()}
    return RuleSet(
        name=definition["name"],
        version=definition["version"],
        title=definition["title"],
        messages=MappingProxyType({f"rule.{rule['id']}": rule["message"] for rule in definition["rules"]}),
        _shape=Shape(definition["schema"]),
        _facts=Facts(definition.get("facts", {}), lists),
        _conditions=Conditions(definition["rules"]),
    )


def _inspect(definition: Mapping[str, Any]) -> None:
    for finding in _definition().findings(dict(definition)):
        raise RuleSetError(f"{finding.pointer or 'definition'}: {finding.message()}")
    ids = [rule["id"] for rule in definition["rules"]]
    for repeated in {each for each in ids if ids.count(each) > 1}:
        raise RuleSetError(f"/rules: the id {repeated} is used more than once")


@cache
def _definition() -> Shape:
    return Shape(orjson.loads(resources.files(__package__).joinpath("definition.json").read_bytes()))


def _codes(name: str, source: str | Sequence[str]) -> frozenset[str]:
    """Return the codes of a list in the definition itself, or of the built-in table that it names as `table@n`."""
    if not isinstance(source, str):
        return frozenset(source)
    table, _, version = source.partition("@")
    if table not in CODE_LISTS or version != str(tables.read(table)["version"]):
        raise RuleSetError(f"/tables/{name}: there is no table {source}")
    return frozenset(tables.read(table)["codes"])


def _capped(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    if len(findings) <= MOST_FINDINGS:
        return findings
    ordered = sorted(findings, key=lambda finding: _SEVEREST_FIRST.index(finding.severity))
    more = Finding("", "item.more_findings", ordered[MOST_FINDINGS].severity, {"shown": MOST_FINDINGS}, "")
    return (*ordered[:MOST_FINDINGS], more)
