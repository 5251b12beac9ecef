"""Rule sets: published versions, each immutable: a definition that has changed is another version."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, Integer, LargeBinary, Text, select, text
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from app import json
from app.errors import RuleSetChanged
from app.models.base import Base


class PublishedRuleSet(Base):
    """One version of a rule set, as data."""

    __tablename__ = "rulesets"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    definition: Mapped[dict[str, Any]] = mapped_column(JSONB)
    #: SHA-256 of the canonical JSON of the definition: what was judged by this version can be checked.
    content_hash: Mapped[bytes] = mapped_column(LargeBinary)
    published_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("clock_timestamp()"))

    @property
    def ref(self) -> str:
        """Return how requests name it: `fx_rate@1`."""
        return f"{self.name}@{self.version}"


def publish(session: Session, definition: Mapping[str, Any]) -> bool:
    """Return whether this version was new; publishing the same content again changes nothing.

    Raises:
        RuleSetChanged: this version is already published with another content.
    """
    digest = content_hash(definition)
    key = {"name": definition["name"], "version": definition["version"]}
    made = session.execute(
        insert(PublishedRuleSet)
        .values(**key, definition=dict(definition), content_hash=digest)
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


def resolve(session: Session, name: str, version: int | None) -> PublishedRuleSet | None:
    """Return that version of the rule set, its newest when `version` is None, or None when there is none."""
    query = select(PublishedRuleSet).where(PublishedRuleSet.name == name)
    if version is not None:
        query = query.where(PublishedRuleSet.version == version)
    return session.scalar(query.order_by(PublishedRuleSet.version.desc()).limit(1))


def names(session: Session) -> Sequence[str]:
    """Return the names of all published rule sets, sorted."""
    return session.scalars(select(PublishedRuleSet.name).distinct().order_by(PublishedRuleSet.name)).all()
