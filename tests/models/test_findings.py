"""Findings and verdicts: what is read is what was written, and the database refuses what cannot be."""

import pytest
from sqlalchemy import exc, text

from app import bare
from app.database import Database
from app.models import findings, responses, standings
from app.models.standings import Outcome
from app.rules import Finding, Suggestion
from tests.models.test_requests import add_request

FOUND = (
    (0, Finding("/a", "schema.enum", "error", {"options": ["x"]}, "#/properties/a/enum")),
    (0, Finding("/b", "rule.b", "warning", {}, "b", Suggestion("replace", "/b", "x", 0.9, "near_miss"))),
    (2, Finding("/A", "item.text_not_unicode", "error", {}, "", Suggestion("move", "/a", None, 0.95, "case", "/A"))),
)


def recorded(database: Database, *found: tuple[int, Finding], fixed: dict[str, object] | None = None) -> Outcome:
    """Return the verdict of a request that ends with these findings, as it is read."""
    request_id = add_request(database)
    verdict = responses.New(request_id, responses.Verdict.INVALID, 4, [0, 2], len(found), 1.5, {"ports": 3}, fixed)
    with database.transaction() as session:
        responses.record(bare.of(session), [verdict], findings.rows(request_id, found))
    with database.connection() as connection:
        outcome = standings.read(connection, [request_id])[request_id].outcome
    assert outcome is not None
    return outcome


def test_findings_are_read_as_they_were_written(database: Database) -> None:
    assert list(recorded(database, *FOUND).found) == list(FOUND)


def test_a_finding_without_a_suggestion_stores_none(database: Database) -> None:
    recorded(database, *FOUND)

    with database.transaction() as session:
        without = session.execute(text("SELECT count(*) FROM findings WHERE suggestion IS NULL"))
        assert without.scalar_one() == 1


@pytest.mark.parametrize("fixed", [None, {"1": {"a": "b"}, "3": None}])
def test_a_verdict_is_read_as_it_was_written(database: Database, fixed: dict[str, object] | None) -> None:
    outcome = recorded(database, fixed=fixed)

    assert outcome == Outcome("invalid", 4, [0, 2], 1.5, {"ports": 3}, fixed)


def test_without_a_fix_the_column_is_empty(database: Database) -> None:
    recorded(database)

    with database.transaction() as session:
        assert session.execute(text("SELECT count(*) FROM validation_responses WHERE fixed IS NULL")).scalar_one() == 1


def test_the_database_knows_one_way_to_fix(database: Database) -> None:
    request_id = add_request(database)
    change = text("UPDATE validation_requests SET autofix = :autofix WHERE id = :id")

    with database.transaction() as session:
        session.execute(change, {"autofix": "safe", "id": request_id})
    with pytest.raises(exc.IntegrityError), database.transaction() as session:
        session.execute(change, {"autofix": "all", "id": request_id})


def test_code_of_the_release_before_can_go_on_writing_verdicts(database: Database) -> None:
    request_id = add_request(database)

    with database.transaction() as session:
        session.execute(
            text(
                "INSERT INTO validation_responses"
                " (request_id, verdict, item_count, invalid_items, finding_count, duration_ms)"
                " VALUES (:id, 'valid', 1, '{}', 0, 1)"
            ),
            {"id": request_id},
        )

        outcome = standings.read(session.connection(), [request_id])[request_id].outcome

    assert outcome is not None
    assert (outcome.tables, outcome.fixed) == ({}, None)
