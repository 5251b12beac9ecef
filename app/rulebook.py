"""The rulebook: published rule sets as this process knows them, compiled once and kept.

A version never changes, nor does one of a reference table, so what was compiled of them is kept; which versions are the
newest may change, so that is asked again, once a second at most for each name. A rule set that names a table without a
version is compiled anew when the table has a new one.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app import reference
from app.compiling import compiled
from app.database import Database
from app.errors import UnknownRuleSet
from app.groups import Once
from app.models import rulesets
from app.models.rulesets import PublishedRuleSet
from app.rules import RuleSet, catalogue
from app.rules.catalogue import Texts
from app.rules.ruleset import table_names
from app.shelf import Shelf

#: What is published or loaded is the newest everywhere after at most this long.
NEWEST_FOR_S = 1.0
#: After so long it is asked for anew; who comes goes by what is known until the answer is there.
ASK_AFTER_S = NEWEST_FOR_S / 2
#: Compiled rule sets kept, and as many texts.
KEPT = 128

#: A rule set's version, and the version of each table that it names.
_Key = tuple[str, frozenset[tuple[str, int]]]


class Rulebook:
    """Rule sets by name and version, from the database and then from memory. Safe for threads."""

    def __init__(self) -> None:
        self._compiled: Shelf[_Key, RuleSet] = Shelf(KEPT)
        self._texts: Shelf[str, Texts] = Shelf(KEPT)
        #: The tables that each version names.
        self._tables: dict[str, frozenset[str]] = {}
        #: By kind and name: when it was asked, and the newest version.
        self._newest: dict[tuple[str, str], tuple[float, int]] = {}
        #: By kind and name: when the newest version is asked for again.
        self._ask_at: dict[tuple[str, str], float] = {}
        self._names: Once[str, str] = Once()

    def resolve(self, session: Session, name: str) -> str:
        """Return the version to judge by: `name` itself when it says one (`fx_rate@1`), else the newest.

        Raises:
            UnknownRuleSet: nothing of that name and version is published.
        """
        if name in self._tables:
            return name
        bare, at, version = name.partition("@")
        if at:
            self._definition(session, name)
            return f"{bare}@{int(version)}"
        newest = self._latest("ruleset", bare, lambda: _newest(session, bare))
        if newest is None:
            raise _unknown(session, name)
        return f"{bare}@{newest}"

    def named(self, database: Database, name: str) -> str:
        """Return what `resolve` returns. Mostly that is known, and nobody has to wait for it to be asked anew.

        Raises:
            UnknownRuleSet: nothing of that name and version is published.
            DatabaseAway: it is not known, and cannot be asked right now.
        """
        if name in self._tables:
            return name
        newest = self._believed("ruleset", name)
        if newest is None:
            return self._names.do(name, partial(self._named, database, name))
        if self._is_due("ruleset", name):
            self._names.soon(name, partial(self._named, database, name))
        return f"{name}@{newest}"

    def texts(self, database: Database, ref: str) -> Texts:
        """Return the texts of the rules of exactly this version, which need not be compiled.

        Raises UnknownRuleSet, DatabaseAway.
        """

        def read() -> Texts:
            with database.autocommit() as session:
                return catalogue.texts(self._definition(session, ref))

        return self._texts.get(ref, read)

    def kept(self, ref: str) -> RuleSet | None:
        """Return what `get` returns if nobody has to be asked for it, else None."""
        sources = self._tables.get(ref)
        if sources is None:
            return None
        pins = []
        for source in sources:
            name, _, version = source.partition("@")
            number = int(version) if version else self._known("table", name)
            if number is None:
                return None
            pins.append((name, number))
        return self._compiled.kept((ref, frozenset(pins)))

    def get(self, session: Session, ref: str) -> RuleSet:
        """Return the rule set of exactly this version, compiled with the tables that it names as they are now.

        Raises UnknownRuleSet.
        """
        sources = self._tables.get(ref)
        if sources is None:
            sources = table_names(self._definition(session, ref))
        versions = ((source.partition("@")[0], self._version(session, source)) for source in sources)
        pins = {name: version for name, version in versions if version is not None}
        return self._compiled.get(
            (ref, frozenset(pins.items())), lambda: compiled(session, self._definition(session, ref), pins)
        )

    def _named(self, database: Database, name: str) -> str:
        with database.autocommit() as session:
            return self.resolve(session, name)

    def _definition(self, session: Session, ref: str) -> Mapping[str, object]:
        name, _, version = ref.partition("@")
        published = rulesets.resolve(session, name, int(version)) if is_version(version) else None
        if published is None:
            raise _unknown(session, ref)
        if published.ref == ref:  # `fx_rate@01` is understood, not kept.
            self._tables[ref] = table_names(published.definition)
        return published.definition

    def _version(self, session: Session, source: str) -> int | None:
        name, _, version = source.partition("@")
        return int(version) if version else self._latest("table", name, lambda: reference.newest(session, name))

    def _latest(self, kind: str, name: str, ask: Callable[[], int | None]) -> int | None:
        version = self._known(kind, name)
        if version is not None:
            return version
        asked = time.monotonic()
        self._ask_at[kind, name] = asked + ASK_AFTER_S
        version = ask()
        if version is not None:
            self._newest[kind, name] = asked, version
        return version

    def _known(self, kind: str, name: str) -> int | None:
        """Return the newest version if nobody has to ask for it now.

        It is asked for again by one of those who come half-way, so that not all who come at the same moment have to.
        """
        return None if self._is_due(kind, name) else self._believed(kind, name)

    def _believed(self, kind: str, name: str) -> int | None:
        """Return the newest version if it was asked for a moment ago."""
        known = self._newest.get((kind, name))
        return known[1] if known and time.monotonic() - known[0] < NEWEST_FOR_S else None

    def _is_due(self, kind: str, name: str) -> bool:
        """Return whether it is time to ask for the newest version."""
        return time.monotonic() >= self._ask_at.get((kind, name), 0.0)


def is_version(text: str) -> bool:
    """Return whether `text` can follow the `@` of a rule set: a whole number that fits its column."""
    return text.isascii() and text.isdigit() and len(text) <= 9


def _newest(session: Session, name: str) -> int | None:
    """Return the newest published version, without its definition."""
    return session.scalar(select(func.max(PublishedRuleSet.version)).where(PublishedRuleSet.name == name))


def _unknown(session: Session, name: str) -> UnknownRuleSet:
    return UnknownRuleSet(f"There is no published rule set {name!r}.", known=list(rulesets.names(session)))
