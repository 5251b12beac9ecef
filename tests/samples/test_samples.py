"""The samples: made again byte for byte, and the engine finds in every row what was put there, nothing else."""

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

from app.rules import Finding, builtin
from ops.samples import HERE, Sample, freight, fx, generate, load, prices, samples
from ops.samples.dice import Dice
from ops.samples.flaws import Flaw, expected
from ops.samples.sheets import SHEETS, Sheet, items
from tests.rules.makers import builtin_ruleset

FREIGHT, DRIFTED, FX, PRICES = SHEETS


def test_the_generator_makes_the_committed_files_again() -> None:
    made = generate.files()

    committed = {path.name: path.read_bytes() for path in HERE.iterdir() if path.suffix in (".csv", ".jsonl")}
    assert made == committed


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.name)
def test_the_engine_finds_what_was_put_there_and_nothing_else(sheet: Sheet) -> None:
    ruleset = builtin_ruleset(sheet.ruleset)

    wrong = [
        (row, sample.expected - found, found - sample.expected)
        for row, sample in enumerate(samples(sheet), 1)
        if (found := frozenset((each.pointer, each.code) for each in ruleset.check(sample.item))) != sample.expected
    ]

    assert wrong == []


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda sheet: sheet.name)
def test_the_engine_suggests_what_is_sure_to_be_meant(sheet: Sheet) -> None:
    ruleset = builtin_ruleset(sheet.ruleset)

    unsaid = [
        (row, missing)
        for row, sample in enumerate(samples(sheet), 1)
        if (missing := sample.suggested - suggested(ruleset.check(sample.item)))
    ]

    assert unsaid == []


def suggested(findings: Iterable[Finding]) -> set[tuple[str, Any]]:
    """Return what findings say to write instead, and where."""
    suggestions = [each.suggestion for each in findings if each.suggestion]
    return {(each.path, each.value) for each in suggestions if each.op == "replace"}


@pytest.mark.parametrize("seed", range(5))
def test_the_answers_hold_for_other_seeds_too(seed: int) -> None:
    dice = Dice(seed)
    sheets = [
        (FREIGHT, freight.HEADERS, generate.freight_rows(dice)),
        (DRIFTED, freight.DRIFTED_HEADERS, generate.drifted_rows(dice)),
        (FX, fx.HEADERS, generate.fx_rows(dice)),
        (PRICES, prices.HEADERS, generate.price_rows(dice)),
    ]

    for sheet, headers, made in sheets:
        text = io.StringIO(newline="")
        csv.DictWriter(text, headers).writerows(
            [dict(zip(headers, headers, strict=True)), *(each.row for each in made)]
        )
        ruleset = builtin_ruleset(sheet.ruleset)
        for item, each in zip(items(sheet, text.getvalue()), made, strict=True):
            findings = ruleset.check(item)
            assert {(found.pointer, found.code) for found in findings} == each.findings, each
            assert each.suggested <= suggested(findings), each


@pytest.mark.parametrize(
    ("rows", "flaws", "least"),
    [
        (generate.freight_rows, freight.FLAWS, 240),
        (generate.fx_rows, fx.FLAWS, 80),
        (generate.price_rows, prices.FLAWS, 120),
    ],
    ids=["freight", "fx", "prices"],
)
def test_there_are_enough_rows_and_every_kind_of_flaw_is_among_them(
    rows: Callable[[Dice], list[generate.Made]], flaws: Sequence[Flaw], least: int
) -> None:
    answers = rows(Dice(generate.SEED))

    kinds = Counter(name for each in answers for name in each.flaws)
    assert len(answers) >= least
    assert set(kinds) == {flaw.name for flaw in flaws}
    assert min(kinds.values()) >= generate.ALONE
    assert any(each.suggested for each in answers)


def test_every_rule_of_the_built_in_rule_sets_is_met_by_a_sample() -> None:
    met = {(sample.ruleset, code) for sample in load() for _, code in sample.expected}

    for definition in builtin.definitions():
        assert {(definition["name"], f"rule.{rule['id']}") for rule in definition["rules"]} <= met


def test_a_row_becomes_an_item_and_a_blank_cell_no_field() -> None:
    text = "Carrier,Rate,Transit (days),Free Days,S1 Code,S1 Amount,S1 Currency,S2 Code,S2 Amount,S2 Currency,Oddity\n"

    (item,) = items(FREIGHT, text + "MAEU,1250.00,14,ca. 5,,,,BAF,120,,?\n")

    assert item == {
        "carrier": "MAEU",
        "amount": "1250.00",
        "transit_days": 14,
        "free_days": "ca. 5",
        "surcharges": [{"code": "BAF", "amount": "120"}],
        "Oddity": "?",
    }


def test_the_columns_of_a_tier_become_an_element_of_a_list() -> None:
    text = "SKU,Per,T1 From,T1 Price,T2 From,T2 Price\n"

    (item,) = items(PRICES, text + "M6X20-A2,100,500,11.20,5000+,\n")

    assert item == {
        "sku": "M6X20-A2",
        "unit_quantity": 100,
        "tiers": [{"min_quantity": 500, "price": "11.20"}, {"min_quantity": "5000+"}],
    }


def test_flaws_of_the_form_hide_those_between_fields() -> None:
    kinds = {flaw.name: flaw for flaw in freight.FLAWS}

    both = expected([kinds["placeholder"], kinds["same_port"]])

    assert both == {("/amount", "schema.pattern")}


def test_samples_know_their_rule_set() -> None:
    assert {sample.ruleset for sample in load()} == {"freight_rate", "fx_rate", "price_list"}
    assert all(isinstance(sample, Sample) for sample in load())
