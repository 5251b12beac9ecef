"""A rule set: a JSON Schema, conditions and code lists, compiled from plain data and ready to check items."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import islice
from types import MappingProxyType
from typing import Any

import orjson

from app.rules import catalogue, facts, limits, tables
from app.rules.conditions import Conditions
from app.rules.errors import RuleSetError
from app.rules.expression_cost import Bounds
from app.rules.findings import Finding, pointer
from app.rules.legible import illegible
from app.rules.normalisers import Normalisers
from app.rules.references import References
from app.rules.shape import Shape
from app.rules.suggestions import Suggestions

#: One item can break a rule ten thousand times over; nobody reads more than this.
MOST_FINDINGS = 100

_SEVEREST_FIRST = ("error", "warning", "info")


@dataclass(frozen=True, slots=True)
class RuleSet:
    """A compiled rule set. A draft that has no version yet is version 0.

    `messages` are the texts of its own rules, for `Finding.message`. `tables` says which version of each reference
    table it was compiled with, except of those that come with the platform.
    """

    name: str
    version: int
    title: str
    messages: catalogue.Texts
    tables: Mapping[str, int]
    _shape: Shape
    _references: References
    _conditions: Conditions
    _normalisers: Normalisers
    _suggestions: Suggestions

    @property
    def ref(self) -> str:
        """How a rule set is named everywhere: `fx_rate@1`."""
        return f"{self.name}@{self.version}"

    def check(self, item: Any) -> tuple[Finding, ...]:
        """Return everything that is wrong with `item`, any JSON value; an empty tuple when nothing is.

        Conditions are only asked about an item of the right shape, so that each can rely on fields and types. At most
        MOST_FINDINGS are returned, then one `item.more_findings`. Raises only when the engine itself is broken.
        """
        findings = self._judged(item)
        return self._suggestions.added(item, findings, self._judged) if findings else findings

    def normalised(self, item: Any) -> tuple[Any, tuple[Finding, ...]]:
        """Return a corrected copy of `item`, and one finding of severity info for each correction.

        The item itself comes back when there is nothing to correct. It does not change.
        """
        return (item, ()) if illegible(item) else self._normalisers.applied(item)

    def _judged(self, item: Any) -> tuple[Finding, ...]:
        unread = illegible(item)
        if unread:
            return (unread,)
        if self._shape.fits(item):
            findings = self._references.findings(item) + self._conditions.findings(item)
            return _capped(tuple(findings)) if findings else ()
        return _capped(tuple(islice(self._shape.breaches(item), MOST_FINDINGS + 1)))


def compile_rules(definition: Mapping[str, Any], tables: Mapping[str, frozenset[str]] | None = None) -> RuleSet:
    """Return the rule set that `definition` (plain JSON data, shaped as in definition.json) describes.

    `tables` has the codes of the reference tables that the definition names, by that name: `ports@3`, or `ports` for
    whichever version is the newest. For the latter it may also have `ports@7`, and then the rule set knows which
    version that was. Those that come with the platform, such as `iso3166@1`, are found without.

    Raises RuleSetError, saying where: a wrong shape, a schema or expression that does not compile or can cost too much,
    an unknown table.
    """
    _inspect(definition)
    lists = _Lists(tables or {})
    codes = {name: lists.find(name, source) for name, source in definition.get("tables", {}).items()}
    shape = Shape(definition["schema"])
    return RuleSet(
        name=definition["name"],
        version=definition.get("version", 0),
        title=definition["title"],
        messages=catalogue.texts(definition),
        tables=MappingProxyType(lists.versions),
        _shape=shape,
        _conditions=Conditions(
            definition["rules"], facts.compiled(definition.get("facts", {}), codes), Bounds(definition["schema"])
        ),
        _references=References(definition.get("facts", {}), codes),
        _normalisers=Normalisers(definition.get("normalisers", ())),
        _suggestions=Suggestions(definition, codes),
    )


def table_names(definition: Mapping[str, Any]) -> frozenset[str]:
    """Return the reference tables that `definition` names and that do not come with the platform: `ports`, `ports@3`.

    Of a definition that has not been looked at yet; what is no table there is left out.
    """
    named = definition.get("tables")
    sources = named.values() if isinstance(named, Mapping) else ()
    return frozenset(
        source for source in sources if isinstance(source, str) and source.partition("@")[0] not in tables.CODE_LISTS
    )


def _inspect(definition: Mapping[str, Any]) -> None:
    limits.hold_size(definition)
    for finding in _definition().findings(dict(definition)):
        raise RuleSetError(f"{finding.pointer or 'definition'}: {finding.message()}", pointer=finding.pointer)
    limits.hold(definition)
    for kind in ("rules", "across"):
        ids = [rule["id"] for rule in definition.get(kind, ())]
        for number, each in enumerate(ids):
            if each in ids[:number]:
                raise RuleSetError(f"/{kind}: the id {each} is used more than once", pointer=f"/{kind}/{number}/id")


@cache
def _definition() -> Shape:
    return Shape(orjson.loads(resources.files(__package__).joinpath("definition.json").read_bytes()))


class _Lists:
    """The code lists of one rule set, and of which table version each is."""

    def __init__(self, given: Mapping[str, frozenset[str]]) -> None:
        self._given = given
        self._named: dict[str, str] = {}
        self.versions: dict[str, int] = {}

    def find(self, name: str, source: str | Sequence[str]) -> frozenset[str]:
        """Return the codes of a list in the definition itself, or of the table that it names. Raises RuleSetError."""
        if not isinstance(source, str):
            return frozenset(source)
        table, _, version = source.partition("@")
        place = f"/tables{pointer([name])}"
        # One name, one version: else nobody could say which of the two has judged.
        if self._named.setdefault(table, source) != source:
            raise RuleSetError(f"{place}: {table} is named in another version, too", pointer=place)
        codes = tables.codes(table, version) if table in tables.CODE_LISTS else self._found(table, version)
        if codes is None:
            raise RuleSetError(f"{place}: there is no table {source}", pointer=place)
        return codes

    def _found(self, table: str, version: str) -> frozenset[str] | None:
        wanted = f"{table}@{version}" if version else table
        for key, codes in self._given.items():
            bare, _, given = key.partition("@")
            if key == wanted or (bare == wanted and given):
                if given:
                    self.versions[table] = int(given)
                return codes
        return None


def _capped(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    if len(findings) <= MOST_FINDINGS:
        return findings
    ordered = sorted(findings, key=lambda finding: _SEVEREST_FIRST.index(finding.severity))
    more = Finding("", "item.more_findings", ordered[MOST_FINDINGS].severity, {"shown": MOST_FINDINGS}, "")
    return (*ordered[:MOST_FINDINGS], more)
