"""Compiling a definition, with the reference tables that it names: the one place that knows what their names mean."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from sqlalchemy.orm import Session

from app import reference
from app.errors import UnknownTable
from app.rules import RuleSet, compile_rules
from app.rules.ruleset import table_names

#: The version of each table, by its name.
Pins = Mapping[str, int]


def compiled(session: Session, definition: Mapping[str, Any], pins: Pins) -> RuleSet:
    """Return the rule set that the definition, which may be wrong in any way, describes with these tables.

    It is of version 0 while it has none. Raises RuleSetError, also for a table that it names and that is not pinned.
    """
    codes = {f"{name}@{version}": reference.codes(session, name, version) for name, version in pins.items()}
    return compile_rules(definition, codes)


def pinned(session: Session, definition: Mapping[str, Any]) -> dict[str, int]:
    """Return the version of each reference table that the definition names: the newest where it does not say.

    Those that come with the platform are not among them; nor is what does not exist: the definition will not compile.
    """
    pins = {}
    for source in table_names(definition):
        with suppress(UnknownTable):
            table = reference.named(session, source)
            pins[table.name] = table.version
    return pins
