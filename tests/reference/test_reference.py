"""Reference tables in the database: versions, what is the newest, and what can never change."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import exc, select, text

from app import reference
from app.database import Database
from app.errors import InvalidTable, UnknownTable
from app.models.audit import AuditEntry
from app.reference import Loaded, Rows


def load(database: Database, codes: list[Any], name: str = "ports", **more: str) -> Loaded:
    """Return what loading the codes has come to."""
    with database.transaction() as session:
        return reference.load(session, name, Rows.of(codes), **{"source": "test", "by": "cli", **more})


def codes(database: Database, version: int, name: str = "ports") -> frozenset[str]:
    with database.autocommit() as session:
        return reference.codes(session, name, version)


def newest(database: Database, name: str = "ports") -> int | None:
    with database.autocommit() as session:
        return reference.newest(session, name)


def test_the_first_load_is_version_one(database: Database) -> None:
    assert newest(database) is None

    loaded = load(database, ["DEHAM", {"code": "VNSGN", "name": "Ho Chi Minh City"}], source="a list", by="cli")

    assert (loaded.new, loaded.table.ref, newest(database)) == (True, "ports@1", 1)
    assert (loaded.table.row_count, loaded.table.source, loaded.table.created_by) == (2, "a list", "cli")
    assert loaded.table.bytes == len('[["DEHAM",{}],["VNSGN",{"name":"Ho Chi Minh City"}]]')
    assert codes(database, 1) == {"DEHAM", "VNSGN"}


def test_another_content_is_another_version_and_the_first_stays(database: Database) -> None:
    load(database, ["DEHAM"])

    assert load(database, ["DEHAM", "VNSGN"]).table.version == 2

    assert newest(database) == 2
    assert codes(database, 1) == {"DEHAM"}
    assert codes(database, 2) == {"DEHAM", "VNSGN"}


def test_the_same_content_again_changes_nothing(database: Database) -> None:
    first = load(database, ["DEHAM", "VNSGN"])

    again = load(database, ["VNSGN", "DEHAM"], source="elsewhere", by="client:somebody")

    assert (again.table, again.new) == (first.table, False)
    assert newest(database) == 1


def test_an_old_content_that_is_loaded_again_is_the_newest(database: Database) -> None:
    load(database, ["DEHAM"])
    load(database, ["VNSGN"])

    assert load(database, ["DEHAM"]).table.version == 3
    assert codes(database, 3) == {"DEHAM"}


def test_names_do_not_share_versions(database: Database) -> None:
    load(database, ["DEHAM"])

    assert load(database, ["MAEU"], name="carriers").table.version == 1
    assert codes(database, 1, "carriers") == {"MAEU"}


def test_loads_at_once_make_one_version_each(database: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        loaded = list(pool.map(lambda number: load(database, [f"P{number}"]), range(8)))

    assert sorted(each.table.version for each in loaded) == list(range(1, 9))
    for number, each in enumerate(loaded):
        assert codes(database, each.table.version) == {f"P{number}"}


def test_loads_of_the_same_content_at_once_make_one_version(database: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        loaded = list(pool.map(lambda _: load(database, ["DEHAM"]), range(8)))

    assert [each.table.version for each in loaded] == [1] * 8
    assert sum(each.new for each in loaded) == 1


def test_a_load_that_is_rolled_back_leaves_nothing(database: Database) -> None:
    with database.transaction() as session:
        reference.load(session, "ports", Rows.of(["DEHAM"]), source="test", by="cli")
        session.rollback()

    assert newest(database) is None
    with database.autocommit() as session:
        assert session.scalars(select(AuditEntry).where(AuditEntry.action == "reference.load")).all() == []


def test_a_new_version_is_noted_and_one_that_is_not_new_is_not(database: Database) -> None:
    loaded = load(database, ["DEHAM"], by="client:somebody")
    load(database, ["DEHAM"], by="client:another")

    with database.autocommit() as session:
        [entry] = session.scalars(select(AuditEntry).where(AuditEntry.action == "reference.load"))
    assert (entry.actor, entry.subject) == ("client:somebody", "reference:ports")
    assert entry.details == {"version": 1, "rows": 1, "sha256": loaded.table.content_hash.hex(), "source": "test"}


def test_a_version_cannot_be_changed_by_anybody(database: Database) -> None:
    load(database, ["DEHAM"])

    for table in ("reference_tables", "reference_pages"):
        with pytest.raises(exc.DatabaseError, match="cannot be changed"), database.transaction() as session:
            session.execute(text(f"UPDATE {table} SET version = version + 1"))


@pytest.mark.parametrize("name", ["", "Ports", "1ports", "ports-eu", "ports@1", "po rts", "häfen", "p" * 64, "p\x00"])
def test_a_name_that_no_rule_set_could_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidTable):
        reference.check_name(name)


@pytest.mark.parametrize("source", ["", "x" * 501, "two\nlines", "nul\x00"])
def test_a_source_that_cannot_be_kept_is_refused(source: str) -> None:
    with pytest.raises(InvalidTable):
        reference.check_source(source)


def test_the_longest_name_and_source_can_be_loaded_and_what_is_longer_cannot(database: Database) -> None:
    assert load(database, ["DEHAM"], name="p" * 63, source="x" * 500).new

    for wrong in ({"name": "p" * 64}, {"source": "x" * 501}):
        with pytest.raises(InvalidTable):
            load(database, ["DEHAM"], **wrong)


def test_what_was_never_loaded_is_unknown(database: Database) -> None:
    load(database, ["DEHAM"])

    for name, version in [("ports", 2), ("ports", 0), ("ports", 2**40), ("port", 1), ("port", None), ("\x00", None)]:
        with database.autocommit() as session, pytest.raises(UnknownTable):
            reference.find(session, name, version)


def test_no_codes_are_never_an_answer(database: Database) -> None:
    with pytest.raises(UnknownTable):
        codes(database, 1)


def test_rows_are_read_from_any_place(database: Database) -> None:
    rows = [(f"C{number:05}", {"at": number}) for number in range(2_500)]
    loaded = load(database, [{"code": code, **attributes} for code, attributes in reversed(rows)])

    for start, limit in [(0, 10), (995, 10), (999, 1), (1_000, 1_000), (2_499, 5), (2_500, 5), (0, 3_000)]:
        with database.autocommit() as session:
            read = reference.rows(session, loaded.table, start=start, limit=limit)
        assert list(read) == rows[start : start + limit]


def test_tables_are_listed_by_name_in_their_newest_version_the_built_in_ones_among_them(database: Database) -> None:
    for name in ("ports", "a_b", "ab", "zones", "iso9"):
        load(database, ["A"], name=name)
    load(database, ["B"], name="ports")

    with database.autocommit() as session:
        every = [table.ref for table in reference.tables(session, after="", limit=100)]
        some = [table.ref for table in reference.tables(session, after="iso3166", limit=3)]

    # By bytes: the underscore comes before the letters.
    assert every == ["a_b@1", "ab@1", "iso3166@1", "iso4217@1", "iso9@1", "ports@2", "zones@1"]
    assert some == ["iso4217@1", "iso9@1", "ports@2"]


def test_versions_are_listed_newest_first(database: Database) -> None:
    for code in "ABCD":
        load(database, [code])

    with database.autocommit() as session:
        found = reference.versions(session, "ports", before=4, limit=2)

    assert [table.version for table in found] == [3, 2]


def test_a_large_table_is_loaded_and_read_whole(database: Database) -> None:
    many = [{"code": f"C{number:06}", "name": f"Place number {number}"} for number in range(100_000)]

    loaded = load(database, many)

    assert loaded.table.row_count == 100_000
    assert codes(database, 1) == {row["code"] for row in many}
