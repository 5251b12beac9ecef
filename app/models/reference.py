"""Reference tables: code lists by name, each version immutable, its rows in the order of their codes.

Rows are kept a thousand to a page and not one by one: 100,000 of them are read three times as fast and take an eighth
of the room, and one page of a list is still found by its number alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    DateTime,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    Text,
    collate,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, distinct_on
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.models.base import Base

#: A code and what is known of it.
Row = tuple[str, Mapping[str, Any]]

#: Rows on a page.
PAGE = 1_000


class ReferenceTable(Base):
    """One version of a reference table."""

    __tablename__ = "reference_tables"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    #: SHA-256 of the rows as canonical JSON: equal content has an equal hash, in whatever order it came.
    content_hash: Mapped[bytes] = mapped_column(LargeBinary)
    #: Where the content is from, in words.
    source: Mapped[str] = mapped_column(Text)
    row_count: Mapped[int] = mapped_column(Integer)
    #: Size of the rows as canonical JSON.
    bytes: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("clock_timestamp()"))
    #: Who loaded it: `client:<uuid>` or `cli`.
    created_by: Mapped[str] = mapped_column(Text)


class ReferencePage(Base):
    """A thousand rows of a version, less on the last page; page 0 is the first."""

    __tablename__ = "reference_pages"
    __table_args__ = (ForeignKeyConstraint(["name", "version"], [ReferenceTable.name, ReferenceTable.version]),)

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    page: Mapped[int] = mapped_column(Integer, primary_key=True)
    codes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    #: A list as long as `codes`: the attributes of each.
    attributes: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)


def hold(session: Session, name: str) -> None:
    """Have this transaction be the only one that adds a version of this name; others wait until it has ended."""
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"reference:{name}", 0))))


def add(
    session: Session,
    rows: Sequence[Row],
    *,
    name: str,
    version: int,
    content_hash: bytes,
    source: str,
    size: int,
    by: str,
) -> ReferenceTable:
    """Return the new version. `rows` are in order; `size` is that of their canonical JSON, in bytes."""
    table = ReferenceTable(
        name=name,
        version=version,
        content_hash=content_hash,
        source=source,
        row_count=len(rows),
        bytes=size,
        created_by=by,
    )
    session.add(table)
    session.flush()
    # A statement a page: in a web process others have their turn while the database works on it.
    for start in range(0, len(rows), PAGE):
        page = rows[start : start + PAGE]
        session.execute(
            insert(ReferencePage).values(
                name=name,
                version=version,
                page=start // PAGE,
                codes=[code for code, _ in page],
                attributes=[attributes for _, attributes in page],
            )
        )
    return table


def newest(session: Session, name: str) -> int | None:
    """Return the number of the newest version, or None when there is no table of that name."""
    return session.scalar(select(func.max(ReferenceTable.version)).where(ReferenceTable.name == name))


def find(session: Session, name: str, version: int) -> ReferenceTable | None:
    """Return that version, or None when there is none."""
    return session.get(ReferenceTable, (name, version))


def versions(session: Session, name: str, *, before: int | None, limit: int) -> Sequence[ReferenceTable]:
    """Return at most `limit` versions older than `before`, newest first."""
    query = select(ReferenceTable).where(ReferenceTable.name == name)
    if before is not None:
        query = query.where(ReferenceTable.version < before)
    return session.scalars(query.order_by(ReferenceTable.version.desc()).limit(limit)).all()


def tables(session: Session, *, after: str, limit: int) -> Sequence[ReferenceTable]:
    """Return the newest version of at most `limit` tables whose name comes after `after`, by name."""
    # By bytes, as Python orders: a language's order would put an underscore elsewhere.
    name = collate(ReferenceTable.name, "C")
    return session.scalars(
        select(ReferenceTable)
        .ext(distinct_on(name))
        .where(name > after)
        .order_by(name, ReferenceTable.version.desc())
        .limit(limit)
    ).all()


def codes(session: Session, name: str, version: int) -> frozenset[str]:
    """Return every code of that version; none when there is no such version."""
    query = select(ReferencePage.codes).where(ReferencePage.name == name, ReferencePage.version == version)
    return frozenset(code for page in session.scalars(query) for code in page)


def rows(session: Session, name: str, version: int, *, start: int, limit: int) -> Iterator[Row]:
    """Yield at most `limit` rows of that version, from the one at place `start` on, counted from 0."""
    first, last = start // PAGE, (start + limit - 1) // PAGE
    query = (
        select(ReferencePage.codes, ReferencePage.attributes)
        .where(ReferencePage.name == name, ReferencePage.version == version, ReferencePage.page.between(first, last))
        .order_by(ReferencePage.page)
    )
    found = [row for page, attributes in session.execute(query) for row in zip(page, attributes, strict=True)]
    yield from found[start - first * PAGE :][:limit]
