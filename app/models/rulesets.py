"""Rule sets: drafts, one a name, and published versions, each immutable: what has changed is another version.

Versions of a name are published one at a time, under a lock that ends with the transaction.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Integer, LargeBinary, Text, and_, cast, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from app import json
from app.errors import RuleSetChanged
from app.models.base import Base, new_id

#: Who publishes the built-in rule sets.
RELEASE = "release"


class PublishedRuleSet(Base):
    """One version of a rule set, as data."""

    __tablename__ = "rulesets"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    definition: Mapped[dict[str, Any]] = mapped_column(JSONB)
    #: SHA-256 of the canonical JSON of the definition: what was judged by this version can be checked.
    content_hash: Mapped[bytes] = mapped_column(LargeBinary)
    published_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("clock_timestamp()"))
    #: Who, as in the audit trail.
    published_by: Mapped[str] = mapped_column(Text, server_default=RELEASE)
    #: Why, in the words of whoever published it.
    note: Mapped[str | None] = mapped_column(Text)
    #: The version whose content this one publishes again.
    restores: Mapped[int | None] = mapped_column(Integer)

    @property
    def ref(self) -> str:
        """Return how requests name it: `fx_rate@1`."""
        return f"{self.name}@{self.version}"


class Draft(Base):
    """What a rule set may become. Its definition has no version, and may be wrong in any way."""

    __tablename__ = "ruleset_drafts"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    definition: Mapped[dict[str, Any]] = mapped_column(JSONB)
    #: New with every change, also when a draft is discarded and another one begun.
    revision: Mapped[UUID]
    #: The version that its author began with.
    based_on: Mapped[int | None] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("clock_timestamp()"))
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("clock_timestamp()"))
    updated_by: Mapped[str] = mapped_column(Text)


@dataclass(frozen=True)
class Overview:
    """A name with its newest version, where one is published, and whether there is a draft."""

    name: str
    title: str | None
    version: int | None
    published_at: datetime | None
    published_by: str | None
    has_draft: bool


def publish(
    session: Session,
    definition: Mapping[str, Any],
    *,
    by: str = RELEASE,
    note: str | None = None,
    restores: int | None = None,
) -> bool:
    """Return whether this version was new; publishing the same content again changes nothing.

    Raises:
        RuleSetChanged: this version is already published with another content.
    """
    digest = content_hash(definition)
    key = {"name": definition["name"], "version": definition["version"]}
    made = session.execute(
        insert(PublishedRuleSet)
        .values(**key, definition=dict(definition), content_hash=digest, published_by=by, note=note, restores=restores)
        .on_conflict_do_nothing()
        .returning(PublishedRuleSet.version)
    ).first()
    if made is None:
        there = session.get_one(PublishedRuleSet, key)
        if there.content_hash != digest:
            raise RuleSetChanged(f"{there.ref} is published with another content; give the new one a new version.")
    return made is not None


def content_hash(definition: Mapping[str, Any]) -> bytes:
    """Return the SHA-256 of the definition, whatever the order of its keys."""
    return hashlib.sha256(json.canonical(dict(definition))).digest()


def settled(session: Session, definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return the definition as PostgreSQL will give it back: it may write numbers in another way (`1e2` as 100)."""
    return dict(session.execute(select(cast(dict(definition), JSONB))).scalar_one())


def hold(session: Session, name: str) -> None:
    """Return once nobody else publishes under this name, or before this transaction ends."""
    session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"rulesets:{name}", 0))))


def resolve(session: Session, name: str, version: int | None) -> PublishedRuleSet | None:
    """Return that version of the rule set, its newest when `version` is None, or None when there is none."""
    query = select(PublishedRuleSet).where(PublishedRuleSet.name == name)
    if version is not None:
        query = query.where(PublishedRuleSet.version == version)
    return session.scalar(query.order_by(PublishedRuleSet.version.desc()).limit(1))


def names(session: Session) -> Sequence[str]:
    """Return the names of all published rule sets, sorted."""
    return session.scalars(select(PublishedRuleSet.name).distinct().order_by(PublishedRuleSet.name)).all()


LAST = (
    select(PublishedRuleSet.name, func.max(PublishedRuleSet.version).label("version"))
    .group_by(PublishedRuleSet.name)
    .subquery()
)
#: The definitions of older versions, which may be long, are not even looked at.
NEWEST = (
    select(
        PublishedRuleSet.name,
        PublishedRuleSet.definition["title"].astext.label("title"),
        PublishedRuleSet.version,
        PublishedRuleSet.published_at,
        PublishedRuleSet.published_by,
    )
    .join(LAST, and_(LAST.c.name == PublishedRuleSet.name, LAST.c.version == PublishedRuleSet.version))
    .subquery()
)
#: Characters of the title of a draft, where anything may stand.
TITLE = 200


def overview(session: Session, *, after: str, limit: int) -> Sequence[Overview]:
    """Return up to `limit` rule sets, published or only drafted, in the order of their names, from `after` on."""
    name = func.coalesce(NEWEST.c.name, Draft.name).collate("C")
    rows = session.execute(
        select(
            name.label("name"),
            func.coalesce(NEWEST.c.title, func.left(Draft.definition["title"].astext, TITLE)).label("title"),
            NEWEST.c.version,
            NEWEST.c.published_at,
            NEWEST.c.published_by,
            Draft.name.is_not(None).label("has_draft"),
        )
        .select_from(NEWEST)
        .outerjoin(Draft, Draft.name == NEWEST.c.name, full=True)
        .where(name > after)
        .order_by(name)
        .limit(limit)
    )
    return [Overview(**row._mapping) for row in rows]


def versions(session: Session, name: str, *, before: int | None, limit: int) -> Sequence[PublishedRuleSet]:
    """Return up to `limit` versions, newest first, from before `before` on; their definitions are not read."""
    columns = (
        PublishedRuleSet.name,
        PublishedRuleSet.version,
        PublishedRuleSet.content_hash,
        PublishedRuleSet.published_at,
        PublishedRuleSet.published_by,
        PublishedRuleSet.note,
        PublishedRuleSet.restores,
    )
    query = select(*columns).where(PublishedRuleSet.name == name)
    if before is not None:
        query = query.where(PublishedRuleSet.version < before)
    rows = session.execute(query.order_by(PublishedRuleSet.version.desc()).limit(limit))
    return [PublishedRuleSet(**row._mapping) for row in rows]


def draft(session: Session, name: str) -> Draft | None:
    """Return the draft of that name, or None when there is none."""
    return session.get(Draft, name)


def add_draft(
    session: Session, name: str, definition: Mapping[str, Any], *, by: str, based_on: int | None
) -> Draft | None:
    """Return the new draft, or None when there is one of that name already."""
    return session.scalar(
        insert(Draft)
        .values(name=name, definition=dict(definition), revision=new_id(), updated_by=by, based_on=based_on)
        .on_conflict_do_nothing()
        .returning(Draft)
    )


def change_draft(
    session: Session, name: str, definition: Mapping[str, Any], *, by: str, revision: UUID
) -> Draft | None:
    """Return the draft, changed, or None when it is not at `revision` any more."""
    return session.scalar(
        update(Draft)
        .where(Draft.name == name, Draft.revision == revision)
        .values(definition=dict(definition), revision=new_id(), updated_by=by, updated_at=func.clock_timestamp())
        .returning(Draft),
        execution_options={"synchronize_session": False, "populate_existing": True},
    )


def drop_draft(session: Session, name: str, *, revision: UUID) -> bool:
    """Return whether there was a draft at `revision`; it is gone now."""
    dropped = session.execute(
        delete(Draft).where(Draft.name == name, Draft.revision == revision).returning(Draft.name),
        execution_options={"synchronize_session": False},
    )
    return dropped.first() is not None
