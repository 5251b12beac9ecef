"""Reference tables: code lists (ports, carriers) that rule sets name, loaded by people, each version immutable.

They belong to the platform and not to one client. The newest version is the one that was loaded last: loading an old
content again makes a new version of it, so that going back is as simple as going on.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.errors import BuiltInTable, UnknownTable
from app.models import audit
from app.models import reference as model
from app.models.reference import Row
from app.reference import builtin
from app.reference.content import MOST_BYTES, Rows, refuse
from app.reference.files import Format, read
from app.reference.table import Table

__all__ = [
    "LONGEST_SOURCE",
    "MOST_BYTES",
    "NAME",
    "VERSION",
    "Format",
    "Loaded",
    "Row",
    "Rows",
    "Table",
    "check_name",
    "codes",
    "find",
    "load",
    "named",
    "newest",
    "read",
    "rows",
    "tables",
    "versions",
]

#: How a table can be called; as in a rule set's definition.
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
#: A version as text, and the greatest: what a rule set can name, and the column takes.
VERSION = re.compile(r"[1-9][0-9]{0,8}")
MOST_VERSIONS = 999_999_999
#: Characters of the words that say where the content is from.
LONGEST_SOURCE = 500


@dataclass(frozen=True)
class Loaded:
    """The newest version of a table after a load, and whether the load has made it."""

    table: Table
    new: bool


def load(session: Session, name: str, rows: Rows, *, source: str, by: str) -> Loaded:
    """Return the version with these rows: a new one, or the newest when it has just these rows already.

    Two loads of one name at once make two versions, one after the other. A new version is noted in the audit trail.

    Raises:
        InvalidTable: the name or the source cannot be taken.
        BuiltInTable: the name is that of a table that comes with the platform.
    """
    check_name(name)
    check_source(source)
    model.hold(session, name)
    before = model.newest(session, name) or 0
    there = model.find(session, name, before)
    if there is not None and there.content_hash == rows.digest:
        return Loaded(Table.of(there), new=False)
    made = model.add(
        session,
        rows.rows,
        name=name,
        version=before + 1,
        content_hash=rows.digest,
        source=source,
        size=rows.size,
        by=by,
    )
    details = {"version": made.version, "rows": made.row_count, "sha256": rows.digest.hex(), "source": source}
    audit.note(session, actor=by, action="reference.load", subject=f"reference:{name}", details=details)
    return Loaded(Table.of(made), new=True)


def newest(session: Session, name: str) -> int | None:
    """Return the number of the newest version, or None when there is no table of that name."""
    if name in builtin.read():
        return builtin.read()[name][0].version
    return model.newest(session, name)


def codes(session: Session, name: str, version: int) -> frozenset[str]:
    """Return every code of that version. Raises UnknownTable."""
    find(session, name, version)
    if name in builtin.read():
        return frozenset(code for code, _ in builtin.read()[name][1].rows)
    return model.codes(session, name, version)


def find(session: Session, name: str, version: int | None = None) -> Table:
    """Return that version of the table, its newest when `version` is None. Raises UnknownTable."""
    if not NAME.fullmatch(name):
        raise UnknownTable("There is no reference table of such a name.")
    wanted = newest(session, name) if version is None else version
    if name in builtin.read():
        table = builtin.read()[name][0]
        if table.version == wanted:
            return table
    elif wanted is not None and wanted <= MOST_VERSIONS:
        row = model.find(session, name, wanted)
        if row is not None:
            return Table.of(row)
    raise UnknownTable(f"There is no reference table {name if version is None else f'{name}@{version}'}.")


def named(session: Session, ref: str) -> Table:
    """Return the table that a rule set or a person names: `ports@3`, or `ports` for its newest. Raises UnknownTable."""
    name, at, version = ref.partition("@")
    if at and not VERSION.fullmatch(version):
        raise UnknownTable(f"There is no reference table {ref}.")
    return find(session, name, int(version) if at else None)


def rows(session: Session, table: Table, *, start: int, limit: int) -> Sequence[Row]:
    """Return at most `limit` rows of the table by code, from the one at place `start` on, counted from 0."""
    if table.name in builtin.read():
        return builtin.read()[table.name][1].rows[start : start + limit]
    return list(model.rows(session, table.name, table.version, start=start, limit=limit))


def tables(session: Session, *, after: str, limit: int) -> Sequence[Table]:
    """Return the newest version of at most `limit` tables whose name comes after `after`, by name."""
    loaded = [Table.of(row) for row in model.tables(session, after=after, limit=limit)]
    ours = [table for table, _ in builtin.read().values() if table.name > after]
    return sorted([*loaded, *ours], key=lambda table: table.name)[:limit]


def versions(session: Session, name: str, *, before: int | None, limit: int) -> Sequence[Table]:
    """Return at most `limit` versions of a table that are older than `before`, newest first. Raises UnknownTable."""
    newest = find(session, name)
    if name in builtin.read():
        return [newest] if before is None or newest.version < before else []
    return [Table.of(row) for row in model.versions(session, name, before=before, limit=limit)]


def check_name(name: str) -> None:
    """Return only if a table can be loaded under this name. Raises InvalidTable, BuiltInTable."""
    if not NAME.fullmatch(name):
        refuse(
            "invalid_name",
            "A table's name has 1 to 63 small letters, digits and underscores, and begins with a letter.",
        )
    if name in builtin.read():
        raise BuiltInTable(f"The table {name} comes with the platform and cannot be loaded.")


def check_source(source: str) -> None:
    """Return only if these words can be kept. Raises InvalidTable."""
    if not source.isprintable() or not 0 < len(source) <= LONGEST_SOURCE:
        refuse("invalid_source", f"The source is a text of 1 to {LONGEST_SOURCE} characters without line breaks.")
