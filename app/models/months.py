"""Months of the tables that grow: one partition each, made ahead of time, found by the UUIDv7 key itself.

A UUIDv7 begins with 48 bits of Unix milliseconds (RFC 9562 §5.7), so a month is a range of keys: the primary key stays
unique over all partitions and a look-up by id reads only one.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from uuid import UUID

from sqlalchemy import Connection, text

#: The tables that are partitioned, and what their partition key is called.
GROWING = ("validation_requests", "validation_responses", "findings")

#: Taken while partitions are made, so that two releases do not make the same one. Any constant will do.
LOCK = 0x7261_7465_6D6F


def first_id(month: date) -> UUID:
    """Return the smallest UUID that a row made in `month` (UTC) can have."""
    start = datetime(month.year, month.month, 1, tzinfo=UTC)
    return UUID(int=int(start.timestamp() * 1000) << 80)


def following(month: date, count: int) -> Iterator[date]:
    """Yield `month` and the `count` months after it, each as its first day."""
    for index in range(month.month - 1, month.month + count):
        yield date(month.year + index // 12, index % 12 + 1, 1)


def partition(table: str, month: date) -> str:
    """Return the name of the partition of `table` for `month`, such as `findings_2026_11`."""
    return f"{table}_{month:%Y_%m}"


def make_ahead(connection: Connection, *, today: date, months: int) -> list[str]:
    """Make every partition from `today`'s month to `months` later that is missing; return the names made.

    CREATE TABLE LIKE, then ATTACH: unlike CREATE TABLE … PARTITION OF, which stops all reads of the parent, this takes
    no lock that a running request would wait for (PostgreSQL, ALTER TABLE).
    """
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
    made = []
    for table in GROWING:
        there = attached(connection, table)
        for month in following(today, months):
            name = partition(table, month)
            if name in there:
                continue
            after = next(reversed(list(following(month, 1))))
            # A table of this name that is not attached is what an interrupted run or a detached month left behind.
            connection.execute(text(f"CREATE TABLE IF NOT EXISTS {name} (LIKE {table} INCLUDING ALL)"))
            connection.execute(
                text(
                    f"ALTER TABLE {table} ATTACH PARTITION {name} "
                    f"FOR VALUES FROM ('{first_id(month)}') TO ('{first_id(after)}')"
                )
            )
            made.append(name)
    return made


def attached(connection: Connection, table: str) -> set[str]:
    """Return the names of the partitions that `table` has."""
    rows = connection.execute(
        text("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = CAST(:table AS regclass)"),
        {"table": table},
    )
    return set(rows.scalars())


def horizon(connection: Connection, table: str) -> date | None:
    """Return the last month that `table` has a partition for, or None when it has none."""
    months = [
        date(int(name[-7:-3]), int(name[-2:]), 1)
        for name in attached(connection, table)
        if name.startswith(table + "_")
    ]
    return max(months, default=None)
