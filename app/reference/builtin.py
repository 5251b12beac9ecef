"""The reference tables that come with the platform: ISO 4217 (currencies) and ISO 3166-1 alpha-2 (countries).

They are files beside the rules and in no database; a new version comes with a release. Nobody can load a table of
such a name.
"""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from app.reference.content import Rows
from app.reference.table import Table
from app.rules import tables

#: Who made them, where others have who loaded them.
BY = "platform"


@cache
def read() -> Mapping[str, tuple[Table, Rows]]:
    """Return every built-in table by name, with its rows."""
    return MappingProxyType({name: built(name) for name in tables.CODE_LISTS})


def built(name: str) -> tuple[Table, Rows]:
    """Return a table out of its file."""
    file = tables.read(name)
    rows = Rows.of(codes(file))
    return (
        Table(
            name=name,
            version=file["version"],
            content_hash=rows.digest,
            source=file["source"],
            row_count=len(rows.rows),
            bytes=rows.size,
            created_at=None,
            created_by=BY,
        ),
        rows,
    )


def codes(file: Mapping[str, Any]) -> list[str | dict[str, Any]]:
    """Return the codes in a file of `app.rules.tables`, with attributes where it has any."""
    if "currencies" in file:
        return [{"code": code, **attributes} for code, attributes in file["currencies"].items()]
    return list(file["codes"])
