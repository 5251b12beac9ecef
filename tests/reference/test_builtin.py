"""The tables that come with the platform: they are whole, and read like any other."""

import pytest

from app import reference
from app.database import Database
from app.errors import BuiltInTable, UnknownTable
from app.reference import Rows


def test_every_country_of_iso_3166_is_there(database: Database) -> None:
    with database.autocommit() as session:
        codes = reference.codes(session, "iso3166", 1)

    assert len(codes) == 249
    assert all(len(code) == 2 and code.isascii() and code.isupper() for code in codes)
    assert {"VN", "DE", "AX", "SX", "SS", "CW", "BQ", "TL", "UM", "ZW"} <= codes
    # Dissolved, renamed, reserved or in use but of no standard.
    assert not codes & {"AN", "CS", "YU", "ZR", "BU", "TP", "UK", "EU", "XK", "EL"}


def test_every_currency_of_iso_4217_is_there_with_what_is_known_of_it(database: Database) -> None:
    with database.autocommit() as session:
        table = reference.find(session, "iso4217")
        rows = dict(reference.rows(session, table, start=0, limit=1_000))

    assert (table.ref, table.row_count, len(rows)) == ("iso4217@1", 307, 307)
    assert rows["KWD"] == {"minor_units": 3}
    assert rows["BGN"] == {"minor_units": None, "withdrawn": "2026-01", "until": "2025-12-31"}


def test_a_built_in_name_is_taken(database: Database) -> None:
    for name in ("iso3166", "iso4217"):
        with pytest.raises(BuiltInTable), database.transaction() as session:
            reference.load(session, name, Rows.of(["A"]), source="test", by="cli")


def test_another_version_of_a_built_in_table_is_unknown(database: Database) -> None:
    for version in (0, 2):
        with database.autocommit() as session, pytest.raises(UnknownTable):
            reference.find(session, "iso3166", version)


def test_a_built_in_table_has_one_version(database: Database) -> None:
    with database.autocommit() as session:
        assert reference.newest(session, "iso3166") == 1
        assert [table.version for table in reference.versions(session, "iso3166", before=None, limit=9)] == [1]
        assert reference.versions(session, "iso3166", before=1, limit=9) == []
