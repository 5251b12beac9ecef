"""Rules across the rows of one file."""

from pathlib import Path
from typing import Any
from unittest.mock import patch

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rules import Finding, amounts, builtin, catalogue
from app.rules.across import Across, conflict, lines, values
from tests.rules.test_any_value import VALUES

UNIQUE = {"id": "once", "kind": "unique", "key": ["/sku"], "message": "Twice: {rows}.", "severity": "error"}
PAIR = UNIQUE | {"id": "pair", "key": ["/base", "/quote"]}
OVERLAP = UNIQUE | {"id": "apart", "kind": "overlap", "from": "/from", "to": "/to"}
CONFLICT = UNIQUE | {"id": "agreed", "kind": "conflict", "value": "/price"}
CHANGE = UNIQUE | {"id": "steady", "kind": "change", "order": "/day", "value": "/price", "most": "0.2"}
EVERY = [UNIQUE, PAIR, OVERLAP, CONFLICT, CHANGE]


def test_every_row_with_the_same_key_is_reported_beside_the_first() -> None:
    items = [{"sku": "a"}, {"sku": "b"}, {"sku": "a"}, {"sku": "a"}]

    findings = found(UNIQUE, items)

    assert findings == [
        (0, Finding("/sku", "file.duplicate_key", "error", {"key": ["a"], "rows": [0, 2]}, "once")),
        (2, Finding("/sku", "file.duplicate_key", "error", {"key": ["a"], "rows": [0, 2]}, "once")),
        (3, Finding("/sku", "file.duplicate_key", "error", {"key": ["a"], "rows": [0, 3]}, "once")),
    ]


def test_a_key_of_several_fields_points_at_the_item() -> None:
    items = [{"base": "EUR", "quote": "USD"}, {"base": "USD", "quote": "EUR"}, {"quote": "USD", "base": "EUR"}]

    findings = found(PAIR, items)

    assert [(row, one.pointer, one.params) for row, one in findings] == [
        (0, "", {"key": ["EUR", "USD"], "rows": [0, 2]}),
        (2, "", {"key": ["EUR", "USD"], "rows": [0, 2]}),
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0),
        (0, -0.0),
        ([1], [1.0]),
        ({"a": 1, "b": [2]}, {"b": [2.0], "a": 1}),
        (2**63, float(2**63)),
        ("é", "\u00e9"),
        ("x" * 5_000, "x" * 5_000),
    ],
)
def test_values_that_are_equal_in_json_are_one_key(one: Any, other: Any) -> None:
    assert rows(UNIQUE, [{"sku": one}, {"sku": other}]) == [0, 1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, "1"),
        (1, True),
        (0, False),
        ("a", "A"),
        ("a", "a "),
        ("é", "e\u0301"),
        ("a", ["a"]),
        ([1, 2], [2, 1]),
        ("[1]", [1]),
        (2**53, float(2**53 + 2)),
        ("x" * 5_000, "x" * 4_999 + "y"),
        ("x" * 5_000, "x" * 199 + "…"),
    ],
)
def test_values_that_differ_in_json_are_two_keys(one: Any, other: Any) -> None:
    assert rows(UNIQUE, [{"sku": one}, {"sku": other}]) == []


def test_keys_do_not_run_into_each_other() -> None:
    items = [{"base": "a", "quote": "b,c"}, {"base": "a,b", "quote": "c"}, {"base": 'a","b', "quote": "c"}]

    assert rows(PAIR, items) == []


@pytest.mark.parametrize("item", [{}, {"sku": None}, {"sku": 2**64}, {"sku": "\ud800"}, None, 1, "sku", ["sku"]])
def test_rows_without_a_key_are_left_out(item: Any) -> None:
    assert rows(UNIQUE, [item, item]) == []


def test_a_long_key_is_cut_in_the_finding() -> None:
    _, (_, finding) = found(UNIQUE, [{"sku": "x" * 5_000}, {"sku": "x" * 5_000}])

    assert finding.params["key"] == ["x" * 199 + "…"]


@pytest.mark.parametrize(
    ("periods", "expected"),
    [
        ([("2025-01-01", "2025-01-31"), ("2025-02-01", "2025-02-28")], []),
        ([("2025-01-01", "2025-01-31"), ("2025-01-31", "2025-02-28")], [0, 1]),
        ([("2025-01-01", "2025-01-31"), ("2025-01-10", None)], [0, 1]),
        ([("2025-01-01", None), ("2030-01-01", "2030-01-01")], [0, 1]),
        ([("2025-01-01", None), ("2030-01-01", None)], [0, 1]),
        # Inside a longer one that was left behind by a shorter one in between.
        ([("2025-01-01", "2025-12-31"), ("2025-02-01", "2025-02-02"), ("2025-06-01", "2025-06-02")], [0, 1, 2]),
        # In any order of rows.
        ([("2025-06-01", "2025-06-02"), ("2025-02-01", "2025-02-02"), ("2025-01-01", "2025-12-31")], [0, 1, 2]),
        # What is no period has nothing in common with any other.
        ([("2025-01-31", "2025-01-01"), ("2025-01-01", "2025-01-31")], []),
        ([("2025-02-30", "2025-03-31"), ("2025-01-01", "2025-12-31")], []),
        ([("2025-01-01", "later"), ("2025-01-01", "2025-12-31")], []),
        ([(None, "2025-12-31"), ("2025-01-01", "2025-12-31")], []),
        ([("20250101", "20251231"), ("2025-01-01", "2025-12-31")], []),
        ([("2025-01-0\u0661", None), ("2025-01-01", "2025-12-31")], []),
        ([(20250101, 20251231), ("2025-01-01", "2025-12-31")], []),
    ],
)
def test_rows_of_one_key_that_are_valid_on_one_day_are_reported(periods: Any, expected: list[int]) -> None:
    items = [{"sku": "a", "from": first, "to": last} for first, last in periods]

    assert rows(OVERLAP, items) == expected


def test_an_overlap_says_which_days_are_shared() -> None:
    items = [{"sku": "a", "from": "2025-03-01"}, {"sku": "a", "from": "2025-01-01", "to": "2025-03-31"}]

    (_, finding), _ = found(OVERLAP, items)

    assert finding.params == {"key": ["a"], "rows": [0, 1], "from": "2025-03-01", "to": "2025-03-31"}
    assert finding.pointer == "/from"
    assert finding.code == "file.overlap"


def test_different_keys_may_be_valid_on_the_same_day() -> None:
    assert rows(OVERLAP, [{"sku": "a", "from": "2025-01-01"}, {"sku": "b", "from": "2025-01-01"}]) == []


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        (["1.0", "1.00", 1, 1.0, "01"], []),
        (["1.0", "1.01"], [0, 1]),
        (["1.0", "1.0", "2", "1.0", "3"], [0, 1, 2, 3, 4]),
        (["0", "-0", 0], []),
        ([0.1, "0.1"], []),
        (["123456789012345678901234567890.1", "123456789012345678901234567890.2"], [0, 1]),
        # What is no amount cannot differ.
        (["1.0", "1,1", "on req.", None, True, "1e1", [2], "9" * 65], []),
    ],
)
def test_rows_of_one_key_with_different_values_are_reported(prices: list[Any], expected: list[int]) -> None:
    assert rows(CONFLICT, [{"sku": "a", "price": price} for price in prices]) == expected


def test_a_conflict_names_both_rows_and_both_values() -> None:
    items = [{"sku": "a", "price": price} for price in ("1.50", "1.5", "2", "1.500", "3")]

    findings = found(CONFLICT, items)

    assert [(row, one.params["rows"], one.params["values"]) for row, one in findings] == [
        (0, [0, 2], ["1.50", "2"]),
        (1, [1, 2], ["1.5", "2"]),
        (2, [0, 2], ["1.50", "2"]),
        (3, [2, 3], ["2", "1.500"]),
        (4, [0, 4], ["1.50", "3"]),
    ]
    assert {(one.pointer, one.code) for _, one in findings} == {("/price", "file.conflict")}


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        (["1", "1.2", "0.96"], []),
        (["1", "1.2000001"], [1]),
        (["1", "0.79"], [1]),
        (["1", "9", "1"], [1, 2]),
        # A slow climb is no jump, however far it goes.
        (["1", "1.2", "1.4", "1.6", "1.9", "2.2"], []),
        (["0", "0"], []),
        (["0", "0.01"], [1]),
        (["-1", "-1.3"], [1]),
        (["1", "n/a", "1.1"], []),
        ([1, 1.5], [1]),
    ],
)
def test_a_row_that_differs_too_much_from_the_one_before_is_reported(prices: list[Any], expected: list[int]) -> None:
    items = [{"sku": "a", "price": price, "day": f"2025-01-0{day}"} for day, price in enumerate(prices, 1)]

    assert rows(CHANGE, items) == expected


def test_a_change_says_from_what_to_what() -> None:
    items = [{"sku": "a", "price": "2", "day": "2025-01-02"}, {"sku": "a", "price": "1.5", "day": "2025-01-01"}]

    ((row, finding),) = found(CHANGE, items)

    assert row == 0
    assert finding.params == {
        "key": ["a"],
        "rows": [1, 0],
        "previous": "1.5",
        "value": "2",
        "percent": "33.3",
        "most": "0.2",
    }


def test_an_order_may_be_whole_numbers() -> None:
    items = [
        {"sku": "a", "price": price, "day": day} for day, price in [(10, "1.2"), (9, "1"), (-1, "0.9"), (2.0, "1")]
    ]

    assert rows(CHANGE, items) == []


@pytest.mark.parametrize("day", [None, "soon", "2025-1-1", "2025-02-30", 1.5, True, 2**64, [1]])
def test_rows_without_a_place_in_the_order_are_left_out(day: Any) -> None:
    items = [{"sku": "a", "price": "1", "day": "2025-01-01"}, {"sku": "a", "price": "9", "day": day}]

    assert rows(CHANGE, items) == []


def test_findings_come_by_row_and_then_in_the_order_of_the_rules() -> None:
    items = [
        {"sku": sku, "price": price, "base": "EUR", "quote": "USD"} for sku, price in [("b", 1), ("a", 1), ("b", 2)]
    ]

    with across(CONFLICT, PAIR, UNIQUE) as rows_of_a_file:
        for number in (11, 9, 10):
            rows_of_a_file.add(number, items[number - 9])
        findings = [(row, finding.rule_id) for row, finding in rows_of_a_file.findings()]

    assert findings == [
        (9, "agreed"),
        (9, "pair"),
        (9, "once"),
        (10, "pair"),
        (11, "agreed"),
        (11, "pair"),
        (11, "once"),
    ]


@pytest.mark.parametrize("rule", [UNIQUE, OVERLAP, CONFLICT, CHANGE], ids=lambda rule: rule["kind"])
def test_rows_that_all_break_a_rule_with_each_other_are_reported_once_each(rule: dict[str, Any]) -> None:
    items = [{"sku": "a", "from": "2025-01-01", "price": "1", "day": "2025-01-01"} for _ in range(5_000)]
    items += [item | {"price": "2"} for item in items]
    items[0::2], items[1::2] = items[:5_000], items[5_000:]

    reported = rows(rule, items)

    assert reported == list(range(int(rule is CHANGE), 10_000))


def test_rows_may_be_added_after_findings_were_asked_for() -> None:
    with across(UNIQUE) as rows_of_a_file:
        rows_of_a_file.add(0, {"sku": "a"})
        before = list(rows_of_a_file.findings())
        rows_of_a_file.add(1, {"sku": "a"})
        after = list(rows_of_a_file.findings())

        assert before == []
        assert len(after) == 2
        assert list(rows_of_a_file.findings()) == after


@pytest.mark.parametrize("number", [-1, 10**12])
def test_a_number_that_does_not_sort_is_refused(number: int) -> None:
    with across(UNIQUE) as rows_of_a_file, pytest.raises(ValueError, match="is no number of a row"):
        rows_of_a_file.add(number, {"sku": "a"})


def test_a_rule_set_without_rules_across_rows_finds_nothing() -> None:
    with Across({"rules": []}) as rows_of_a_file:
        rows_of_a_file.add(0, {"sku": "a"})
        rows_of_a_file.add(1, {"sku": "a"})

        assert list(rows_of_a_file.findings()) == []


def test_no_file_has_a_name_and_none_is_left(tmp_path: Path) -> None:
    with (
        patch.object(lines, "RUN_BYTES", 10_000),
        patch.object(conflict, "HELD_BYTES", 1_000),
        Across({"across": [UNIQUE, CONFLICT]}, folder=tmp_path) as rows_of_a_file,
    ):
        for number in range(1_000):
            rows_of_a_file.add(number, {"sku": "a", "price": number // 900})

        for _ in rows_of_a_file.findings():
            assert list(tmp_path.iterdir()) == []

    assert list(tmp_path.iterdir()) == []


@given(VALUES, st.dictionaries(st.sampled_from(["sku", "from", "to", "price", "day"]), VALUES))
def test_any_value_is_answered(anything: Any, fields: Any) -> None:
    for _, finding in found_by(EVERY, [anything, fields, fields | {"price": 1}, fields | {"price": 2}]):
        assert orjson.loads(orjson.dumps(finding.params)) == finding.params
        assert finding.message({})


@given(st.text() | st.from_regex(r"-?[0-9]{0,4}\.?[0-9]{0,4}", fullmatch=True))
def test_an_amount_here_is_what_an_amount_is_to_conditions(text: str) -> None:
    assert (values.amount(text) is None) == (amounts.read(text) is None or len(text) > values.LONGEST_AMOUNT)


@pytest.mark.parametrize("language", catalogue.LANGUAGES)
@pytest.mark.parametrize("rule", [UNIQUE, OVERLAP, CONFLICT, CHANGE], ids=lambda rule: rule["kind"])
def test_every_kind_has_a_text_that_its_findings_fill(rule: dict[str, Any], language: str) -> None:
    items = [
        {"sku": "a", "price": "1", "day": "2025-01-01", "from": "2025-01-01"},
        {"sku": "a", "price": "2", "day": "2025-01-02", "from": "2025-01-02"},
    ]

    message = found(rule, items)[-1][1].message({}, language)

    assert "{" not in message
    assert "file." not in message


def test_a_rule_has_its_own_text() -> None:
    texts = {"across.once": {"en": "Twice: {rows}."}}

    _, (_, finding) = found(UNIQUE, [{"sku": "a"}, {"sku": "a"}])

    assert finding.message(texts) == "Twice: 0, 1."


@pytest.mark.parametrize("definition", builtin.definitions(), ids=lambda definition: definition["name"])
def test_the_built_in_rule_sets_can_be_asked(definition: dict[str, Any]) -> None:
    items = [example["item"] for example in definition.get("examples", ())]

    findings = found_by(definition.get("across", []), [*items, *items])

    for _, finding in findings:
        assert "{" not in finding.message(catalogue.texts(definition))


def across(*rules: dict[str, Any]) -> Across:
    """Return what is fed rows and judges them by `rules`."""
    return Across({"across": list(rules)})


def found(rule: dict[str, Any], items: list[Any]) -> list[tuple[int, Finding]]:
    """Return what `rule` finds among `items`, whose numbers are their places."""
    return found_by([rule], items)


def found_by(rules: list[dict[str, Any]], items: list[Any]) -> list[tuple[int, Finding]]:
    """Return what `rules` find among `items`."""
    with across(*rules) as rows_of_a_file:
        for number, item in enumerate(items):
            rows_of_a_file.add(number, item)
        return list(rows_of_a_file.findings())


def rows(rule: dict[str, Any], items: list[Any]) -> list[int]:
    """Return the rows that `rule` reports."""
    return [row for row, _ in found(rule, items)]
