"""Drafts: one a name, and no change to one undoes another."""

from collections.abc import Callable
from threading import Barrier, Thread
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from app import authoring
from app.database import Database
from app.errors import DraftChanged, DraftExists, DraftNotFound, RuleSetInvalid
from app.models.audit import AuditEntry
from app.models.base import new_id
from app.models.rulesets import Draft
from tests.authoring.makers import definition


def create(database: Database, **more: Any) -> Draft:
    """Return a new draft."""
    with database.transaction() as session:
        return authoring.create(session, "tiny", definition(**more), by="cli")


def replace(database: Database, expected: str, **more: Any) -> Draft:
    """Return the draft, changed."""
    with database.transaction() as session:
        return authoring.replace(session, "tiny", definition(**more), by="client:x", expected=[expected])


def discard(database: Database, expected: str) -> None:
    """Discard the draft."""
    with database.transaction() as session:
        authoring.discard(session, "tiny", by="cli", expected=[expected])


def read(database: Database) -> Draft:
    """Return the draft as it is stored."""
    with database.transaction() as session:
        return authoring.draft(session, "tiny")


def acts(database: Database, *, since: UUID) -> list[AuditEntry]:
    """Return what was done to the rule set since then, in order."""
    entries = select(AuditEntry).where(AuditEntry.subject == "ruleset:tiny", AuditEntry.id > since)
    with database.transaction() as session:
        return list(session.scalars(entries.order_by(AuditEntry.id)))


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """Return what each gives, or the error it raises, all of them started in the same moment."""
    barrier = Barrier(len(works))
    ends: list[Any] = [None] * len(works)

    def run(place: int, work: Callable[[], Any]) -> None:
        barrier.wait()
        try:
            ends[place] = work()
        except Exception as error:
            ends[place] = error

    threads = [Thread(target=run, args=(place, work)) for place, work in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ends


def test_a_draft_is_stored_without_a_version(database: Database) -> None:
    create(database, version=7)

    assert read(database).definition == definition()
    assert read(database).based_on is None


def test_a_draft_may_be_wrong_in_any_way_but_its_name(database: Database) -> None:
    wrong = definition(rules="none", schema=None)
    with database.transaction() as session:
        authoring.create(session, "tiny", {"rules": "none"}, by="cli")

    replace(database, str(read(database).revision), rules="none", schema=None)

    assert read(database).definition == wrong


@pytest.mark.parametrize("name", ["", "Tiny", "tiny@1", "1tiny", "a" * 64, "tiny\n", "tiny\x00"])
def test_a_name_that_no_rule_set_can_have_is_refused(database: Database, name: str) -> None:
    with pytest.raises(RuleSetInvalid) as refused, database.transaction() as session:
        authoring.create(session, name, definition(name), by="cli")

    assert refused.value.params["errors"][0]["code"] == "invalid_name"


def test_a_definition_of_another_name_is_refused(database: Database) -> None:
    with pytest.raises(RuleSetInvalid) as refused, database.transaction() as session:
        authoring.create(session, "tiny", definition("other"), by="cli")

    assert refused.value.params["errors"][0]["code"] == "wrong_name"


def test_there_is_one_draft_a_name(database: Database) -> None:
    create(database)

    with pytest.raises(DraftExists):
        create(database, title="Mine")

    assert read(database).definition["title"] == "Tiny"


def test_a_change_makes_a_new_revision(database: Database) -> None:
    first = create(database)

    second = replace(database, str(first.revision), title="Other")

    assert second.revision != first.revision
    assert read(database).definition["title"] == "Other"
    assert read(database).updated_by == "client:x"
    assert read(database).created_at == first.created_at < read(database).updated_at


def test_a_change_for_a_state_that_is_gone_is_refused(database: Database) -> None:
    old = str(create(database).revision)
    replace(database, old, title="Theirs")

    with pytest.raises(DraftChanged):
        replace(database, old, title="Mine")
    with pytest.raises(DraftChanged):
        discard(database, old)

    assert read(database).definition["title"] == "Theirs"


def test_a_new_draft_is_not_taken_for_the_one_that_was_discarded(database: Database) -> None:
    old = str(create(database).revision)
    discard(database, old)
    create(database)

    with pytest.raises(DraftChanged):
        replace(database, old, title="Mine")


def test_what_is_discarded_is_gone(database: Database) -> None:
    revision = str(create(database).revision)

    discard(database, revision)

    with pytest.raises(DraftNotFound):
        read(database)
    with pytest.raises(DraftNotFound):
        discard(database, revision)
    with pytest.raises(DraftChanged):
        replace(database, revision)


def test_of_two_changes_at_once_one_is_made(database: Database) -> None:
    revision = str(create(database).revision)

    ends = at_once(*(lambda title=title: replace(database, revision, title=title) for title in ("One", "Two")))

    made = [end for end in ends if isinstance(end, Draft)]
    refused = [end for end in ends if isinstance(end, DraftChanged)]
    assert (len(made), len(refused)) == (1, 1), ends
    assert read(database).revision == made[0].revision


def test_of_two_drafts_begun_at_once_one_is_there(database: Database) -> None:
    ends = at_once(*(lambda title=title: create(database, title=title) for title in ("One", "Two")))

    assert sorted(type(end).__name__ for end in ends) == ["Draft", "DraftExists"]


def test_every_change_is_written_down_and_what_was_refused_is_not(database: Database) -> None:
    start = new_id()
    first = create(database)
    with pytest.raises(DraftExists):
        create(database)
    second = replace(database, str(first.revision), title="Other")
    with pytest.raises(DraftChanged):
        replace(database, str(first.revision))
    discard(database, str(second.revision))

    assert [(act.actor, act.action) for act in acts(database, since=start)] == [
        ("cli", "ruleset.draft.create"),
        ("client:x", "ruleset.draft.change"),
        ("cli", "ruleset.draft.discard"),
    ]
