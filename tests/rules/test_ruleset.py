"""Rule sets: how a definition becomes one, what is refused, and what a check returns."""

import gc
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pytest

from app.rules import Finding, RuleSet, RuleSetError, builtin, compile_rules
from app.rules.findings import LONGEST_POINTER
from tests.rules.makers import builtin_ruleset, definition, found, freight_rate, rule, surcharge


def test_a_rule_set_is_known_by_name_and_version() -> None:
    ruleset = compile_rules(definition(name="spot", version=3))

    assert (ruleset.name, ruleset.version, ruleset.ref, ruleset.title) == ("spot", 3, "spot@3", "Plain")


def test_the_same_item_gets_the_same_findings_again() -> None:
    ruleset = compile_rules(definition())

    assert ruleset.check({"a": 10}) == ruleset.check({"a": 10}) != ()


def test_threads_can_share_a_rule_set() -> None:
    ruleset = builtin_ruleset("freight_rate")
    items = [freight_rate(amount=f"{n}.00", min_amount="50") for n in range(100)]
    alone = [ruleset.check(item) for item in items]

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(ruleset.check, items * 10))

    assert together == alone * 10
    assert alone[0] != alone[99] == ()


def test_checking_keeps_no_memory() -> None:
    ruleset = builtin_ruleset("freight_rate")
    items = [freight_rate(), freight_rate(currency="HRK"), freight_rate(amount="on req."), freight_rate(min_amount=...)]
    repeat(ruleset, items, 100)

    before = blocks()
    repeat(ruleset, items, 1000)

    assert blocks() - before < 500


def test_a_check_leaves_the_item_as_it_was() -> None:
    item = freight_rate(surcharges=[surcharge(currency="HRK")])

    assert builtin_ruleset("freight_rate").check(item)
    assert item == freight_rate(surcharges=[surcharge(currency="HRK")])


def test_a_finding_carries_code_and_params_and_its_rule() -> None:
    ruleset = compile_rules(definition(rules=[rule(severity="warning", params={"a": "item.a", "half": "item.a / 2"})]))

    assert ruleset.check({"a": 12}) == (Finding("/a", "rule.small", "warning", {"a": 12, "half": 6}, "small"),)


def test_a_schema_finding_names_its_keyword_in_the_schema() -> None:
    ruleset = compile_rules(definition(schema={"properties": {"a": {"enum": ["x", 1, None]}}}, rules=[]))

    assert ruleset.check({"a": 2}) == (
        Finding("/a", "schema.enum", "error", {"options": ["x", 1, None]}, "#/properties/a/enum"),
    )


def test_findings_about_a_property_point_at_it() -> None:
    schema = {
        "required": ["a"],
        "additionalProperties": False,
        "properties": {"a": {}},
        "propertyNames": {"maxLength": 3},
    }

    ruleset = compile_rules(definition(schema=schema, rules=[]))

    assert found(ruleset, {"b/c~": 1}) == {
        ("/a", "schema.required"),
        ("/b~1c~0", "schema.additionalProperties"),
        ("/b~1c~0", "schema.propertyNames"),
    }


def test_params_are_cut_to_a_bounded_size() -> None:
    schema = {"properties": {"a": {"enum": [f"code {n}" for n in range(500)]}}}
    ruleset = compile_rules(definition(schema=schema, rules=[rule(expr="false", params={"all": "item.b"})]))

    (unlisted,) = ruleset.check({"a": "z"})
    (long,) = ruleset.check({"b": "z" * 5000})

    assert unlisted.params["options"] == [f"code {n}" for n in range(20)]
    assert long.params["all"] == "z" * 199 + "…"


def test_a_param_that_holds_more_is_told_as_json() -> None:
    params = {"whole": "item", "keys": "{1: [true, null]}"}
    ruleset = compile_rules(definition(rules=[rule(expr="false", params=params)]))

    (finding,) = ruleset.check({"a": {"b": [None, True, "ü"]}})

    assert finding.params == {"whole": '{"a":{"b":[null,true,"ü"]}}', "keys": '{"1":[true,null]}'}


def test_a_pointer_that_would_be_too_long_is_that_of_what_holds_the_value() -> None:
    inner = {"additionalProperties": {"type": "integer"}, "propertyNames": {"maxLength": 2_000}}
    ruleset = compile_rules(definition(schema={"properties": {"list": {"items": inner}}}, rules=[]))
    name = "n" * LONGEST_POINTER

    findings = ruleset.check({"list": [{name: "x"}, {name * 3: 1}, {"n": "x"}]})

    assert [(finding.pointer, finding.code) for finding in findings] == [
        ("/list/0", "schema.type"),
        ("/list/1", "schema.propertyNames"),
        ("/list/2/n", "schema.type"),
    ]
    assert compile_rules(definition()).check({name: 10**40})[0].pointer == ""


def test_findings_of_long_names_are_small() -> None:
    shut = {"additionalProperties": False, "properties": {"aaaa": {}}, "minProperties": 1}
    below = {"properties": {"aaab": shut}, "additionalProperties": {"type": "string"}}
    ruleset = compile_rules(definition(schema=below, rules=[]))

    findings = ruleset.check({"aaab": {f"{n}" + "x" * 2_000: 1 for n in range(100)}, "y" * 2_000: 1})

    assert len(findings) == 101
    assert len(orjson.dumps(findings)) < 100_000
    assert {finding.pointer for finding in findings} == {"/aaab", ""}
    assert not any(finding.suggestion for finding in findings)


def test_a_rule_id_is_bounded_too() -> None:
    schema = {"properties": {"n" * 2_000: {"enum": ["aaaa", "aaab"]}}}

    (finding,) = compile_rules(definition(schema=schema, rules=[])).check({"n" * 2_000: "AAAA"})

    assert len(finding.rule_id) == LONGEST_POINTER
    assert finding.suggestion is None


def test_an_item_too_large_to_look_for_every_breach_says_so() -> None:
    schema = {"items": {"enum": [f"c{n:05}" for n in range(1999)]}}
    ruleset = compile_rules(definition(schema=schema, rules=[]))

    first, more = ruleset.check(["d"] * 60_000)

    assert (first.code, first.pointer) == ("schema.enum", "/0")
    assert (more.code, more.severity) == ("item.first_only", "info")
    assert [finding.code for finding in ruleset.check(["d"])] == ["schema.enum"]


def test_thousands_of_findings_end_in_one_that_says_so() -> None:
    ruleset = compile_rules(definition(schema={"additionalProperties": False}, rules=[]))

    findings = ruleset.check({f"field {n}": n for n in range(5000)})

    assert len(findings) == 101
    assert findings[-1] == Finding("", "item.more_findings", "error", {"shown": 100}, "")


def test_an_error_is_not_lost_among_a_thousand_warnings() -> None:
    warn = rule(id="warn", expr="false", severity="warning", pointer="/list/*")
    late = rule(id="late", expr="item.list[999] == 0")
    schema = {"properties": {"list": {"maxItems": 1000}}}

    findings = compile_rules(definition(schema=schema, rules=[warn, late])).check({"list": list(range(1000))})

    assert findings[0].code == "rule.late"
    assert [finding.severity for finding in findings[1:]] == ["warning"] * 100
    assert findings[-1].code == "item.more_findings"


def test_code_lists_stand_in_the_definition_or_come_with_the_platform() -> None:
    ruleset = compile_rules(
        definition(
            tables={"carriers": ["MAEU", "MSCU"], "countries": "iso3166@1"},
            facts={"/carrier": {"listed": "carriers"}, "/port": {"listed": "countries", "first": 2}},
            rules=[
                rule(id="carrier", expr="item.carrier.listed", pointer="/carrier"),
                rule(id="port", expr="item.port.listed", pointer="/port"),
            ],
        )
    )

    assert found(ruleset, {"carrier": "MAEU", "port": "VNSGN"}) == set()
    assert found(ruleset, {"carrier": "MAE", "port": "UKFXT"}) == {
        ("/carrier", "rule.carrier"),
        ("/port", "rule.port"),
    }


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"name": ...}, "/name: The field name is missing."),
        ({"name": "Spot Rates"}, "/name: Is not written"),
        ({"version": -1}, "/version: Must be at least 0."),
        ({"owner": "me"}, "/owner: The field owner is not known here."),
        ({"schema": {"type": "text"}}, "schema: /type"),
        ({"schema": {"pattern": "(?=a)"}}, "schema: /pattern"),
        ({"schema": {"pattern": "(a{1000}){1000}"}}, "schema: /pattern"),
        ({"schema": {"format": "postcode"}}, "schema: /format: Unknown format: 'postcode'"),
        ({"schema": {"$ref": "https://example.com/schema.json"}}, "schema: /$ref: leads out of the schema"),
        ({"schema": {"$ref": "file:///etc/passwd"}}, "schema: /$ref: leads out of the schema"),
        ({"schema": {"$ref": "#/$defs/missing"}}, "schema: as a whole: Pointer '/$defs/missing' does not exist"),
        ({"schema": {"$schema": "http://json-schema.org/draft-07/schema#"}}, "/schema/$schema: Must be"),
        ({"rules": [rule(), rule()]}, "/rules: the id small is used more than once"),
        ({"rules": [rule(severity="fatal")]}, "/rules/0/severity: Must be one of: error, warning, info."),
        ({"rules": [rule(pointer="a")]}, "/rules/0/pointer: Is not written"),
        ({"rules": [rule(pointer="/a/*/b/*")]}, "rule small, pointer: /a/*/b/* is not of the form /field/*/…"),
        ({"rules": [rule(expr="item.a <")]}, "rule small, expr: line 1, column 9: Syntax error"),
        ({"rules": [rule(expr="item.a\n < price")]}, "rule small, expr: line 2, column 4: undeclared reference"),
        ({"rules": [rule(expr='"a" < 1')]}, "rule small, expr: line 1, column 5: found no matching overload"),
        ({"rules": [rule(expr='item.a + "b"')]}, "rule small, expr: gives string, a condition gives bool"),
        ({"rules": [rule(expr="true) && (true")]}, "rule small, expr: line 1, column 5: Syntax error"),
        ({"rules": [rule(expr="each.a < 10")]}, "rule small, expr: line 1, column 5: undeclared reference to 'each.a'"),
        ({"rules": [rule(params={"a": "item.b +"})]}, "rule small, params/a: line 1, column 9: Syntax error"),
        ({"facts": {"/a": "money"}}, "/facts/~1a: Fits none of the allowed forms."),
        ({"facts": {"/a/b/c": "decimal"}}, "/facts/~1a~1b~1c: The field name /a/b/c is not allowed."),
        ({"facts": {"/a": {"listed": "ports"}}}, "/facts/~1a: there is no table called ports"),
        ({"tables": {"ports": "unlocode@1"}}, "/tables/ports: there is no table unlocode@1"),
        ({"tables": {"countries": "iso3166@9"}}, "/tables/countries: there is no table iso3166@9"),
    ],
)  # fmt: skip
def test_a_wrong_definition_is_refused_with_the_place(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(RuleSetError) as error:
        compile_rules(definition(**changes))

    assert str(error.value).startswith(complaint)


def test_a_comment_in_a_rule_stays_a_comment() -> None:
    ruleset = compile_rules(definition(rules=[rule(expr="item.a < 10 // ten"), rule(id="other", expr="item.a > 0")]))

    assert found(ruleset, {"a": 10}) == {("/a", "rule.small")}


def test_every_built_in_definition_compiles() -> None:
    refs = [compile_rules(each).ref for each in builtin.definitions()]

    assert refs == ["freight_rate@1", "fx_rate@1", "price_list@1"]


def test_a_rule_id_means_the_same_in_every_built_in_definition() -> None:
    texts = [(rule["id"], str(rule["message"])) for each in builtin.definitions() for rule in each["rules"]]

    assert len({name for name, _ in texts}) == len(set(texts))


def test_definitions_are_the_callers_to_change() -> None:
    builtin.definitions()[0]["name"] = "changed"

    assert builtin.definitions()[0]["name"] == "freight_rate"


def blocks() -> int:
    """Return how many blocks of memory Python objects hold."""
    gc.collect()
    return sys.getallocatedblocks()


def repeat(ruleset: RuleSet, items: list[dict[str, Any]], times: int) -> None:
    """Check every item this many times."""
    for _ in range(times):
        for item in items:
            ruleset.check(item)
