"""Findings and verdicts: what is read is what was written, and the database refuses what cannot be."""

import pytest
from sqlalchemy import exc, text

from app.database import Database
from app.models import findings, responses
from app.models.base import new_id
from app.rules import Finding, Suggestion
from tests.models.test_requests import add_request

FOUND = (
    (0, Finding("/a", "schema.enum", "error", {"options": ["x"]}, "#/properties/a/enum")),
    (0, Finding("/b", "rule.b", "warning", {}, "b", Suggestion("replace", "/b", "x", 0.9, "near_miss"))),
    (2, Finding("/A", "item.text_not_unicode", "error", {}, "", Suggestion("move", "/a", None, 0.95, "case", "/A"))),
)


def test_findings_are_read_as_they_were_written(database: Database) -> None:
    request_id = new_id()

    with database.transaction() as session:
        findings.add(session, request_id, FOUND)

    with database.transaction() as session:
        assert findings.of(session, request_id) == list(FOUND)


def test_a_finding_without_a_suggestion_stores_none(database: Database) -> None:
    with database.transaction() as session:
        findings.add(session, new_id(), FOUND)

        without = session.execute(text("SELECT count(*) FROM findings WHERE suggestion IS NULL"))
        assert without.scalar_one() == 1


@pytest.mark.parametrize(("fixed", "stored"), [({}, None), ({1: {"a": "b"}, 3: None}, {"1": {"a": "b"}, "3": None})])
def test_a_verdict_keeps_the_tables_and_what_was_fixed(
    database: Database, fixed: dict[int, object], stored: dict[str, object] | None
) -> None:
    request_id = new_id()

    with database.transaction() as session:
        responses.add(
            session,
            request_id=request_id,
            item_count=4,
            invalid_items=[2],
            finding_count=0,
            duration_ms=1.5,
            tables={"ports": 3},
            fixed=fixed,
        )

    with database.transaction() as session:
        response = responses.find(session, request_id)
        assert response is not None
        assert response.tables == {"ports": 3}
        assert response.fixed == stored


def test_the_database_knows_one_way_to_fix(database: Database) -> None:
    request_id = add_request(database)
    change = text("UPDATE validation_requests SET autofix = :autofix WHERE id = :id")

    with database.transaction() as session:
        session.execute(change, {"autofix": "safe", "id": request_id})
    with pytest.raises(exc.IntegrityError), database.transaction() as session:
        session.execute(change, {"autofix": "all", "id": request_id})


def test_code_of_the_release_before_can_go_on_writing_verdicts(database: Database) -> None:
    request_id = new_id()

    with database.transaction() as session:
        session.execute(
            text(
                "INSERT INTO validation_responses"
                " (request_id, verdict, item_count, invalid_items, finding_count, duration_ms)"
                " VALUES (:id, 'valid', 1, '{}', 0, 1)"
            ),
            {"id": request_id},
        )

        response = responses.find(session, request_id)
        assert response is not None
        assert (response.tables, response.fixed) == ({}, None)
