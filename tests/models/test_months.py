"""Months: partitions by the time that is in a UUIDv7."""

from datetime import UTC, date, datetime
from uuid import UUID

import pytest
from sqlalchemy import exc, text

from app.database import Database
from app.models import months
from app.models.base import new_id
from app.models.requests import Request


def id_made_at(moment: datetime) -> UUID:
    """Return a UUIDv7 as it would have been made then."""
    milliseconds = int(moment.timestamp() * 1000)
    return UUID(int=(milliseconds << 80) | (new_id().int & ((1 << 80) - 1)))


def request_of(request_id: UUID) -> Request:
    """Return a request with this id."""
    return Request(id=request_id, client_id=new_id(), source="api", ruleset="fx_rate@1", items=[])


def test_a_month_begins_with_its_first_millisecond() -> None:
    first = months.first_id(date(2026, 11, 1))

    assert first < id_made_at(datetime(2026, 11, 1, tzinfo=UTC))
    assert id_made_at(datetime(2026, 10, 31, 23, 59, 59, 999000, tzinfo=UTC)) < first


def test_months_follow_over_the_end_of_a_year() -> None:
    assert list(months.following(date(2026, 11, 23), 3)) == [
        date(2026, 11, 1),
        date(2026, 12, 1),
        date(2027, 1, 1),
        date(2027, 2, 1),
    ]


def test_a_row_goes_to_the_month_of_its_id(database: Database) -> None:
    now = datetime.now(UTC)

    with database.transaction() as session:
        session.add(request_of(id_made_at(now)))
        session.flush()
        home = session.execute(text("SELECT tableoid::regclass::text FROM validation_requests")).scalar_one()

    assert home == months.partition("validation_requests", now.date())


def test_a_row_of_a_month_without_partition_is_refused(database: Database) -> None:
    with pytest.raises(exc.IntegrityError, match="no partition"), database.transaction() as session:
        session.add(request_of(id_made_at(datetime(2001, 1, 1, tzinfo=UTC))))


def test_making_months_ahead_only_makes_what_is_missing(database: Database) -> None:
    today = date(2031, 12, 5)

    with database.transaction() as session:
        made = months.make_ahead(session.connection(), today=today, months=1)
        again = months.make_ahead(session.connection(), today=today, months=1)

    assert made == [f"{table}_{month}" for table in months.GROWING for month in ("2031_12", "2032_01")]
    assert again == []


def test_months_are_made_without_waiting_for_a_transaction_that_reads(database: Database) -> None:
    with database.transaction() as reader:
        reader.execute(text("SELECT count(*) FROM validation_requests"))

        with database.transaction() as session:
            session.execute(text("SET LOCAL lock_timeout = '500ms'"))
            made = months.make_ahead(session.connection(), today=date(2031, 12, 5), months=0)

    assert len(made) == len(months.GROWING)


def test_the_horizon_is_the_last_month_made(database: Database) -> None:
    with database.transaction() as session:
        months.make_ahead(session.connection(), today=date(2031, 12, 5), months=2)

        assert months.horizon(session.connection(), "findings") == date(2032, 2, 1)
