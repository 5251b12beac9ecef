"""Compiling: what a definition means by the names of its tables."""

from typing import Any

import pytest

from app import reference
from app.compiling import compiled, pinned
from app.database import Database
from app.rules import RuleSetError
from tests.authoring.makers import definition


def listed(source: str) -> dict[str, Any]:
    """Return a definition that names the table."""
    return definition(tables={"known": source}, facts={"/port": {"listed": "known", "severity": "error"}}, rules=[])


def load(database: Database, *codes: str) -> None:
    """Load a version of the ports."""
    with database.transaction() as session:
        reference.load(session, "ports", reference.Rows.of(list(codes)), source="test", by="cli")


def test_a_table_is_pinned_to_its_newest_version_unless_the_name_says_one(database: Database) -> None:
    load(database, "DEHAM")
    load(database, "DEHAM", "VNSGN")

    with database.autocommit() as session:
        pins = [pinned(session, listed(source)) for source in ("ports", "ports@1", "ports@9", "berths", "iso3166@1")]
        rulesets = [compiled(session, listed("ports"), {"ports": version}) for version in (1, 2)]

    assert pins == [{"ports": 2}, {"ports": 1}, {}, {}, {}]
    found = [[each.code for each in ruleset.check({"amount": 1, "port": "VNSGN"})] for ruleset in rulesets]
    assert found == [["ref.unknown"], []]
    assert [ruleset.tables for ruleset in rulesets] == [{"ports": 1}, {"ports": 2}]


@pytest.mark.parametrize("source", ["ports@0", "ports@", "Ports", "ports@01", "ports@9999999999", "", "a@b@c"])
def test_what_is_no_name_of_a_table_does_not_compile(database: Database, source: str) -> None:
    load(database, "DEHAM")

    with database.autocommit() as session:
        assert pinned(session, listed(source)) == {}
        with pytest.raises(RuleSetError, match="tables"):
            compiled(session, listed(source), {})


@pytest.mark.parametrize("wrong", [None, [], {"a": 1}, {"a": ["b"]}, {"a": None}])
def test_a_definition_that_is_wrong_in_any_way_names_no_tables(database: Database, wrong: Any) -> None:
    with database.autocommit() as session:
        assert pinned(session, {"tables": wrong}) == {}
