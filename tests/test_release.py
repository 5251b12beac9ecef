"""A release: built-in rule sets are published once, and never over what an author has published."""

from typing import Any

import pytest
from sqlalchemy import select

from app import authoring, release
from app.database import Database
from app.errors import RuleSetChanged
from app.models import rulesets
from app.models.audit import AuditEntry
from app.models.base import new_id
from app.models.rulesets import PublishedRuleSet
from app.rules import builtin
from tests.authoring.makers import definition

NAME = "fx_rate"


def built_in(version: int, **more: Any) -> dict[str, Any]:
    """Return a later version of a built-in rule set."""
    return definition(NAME, version=version, **more)


def ship(database: Database, content: dict[str, Any]) -> list[str]:
    """Return what a release that has this built-in rule set says of it."""
    with database.transaction() as session:
        return release.publish(session, content)


def author(database: Database, **more: Any) -> PublishedRuleSet:
    """Return a version that an author has published."""
    return authoring.publish(database, definition(NAME, **more), by="client:x").published


def version(database: Database, number: int | None = None) -> PublishedRuleSet:
    """Return a version, or the newest."""
    with database.transaction() as session:
        return authoring.find(session, NAME, number)


def test_built_in_rule_sets_are_there_and_say_where_they_are_from(database: Database) -> None:
    with database.transaction() as session:
        there = {name: rulesets.resolve(session, name, None) for name in rulesets.names(session)}

    assert there.keys() == {each["name"] for each in builtin.definitions()}
    assert {each.published_by for each in there.values() if each} == {"release"}


def test_a_new_version_is_published_once_and_written_down(database: Database) -> None:
    start = new_id()

    assert ship(database, built_in(2)) == ["rule set fx_rate@2 published"]
    assert ship(database, built_in(2)) == []

    with database.transaction() as session:
        [entry] = session.scalars(select(AuditEntry).where(AuditEntry.id > start))
    assert (entry.actor, entry.action, entry.subject) == ("release", "ruleset.publish", "ruleset:fx_rate")


def test_what_an_author_has_published_under_the_number_stays_and_the_release_goes_on(database: Database) -> None:
    assert author(database, title="Theirs").version == 2

    said = ship(database, built_in(2, title="Ours"))

    assert said == ["rule set fx_rate@2 not published: client:x has published another content under this number"]
    assert version(database).definition["title"] == "Theirs"


def test_what_an_author_has_published_with_the_very_content_needs_no_word(database: Database) -> None:
    author(database, title="Ours")

    assert ship(database, built_in(2, title="Ours")) == []
    assert version(database).published_by == "client:x"


def test_a_later_version_takes_the_place_of_an_authors_and_says_so(database: Database) -> None:
    author(database, title="Theirs")

    said = ship(database, built_in(3, title="Ours"))

    assert said == ["rule set fx_rate@3 published: the newest now, in place of fx_rate@2 by client:x"]
    assert version(database).definition["title"] == "Ours"
    # Nothing is lost: the author's is one call away.
    assert authoring.restore(database, NAME, 2, by="client:x").published.version == 4


def test_an_author_goes_on_after_the_newest_whoever_published_it(database: Database) -> None:
    ship(database, built_in(2))

    assert author(database, title="Theirs").version == 3


def test_a_name_that_an_author_had_first_stays_the_authors(database: Database) -> None:
    authoring.publish(database, definition("tiny", title="Theirs"), by="client:x")

    [line] = ship(database, definition("tiny", version=1, title="Ours"))

    assert "not published" in line


def test_a_release_does_not_change_what_a_release_has_published(database: Database) -> None:
    ship(database, built_in(2))

    with pytest.raises(RuleSetChanged):
        ship(database, built_in(2, title="Other"))
