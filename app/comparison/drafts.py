"""Drafts as comparisons have frozen them, compiled once in each process: a comparison has hundreds of steps.

Reference tables are frozen, too, by their version: a table that is loaded meanwhile would make two halves of a result.
"""

import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from sqlalchemy.orm import Session

from app import reference
from app.errors import UnknownTable
from app.models import comparisons
from app.models.comparisons import Comparison
from app.rules import RuleSet, compile_rules
from app.rules.ruleset import table_names

#: Compiled drafts that a process keeps; the one used longest ago goes first.
KEPT = 8
#: What can follow the @ of a table's name.
VERSION = re.compile(r"[1-9][0-9]{0,8}")


class Drafts:
    """Compiled drafts, by content and table versions. Safe for threads."""

    def __init__(self) -> None:
        self._compiled: OrderedDict[tuple[bytes, frozenset[tuple[str, int]]], RuleSet] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, session: Session, comparison: Comparison) -> RuleSet:
        """Return the comparison's draft, compiled. Raises RuleSetError."""
        key = (comparison.content_hash, frozenset(comparison.tables.items()))
        with self._lock:
            if key in self._compiled:
                self._compiled.move_to_end(key)
                return self._compiled[key]
        # Outside the lock: it takes a while, and done twice it does no harm.
        ruleset = compiled(session, comparisons.definition(session, comparison.id), comparison.tables)
        with self._lock:
            self._compiled[key] = ruleset
            while len(self._compiled) > KEPT:
                self._compiled.popitem(last=False)
        return ruleset


def compiled(session: Session, definition: Mapping[str, Any], tables: Mapping[str, int]) -> RuleSet:
    """Return the definition, compiled with these versions of the tables that it names. Raises RuleSetError."""
    codes = {f"{name}@{version}": reference.codes(session, name, version) for name, version in tables.items()}
    return compile_rules(definition, codes)


def pinned(session: Session, definition: Mapping[str, Any]) -> dict[str, int]:
    """Return the version of each reference table that the definition names: the newest where it does not say.

    Those that come with the platform are not among them; nor is what does not exist: the definition will not compile.
    """
    pins = {}
    for source in table_names(definition):
        name, at, version = source.partition("@")
        with suppress(UnknownTable):
            if not at or VERSION.fullmatch(version):
                pins[name] = reference.find(session, name, int(version) if at else None).version
    return pins
