"""The rulebook: published rule sets as this process knows them, compiled once and kept.

A version never changes, so it is kept for good; which version is the newest may change, so that is asked again.
"""

import threading
import time
from collections import OrderedDict

from sqlalchemy.orm import Session

from app.errors import UnknownRuleSet
from app.models import rulesets
from app.rules import RuleSet, compile_rules

#: A rule set that is published is the newest everywhere after at most this long.
NEWEST_FOR_S = 1.0
#: Compiled versions kept; the one used longest ago goes first.
KEPT = 256


class Rulebook:
    """Rule sets by name and version, from the database and then from memory."""

    def __init__(self) -> None:
        self._compiled: OrderedDict[str, RuleSet] = OrderedDict()
        self._newest: dict[str, tuple[float, str]] = {}
        self._lock = threading.Lock()

    def resolve(self, session: Session, name: str) -> str:
        """Return the version to judge by: `name` itself when it says one (`fx_rate@1`), else the newest.

        Raises:
            UnknownRuleSet: nothing of that name and version is published.
        """
        if name in self._compiled:
            return name
        known = self._newest.get(name)
        if known and time.monotonic() - known[0] < NEWEST_FOR_S:
            return known[1]
        bare, at, version = name.partition("@")
        published = None
        if not at or is_version(version):
            published = rulesets.resolve(session, bare, int(version) if at else None)
        if published is None:
            raise UnknownRuleSet(f"There is no published rule set {name!r}.", known=list(rulesets.names(session)))
        self._keep(published)
        if not at:
            self._newest[name] = (time.monotonic(), published.ref)
        return published.ref

    def get(self, session: Session, ref: str) -> RuleSet:
        """Return the compiled rule set of exactly this version. Raises UnknownRuleSet."""
        compiled = self._compiled.get(ref)
        if compiled is None:
            self.resolve(session, ref)
            compiled = self._compiled[ref]
        return compiled

    def _keep(self, published: rulesets.PublishedRuleSet) -> None:
        if published.ref in self._compiled:
            return
        compiled = compile_rules(published.definition)
        with self._lock:
            self._compiled[published.ref] = compiled
            while len(self._compiled) > KEPT:
                self._compiled.popitem(last=False)


def is_version(text: str) -> bool:
    """Return whether `text` can follow the `@` of a rule set: a whole number that fits its column."""
    return text.isascii() and text.isdigit() and len(text) <= 9
