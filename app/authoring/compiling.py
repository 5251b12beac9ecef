"""Compiling a definition that may be wrong in any way, with the code lists that it names as they are now."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy.orm import Session

from app import reference
from app.errors import UnknownTable
from app.rules import RuleSet, compile_rules
from app.rules.ruleset import table_names

#: How a definition names a table.
SOURCE = re.compile(r"([a-z][a-z0-9_]{0,62})(?:@([1-9][0-9]{0,8}))?")


def compiled(session: Session, definition: Mapping[str, Any]) -> RuleSet:
    """Return the rule set that the definition describes, of version 0 while it has none. Raises RuleSetError."""
    return compile_rules(definition, dict(_tables(session, definition)))


def _tables(session: Session, definition: Mapping[str, Any]) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield each table there is, as `ports@3`, with its codes; of those that are not there the engine says so."""
    for source in table_names(definition):
        if named := SOURCE.fullmatch(source):
            try:
                table = reference.find(session, named[1], int(named[2]) if named[2] else None)
            except UnknownTable:
                continue
            yield table.ref, reference.codes(session, table.name, table.version)
