"""What is told of one version of a reference table, whether it is built in or was loaded."""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from app.models.reference import ReferenceTable


@dataclass(frozen=True)
class Table:
    """One version of a table: everything but its rows."""

    name: str
    version: int
    #: SHA-256 of the rows.
    content_hash: bytes
    source: str
    row_count: int
    #: Size of the rows as canonical JSON.
    bytes: int
    #: None for a built-in table.
    created_at: datetime | None
    created_by: str

    @classmethod
    def of(cls, row: ReferenceTable) -> Self:
        """Return what the database has."""
        return cls(
            name=row.name,
            version=row.version,
            content_hash=row.content_hash,
            source=row.source,
            row_count=row.row_count,
            bytes=row.bytes,
            created_at=row.created_at,
            created_by=row.created_by,
        )

    @property
    def ref(self) -> str:
        """Return how rule sets name it: `ports@3`."""
        return f"{self.name}@{self.version}"
