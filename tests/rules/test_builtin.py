"""The built-in rule sets as definitions: complete, in both languages, and true to their own examples."""

import re
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

from app.rules import builtin
from app.rules.across import Across
from app.rules.kit import trial
from app.rules.normalisers import Normalisers
from tests.rules.makers import builtin_ruleset, freight_rate, fx_rate, price, surcharge, tier

DEFINITIONS = {definition["name"]: definition for definition in builtin.definitions()}

each_definition = pytest.mark.parametrize("definition", DEFINITIONS.values(), ids=DEFINITIONS)


def test_there_are_three() -> None:
    assert list(DEFINITIONS) == ["freight_rate", "fx_rate", "price_list"]


@each_definition
def test_every_example_brings_its_findings_and_every_rule_is_broken_by_one(definition: dict[str, Any]) -> None:
    outcome = trial(builtin_ruleset(definition["name"]), definition)

    assert outcome.failures == ()
    assert outcome.never_hit == ()


@each_definition
def test_the_first_example_is_good(definition: dict[str, Any]) -> None:
    assert definition["examples"][0]["findings"] == []


@each_definition
def test_every_message_is_there_in_both_languages_with_the_same_params(definition: dict[str, Any]) -> None:
    for rule in definition["rules"] + definition["across"]:
        english, vietnamese = rule["message"]["en"], rule["message"]["vi"]

        assert english != vietnamese
        assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", vietnamese)), rule["id"]


@each_definition
def test_every_param_of_a_message_is_given(definition: dict[str, Any]) -> None:
    for rule in definition["rules"]:
        assert set(re.findall(r"{(\w+)}", rule["message"]["en"])) <= rule.get("params", {}).keys(), rule["id"]


def test_no_two_rule_sets_give_one_id_two_texts() -> None:
    """A finding whose rule set is not at hand is told by its code alone."""
    texts: dict[str, Any] = {}

    for rule in (rule for definition in DEFINITIONS.values() for rule in definition["rules"]):
        assert texts.setdefault(rule["id"], rule["message"]) == rule["message"], rule["id"]


@each_definition
def test_an_example_for_every_way_in_which_a_field_is_most_often_wrong(definition: dict[str, Any]) -> None:
    found = {finding["code"] for example in definition["examples"] for finding in example["findings"]}

    assert {"schema.required", "schema.pattern", "schema.type", "schema.format"} <= found


@each_definition
def test_normalising_leaves_the_good_example_as_it_is(definition: dict[str, Any]) -> None:
    good = definition["examples"][0]["item"]

    item, fixes = Normalisers(definition["normalisers"]).applied(good)

    assert item == good
    assert fixes == ()


@pytest.mark.parametrize(
    ("name", "padded", "good"),
    [
        ("fx_rate", fx_rate(base=" eur", quote="usd\u00a0", rate=" 1.1346 "), fx_rate()),
        ("freight_rate", freight_rate(origin="macas", equipment="40hc ", unit="Per_Container"), freight_rate()),
        ("price_list", price(unit="Each", currency="eur", price="12.40 "), price()),
    ],
)
def test_normalising_mends_case_and_white_space(name: str, padded: dict[str, Any], good: dict[str, Any]) -> None:
    item, fixes = Normalisers(DEFINITIONS[name]["normalisers"]).applied(padded)

    assert item == good
    assert len({fix.pointer for fix in fixes}) == 3
    assert builtin_ruleset(name).check(item) == ()


@pytest.mark.parametrize(
    ("name", "rows", "expected"),
    [
        ("fx_rate", [fx_rate(), fx_rate(quote="JPY", rate="162.1")], set()),
        ("fx_rate", [fx_rate(), fx_rate(rate="1.13460")], {"pair_repeated"}),
        ("fx_rate", [fx_rate(), fx_rate(rate="1.1347")], {"pair_repeated", "pair_conflict"}),
        ("fx_rate", [fx_rate(rate="11.346", date="2025-04-14"), fx_rate()], {"pair_change"}),
        ("freight_rate", [freight_rate(), freight_rate(origin="VNSGN")], set()),
        ("freight_rate", [freight_rate(), freight_rate()], {"lane_repeated", "lane_overlap"}),
        (
            "freight_rate",
            [freight_rate(), freight_rate(amount="1300")],
            {"lane_repeated", "lane_conflict", "lane_overlap"},
        ),
        ("freight_rate", [freight_rate(), freight_rate(valid_from="2025-12-31")], {"lane_overlap"}),
        ("price_list", [price(), price(sku="M6X25-A2")], set()),
        ("price_list", [price(valid_to="2025-12-31"), price(valid_from="2026-01-01")], set()),
        ("price_list", [price(valid_to=...), price(valid_from="2026-01-01")], {"article_overlap"}),
        ("price_list", [price(), price()], {"article_repeated", "article_overlap"}),
        ("price_list", [price(), price(price="12.5")], {"article_repeated", "article_conflict", "article_overlap"}),
        ("price_list", [price(valid_to="2025-12-31"), price(valid_from="2026-01-01", price="20")], {"article_change"}),
        (
            "price_list",
            [price(valid_to="2025-12-31"), price(valid_from="2026-01-01", unit_quantity=1, price="0.13")],
            {"quantity_mixed"},
        ),
    ],
)
def test_rows_are_held_against_one_another(name: str, rows: list[dict[str, Any]], expected: set[str]) -> None:
    with Across(DEFINITIONS[name]) as across:
        for number, row in enumerate(rows):
            across.add(number, row)

        assert {finding.rule_id for _, finding in across.findings()} == expected


DAYS = ("0000-01-01", "1989-12-31", "1990-01-01", "9999-12-31")
AMOUNTS = ("-1", "0", "0.000001", "999999999999.999999")
RATES = ("-1", "0", "0.000000000001", "999999999999999.999999999999")
CURRENCIES = ("EUR", "BGN", "XAU", "XXX")


def extremes(name: str) -> Iterator[dict[str, Any]]:
    """Yield items that have the right form and are as far from all others as that allows."""
    if name == "fx_rate":
        for day, quote, rate, before, previous in product(DAYS, CURRENCIES, RATES, (..., *DAYS), (..., *RATES)):
            yield fx_rate(date=day, quote=quote, rate=rate, previous_date=before, previous_rate=previous)
    if name == "freight_rate":
        for first, last, currency, amount, least in product(DAYS, DAYS, CURRENCIES, AMOUNTS, (..., *AMOUNTS)):
            surcharges = [surcharge(amount=amount, currency=currency)]
            dates = {"valid_from": first, "valid_to": last}
            yield freight_rate(**dates, currency=currency, amount=amount, min_amount=least, surcharges=surcharges)
    if name == "price_list":
        tiers = [tier(min_quantity=2, price=RATES[2]), tier(min_quantity=10**12, price=AMOUNTS[-1])]
        for begin, end, cost, unit, per in product(DAYS, (..., *DAYS), ("-", *AMOUNTS), ("token", "each"), (1, 10**6)):
            yield price(valid_from=begin, valid_to=end, price=cost, unit=unit, unit_quantity=per, tiers=tiers)


@each_definition
def test_whatever_has_the_right_form_can_be_judged_and_told(definition: dict[str, Any]) -> None:
    ruleset = builtin_ruleset(definition["name"])
    findings = [finding for item in extremes(definition["name"]) for finding in ruleset.check(item)]

    assert {finding.code.split(".")[0] for finding in findings} == {"rule"}
    assert "rule.eval_error" not in {finding.code for finding in findings}
    assert not [each for each in findings if "{" in each.message(ruleset.messages, "vi")]
