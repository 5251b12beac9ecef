"""The rules across rows, beside a look at every pair: slow, plain, and written down another way."""

from collections.abc import Callable
from datetime import date, timedelta
from fractions import Fraction
from itertools import combinations
from typing import Any, cast
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from app.rules import Finding
from app.rules.across import lines
from tests.rules.test_across import CHANGE, CONFLICT, OVERLAP, PAIR, across

#: What JSON has equal stands in one row of this table.
EQUAL: list[list[Any]] = [
    ["a"],
    ["A"],
    ["a "],
    [""],
    ["1"],
    ["[1]"],
    [1, 1.0],
    [0, 0.0, -0.0],
    [1.5],
    [True],
    [False],
    [[1], [1.0]],
    [[True]],
    [["1"]],
    [{}],
    [{"x": [1], "y": 0}, {"y": 0.0, "x": [1.0]}],
    ["x" * 300],
    ["x" * 299 + "y"],
]
KEYS = st.sampled_from([value for values in EQUAL for value in values]) | st.none()
DAYS = st.dates(date(2024, 12, 25), date(2025, 1, 10)).map(date.isoformat)
NO_DAYS = st.sampled_from(["", "soon", "2025-02-29", "2025-1-1", 20250101, None])
#: Later than every one of DAYS.
HORIZON = date(2025, 2, 1)
AMOUNTS = st.sampled_from(["1", "1.0", "1.00", 1, 1.0, "1.2", "1.25", 1.25, "-1", "-1.2", "0", "0.00", 1e300, -5e-324])
NO_AMOUNTS = st.sampled_from(["n/a", "1e3", "1,0", "", None, True, [1]])

Item = dict[str, Any]
Rows = list[tuple[int, Item]]


def rows_of(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Rows]:
    """Numbered items, each with some of `fields`, in any order."""
    items = st.lists(st.fixed_dictionaries({}, optional=fields), max_size=14)
    return items.flatmap(lambda chosen: st.permutations(list(enumerate(chosen))))


@given(rows_of(base=KEYS, quote=KEYS))
def test_unique_finds_what_pairs_find(rows: Rows) -> None:
    agree(PAIR, rows, lambda one, other: True)


@given(rows_of(sku=KEYS, **{"from": DAYS | NO_DAYS, "to": DAYS | NO_DAYS}))
def test_overlap_finds_what_pairs_find(rows: Rows) -> None:
    agree(OVERLAP, rows, lambda one, other: bool(days(one) & days(other)))


@given(rows_of(sku=st.just("a"), **{"from": DAYS, "to": DAYS}))
def test_overlap_of_one_key_finds_what_pairs_find(rows: Rows) -> None:
    agree(OVERLAP, rows, lambda one, other: bool(days(one) & days(other)))


@given(rows_of(sku=KEYS, price=AMOUNTS | NO_AMOUNTS))
def test_conflict_finds_what_pairs_find(rows: Rows) -> None:
    agree(CONFLICT, rows, differ)


@given(rows_of(sku=st.just("a"), price=AMOUNTS))
def test_conflict_of_one_key_finds_what_pairs_find(rows: Rows) -> None:
    agree(CONFLICT, rows, differ)


@given(
    rows_of(sku=st.sampled_from(["a", "b"]), price=AMOUNTS | NO_AMOUNTS, day=DAYS | st.sampled_from(["", "soon", None]))
)
def test_change_by_days_finds_what_a_look_back_finds(rows: Rows) -> None:
    assert jumps(rows) == {(row, *pair(finding)) for row, finding in found(CHANGE, rows)}


@given(rows_of(sku=st.sampled_from(["a", "b"]), price=AMOUNTS, day=st.integers(-(2**63), 2**63 - 1) | st.just(2.0)))
def test_change_by_numbers_finds_what_a_look_back_finds(rows: Rows) -> None:
    assert jumps(rows) == {(row, *pair(finding)) for row, finding in found(CHANGE, rows)}


def agree(rule: Item, rows: Rows, breaks: Callable[[Item, Item], bool]) -> None:
    """Return only if `rule` reports the rows that break it in any pair, once each, with a partner of such a pair."""
    fields = [place[1:] for place in rule["key"]]
    pairs = {
        (one, other)
        for (one, item), (other, beside) in combinations(sorted(rows, key=lambda row: row[0]), 2)
        if same(fields, item, beside) and breaks(item, beside)
    }

    findings = found(rule, rows)

    assert [row for row, _ in findings] == sorted({row for pair in pairs for row in pair})
    for row, finding in findings:
        assert pair(finding) in pairs
        assert row in pair(finding)


def found(rule: Item, rows: Rows) -> list[tuple[int, Finding]]:
    """Return what `rule` finds, with runs so short that there are many."""
    with patch.multiple(lines, RUN_BYTES=400, MOST_RUNS=2, BLOCK_BYTES=50), across(rule) as rows_of_a_file:
        for number, item in rows:
            rows_of_a_file.add(number, item)
        return list(rows_of_a_file.findings())


def pair(finding: Finding) -> tuple[int, int]:
    """Return the rows that a finding names."""
    first, second = cast("list[int]", finding.params["rows"])
    return first, second


def same(fields: list[str], one: Item, other: Item) -> bool:
    """Whether both have one key."""
    return all(identity(one.get(field)) == identity(other.get(field)) is not None for field in fields)


def identity(value: Any) -> int | None:
    """Return the row of EQUAL that `value` is in, None for null."""
    written = repr(value)
    return next((row for row, values in enumerate(EQUAL) if written in map(repr, values)), None)


def days(item: Item) -> set[date]:
    """Return the days on which `item` is valid, as far as the horizon."""
    first, last = read_day(item.get("from")), read_day(item.get("to"))
    if first is None or (last is None and item.get("to") is not None):
        return set()
    return {first + timedelta(days) for days in range(((last or HORIZON) - first).days + 1)}


def read_day(value: Any) -> date | None:
    """Return the day, None when it is none."""
    try:
        day = date.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return day if day.isoformat() == value else None


def price(item: Item) -> Fraction | None:
    """Return the price, exactly, None when it is none."""
    value = item.get("price")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if isinstance(value, str) and not value.replace(".", "", 1).removeprefix("-").isdecimal():
        return None
    return Fraction(str(value))


def differ(one: Item, other: Item) -> bool:
    """Whether both have a price, and not the same."""
    return price(one) is not None is not price(other) and price(one) != price(other)


def jumps(rows: Rows) -> set[tuple[int, int, int]]:
    """Return each row that jumps, with the rows it jumps from and to."""
    jumping = set()
    for sku in ("a", "b"):
        series = [
            ((read_day(item["day"]) if isinstance(item["day"], str) else item["day"]), number, price(item))
            for number, item in rows
            if item.get("sku") == sku and price(item) is not None and item.get("day") is not None
        ]
        known = sorted((at, number, value) for at, number, value in series if at is not None)
        for position in range(1, len(known)):
            _, before, previous = known[position - 1]
            _, number, value = known[position]
            assert value is not None
            assert previous is not None
            if abs(value - previous) > Fraction("0.2") * abs(previous):
                jumping.add((number, before, number))
    return jumping
