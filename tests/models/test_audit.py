"""The audit trail: written with the act or not at all, and never rewritten."""

import pytest
import structlog
from sqlalchemy import exc, select, text

from app.database import Database
from app.models import audit
from app.models.audit import AuditEntry


def note(database: Database, subject: str) -> None:
    """Write an act down."""
    with database.transaction() as session:
        audit.note(session, actor="cli", action="test.act", subject=subject, details={"answer": 42})


def entries(database: Database, subject: str) -> list[AuditEntry]:
    """Return what is written down of a subject."""
    with database.transaction() as session:
        return list(session.scalars(select(AuditEntry).where(AuditEntry.subject == subject)))


def test_an_act_is_written_down_with_who_what_and_when(database: Database) -> None:
    with structlog.contextvars.bound_contextvars(request_id="r-1"):
        note(database, "test:one")

    [entry] = entries(database, "test:one")
    assert (entry.actor, entry.action, entry.details) == ("cli", "test.act", {"answer": 42})
    assert entry.request_id == "r-1"
    assert entry.at.tzinfo is not None


def test_an_act_outside_of_a_request_has_none(database: Database) -> None:
    note(database, "test:two")

    [entry] = entries(database, "test:two")
    assert entry.request_id is None


def test_an_act_that_is_rolled_back_leaves_nothing(database: Database) -> None:
    with database.transaction() as session:
        audit.note(session, actor="cli", action="test.act", subject="test:three", details={})
        session.rollback()

    assert entries(database, "test:three") == []


@pytest.mark.parametrize("statement", ["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit", "TRUNCATE audit"])
def test_nobody_can_rewrite_it(database: Database, statement: str) -> None:
    note(database, "test:four")

    with pytest.raises(exc.DatabaseError, match="only ever added to"), database.transaction() as session:
        session.execute(text(statement))

    assert len(entries(database, "test:four")) == 1
