"""Rule sets from strangers: none hangs or crashes a worker, whatever it and its items are.

What is dangerous runs in a process of its own with little memory, so that a crash is a failure of one test. The time
bound is far above what any of them takes, which is less than a second.
"""

import resource
import subprocess
import sys
from typing import Any

import orjson
import pytest

from app.rules import RuleSetError, compile_rules
from tests.rules.makers import definition, found, rule

TIMEOUT_S = 60
MEMORY = 3 << 30

PROGRAM = """
import sys, orjson
from app.rules import compile_rules
definition, item = orjson.loads(sys.stdin.buffer.read())
print(" ".join(sorted({finding.code for finding in compile_rules(definition).check(item)})))
"""

LISTS = {"properties": {"list": {"maxItems": 1000}}}
LARGE = "a" * 250_000


def codes(rules: dict[str, Any], item: Any) -> set[str]:
    """Return the codes of what a process of its own finds in the item."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=orjson.dumps([rules, item]),
        capture_output=True,
        timeout=TIMEOUT_S,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return set(done.stdout.decode().split())


def schema(written: Any) -> dict[str, Any]:
    """Return a rule set of this schema and no rules."""
    return definition(schema=written, rules=[])


@pytest.mark.parametrize(
    "pattern", ["^(a+)+$", "(.*)(.*)(.*)(.*)(.*)[^a]{1,40}x$", "^(.{0,50}){0,9}(.{0,50}){0,9}x", "(a|a)*$b"]
)
def test_no_pattern_takes_more_than_linear_time(pattern: str) -> None:
    assert codes(schema({"properties": {"a": {"pattern": pattern}}}), {"a": LARGE + "!"}) == {"schema.pattern"}


@pytest.mark.parametrize(
    ("written", "item", "expected"),
    [
        pytest.param({"items": {"enum": [f"c{n:05}" for n in range(1999)]}}, ["d"] * 60_000, "schema.enum", id="enum"),
        pytest.param({"uniqueItems": True}, [{"a": n} for n in range(20_000)], "", id="unique"),
        pytest.param({"uniqueItems": True}, [[1]] * 20_000, "schema.uniqueItems", id="equal"),
        pytest.param({"items": {"multipleOf": 1e-300}}, [1e308] * 10_000, "", id="multiples"),
        pytest.param({"unevaluatedItems": False}, [1] * 100_000, "schema.unevaluatedItems", id="unevaluated"),
        pytest.param({"items": False}, [1] * 100_000, "schema.falseSchema", id="errors"),
        pytest.param(
            {"patternProperties": {f"a{n}": {} for n in range(99)}}, {f"q{n}": 1 for n in range(20_000)}, "", id="names"
        ),
    ],
)
def test_large_items_meet_costly_keywords(written: Any, item: Any, expected: str) -> None:
    assert codes(schema(written), item) >= ({expected} if expected else set())


def test_a_schema_that_refers_to_itself_meets_the_deepest_item() -> None:
    item: dict[str, Any] = {}
    for _ in range(252):
        item = {"a": item}

    assert codes(schema({"type": "object", "properties": {"a": {"$ref": "#"}}}), item) == set()


@pytest.mark.parametrize(
    ("rules", "item", "expected"),
    [
        pytest.param(
            [rule(id=f"r{n}", expr="item.list.all(a, a >= 0)") for n in range(200)],
            {"list": list(range(1000))},
            set(),
            id="loops",
        ),
        pytest.param(
            [rule(expr="each < 0", pointer="/list/*", params={"all": "item.list", "whole": "item"})],
            {"list": list(range(1000)), "text": LARGE[:100_000]},
            {"rule.small", "item.more_findings"},
            id="params",
        ),
        pytest.param(
            [rule(expr=f"[{' + '.join(['item.a'] * 12)}].size() == 2", params={"a": " + ".join(["item.a"] * 12)})],
            {"a": LARGE},
            {"rule.small"},
            id="long text",
        ),
        pytest.param(
            [rule(id=f"r{n}", expr="item.a.matches('(x+x+)+y')") for n in range(200)],
            {"a": "x" * 250_000},
            {"item.more_findings"},
            id="patterns",
        ),
        pytest.param(
            [rule(expr="item.a.matches('(a{1000}){1000}')")], {"a": LARGE}, {"rule.eval_error"}, id="repetition"
        ),
        pytest.param(
            [
                rule(expr="timestamp('9999-12-31T23:59:59Z') + duration(item.a) > timestamp(item.b)"),
                rule(id="least", expr="timestamp(item.least) - timestamp(item.most) < duration('1s')"),
                rule(id="zone", expr="timestamp(item.b).getFullYear(item.a) > 1"),
            ],
            {"a": "9" * 5000 + "h", "b": "0001-01-01T00:00:00Z", "least": -(2**63), "most": 2**63 - 1},
            {"rule.eval_error"},
            id="times",
        ),
        pytest.param(
            [rule(expr="item.a * item.a > 0"), rule(id="text", expr="int(item.b) > 0 || double(item.b) > 0.0")],
            {"a": 2**63 - 1, "b": "1e400"},
            {"rule.eval_error"},
            id="numbers",
        ),
    ],
)
def test_costly_rules_end(rules: list[dict[str, Any]], item: Any, expected: set[str]) -> None:
    assert codes(definition(schema=LISTS, rules=rules), item) >= expected


def test_params_of_every_type_can_be_stored() -> None:
    params = {
        "time": "timestamp('9999-12-31T23:59:59Z')", "span": "duration('315576000000s')", "bytes": "b'a'", "uint": "1u",
        "type": "type(1)", "nan": "0.0 / 0.0", "most": "1.0 / 0.0", "map": "{1: 2, true: {'a': [b'b']}}",
    }  # fmt: skip

    (finding,) = compile_rules(definition(rules=[rule(expr="false", params=params)])).check({})

    assert finding.params.keys() == params.keys()
    assert orjson.dumps(finding.params)


@pytest.mark.parametrize("number", [10**5000, -(10**400)], ids=["5000 digits", "400 digits"])
def test_huge_numbers_are_findings(number: int) -> None:
    assert found(compile_rules(definition()), {"a": number}) == {("/a", "item.number_too_large")}


def test_an_item_that_is_too_large_is_a_finding() -> None:
    assert found(compile_rules(definition()), {"a": "x" * 262_144}) == {("", "item.too_large")}


def doubled(keyword: str, levels: int) -> dict[str, Any]:
    """Return a schema each of whose parts asks twice for the next: as many checks as 2 to the power of levels."""
    parts = {f"d{n}": {keyword: [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(levels)}
    return {"$ref": "#/$defs/d0", "$defs": {**parts, f"d{levels}": {"type": "string"}}}


def within(keyword: str, levels: int, inner: Any) -> Any:
    """Return `inner` this deep inside schemas."""
    for _ in range(levels):
        inner = {keyword: [inner]}
    return inner


def loops(count: int) -> str:
    """Return so many loops inside each other."""
    return "item.list.all(a, " * count + "true" + ")" * count


@pytest.mark.parametrize(
    ("written", "place", "complaint"),
    [
        (doubled("allOf", 40), "/$defs/d31", "more than 2000 schemas"),
        (doubled("anyOf", 40), "/$defs/d35", "more than 2000 schemas"),
        ({"$ref": "#"}, "", "comes back to itself for the same value"),
        ({"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"not": {"$ref": "#"}}}}, "", "comes back to itself"),
        ({"properties": {"a": {"allOf": [{"$ref": "#"}] * 2}}}, "", "by more than one way"),
        ({"$ref": "http://127.0.0.1/a"}, "/$ref", "leads out of the schema"),
        ({"$ref": "file:///etc/passwd"}, "/$ref", "leads out of the schema"),
        ({"$dynamicRef": "#a"}, "/$dynamicRef", "is not supported"),
        ({"items": {"$id": "https://example.com/"}}, "/items/$id", "is for the whole schema only"),
        ({"properties": {"a": {"pattern": "(a{1000}){1000}"}}}, "/properties/a/pattern", "is not a"),
        ({"pattern": "a" * 501}, "", "at most 500 characters"),
        ({"patternProperties": {f"p{n}": {} for n in range(101)}}, "", "more than 100 patterns"),
        ({"enum": list(range(2001))}, "/enum", "more than 2000 options"),
        ({"properties": {f"p{n}": {} for n in range(5001)}}, "/properties/p4999", "more than 5000 schemas"),
        (within("allOf", 33, {}), "/allOf/0" * 33, "deeper than 32 levels"),
    ],
)  # fmt: skip
def test_a_schema_that_could_cost_too_much_is_refused(written: Any, place: str, complaint: str) -> None:
    with pytest.raises(RuleSetError, match=complaint) as error:
        compile_rules(schema(written))

    assert error.value.pointer == f"/schema{place}"


@pytest.mark.parametrize(
    ("expr", "column", "complaint"),
    [
        (loops(2), 31, "more than 10000 steps"),
        ("item.other.all(a, true)", 15, "needs a maxItems in the schema"),
        ("[item.a]" + ".map(a, a + a)" * 5 + ".size() == 1", None, "can become larger than 16 items"),
        ("item.list.map(a, item).size() == 1", 14, "can become larger than 16 items"),
        ("item.a.matches(item.b)", 15, "a pattern that is written out"),
        ("item.a.matches('" + "a" * 501 + "')", 15, "at most 500 characters"),
        ("[1].all(a, [1].all(b, [1].all(c, [1].all(d, true))))", 41, "more than 3 loops"),
        ("!(" * 24 + "true" + ")" * 24, None, "nested deeper|recursion"),
        ("item" + ".a" * 30 + " == 1", None, "nested deeper"),
    ],
)
def test_an_expression_that_could_cost_too_much_is_refused(expr: str, column: int | None, complaint: str) -> None:
    with pytest.raises(RuleSetError, match=complaint) as error:
        compile_rules(definition(schema=LISTS, rules=[rule(expr=expr)]))

    assert error.value.pointer == "/rules/0/expr"
    assert column is None or (error.value.line, error.value.column) == (1, column)


def test_rules_that_could_take_too_many_steps_together_are_refused() -> None:
    walks = [rule(id=f"r{n}", expr="item.list.all(a, a > 0)") for n in range(100)]
    heavy = [rule(id=f"h{n}", expr="item.list.all(a, [1, 2, 3, 4, 5, 6, 7, 8].all(b, a > b))") for n in range(17)]

    compile_rules(definition(schema=LISTS, rules=[*walks, *heavy[:16]]))
    with pytest.raises(RuleSetError, match="take more than 250000 steps") as error:
        compile_rules(definition(schema=LISTS, rules=[*walks, *heavy]))

    assert error.value.pointer == "/rules/116/expr"


def test_a_walk_over_elements_needs_a_bounded_list() -> None:
    with pytest.raises(RuleSetError, match="the list other needs a maxItems") as error:
        compile_rules(definition(schema=LISTS, rules=[rule(expr="each > 0", pointer="/other/*")]))

    assert error.value.pointer == "/rules/0/expr"


def test_a_bound_is_found_behind_a_reference() -> None:
    written = {"properties": {"a": {"$ref": "#/$defs/short"}}, "$defs": {"short": {"type": "array", "maxItems": 3}}}

    assert compile_rules(definition(schema=written, rules=[rule(expr="item.a.all(b, b > 0)")])).check({"a": [1]}) == ()


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"rules": [rule(id=f"r{n}") for n in range(201)]}, "/rules"),
        ({"rules": [rule(expr="true" + " " * 2000)]}, "/rules/0/expr"),
        ({"rules": [rule(id=f"r{n}", expr="true" + " " * 1990) for n in range(26)]}, "/rules/25"),
        ({"rules": [rule(id=f"r{n}", expr=" && ".join(["item.a == item.b"] * 8)) for n in range(150)]}, None),
        ({"description": "x" * 4001}, "/description"),
        ({"examples": [{"title": "t", "item": "x" * 1_048_576, "findings": []}]}, ""),
    ],
)
def test_a_definition_that_is_too_large_is_refused(changes: dict[str, Any], place: str | None) -> None:
    with pytest.raises(RuleSetError) as error:
        compile_rules(definition(**changes))

    assert place is None or error.value.pointer == place


def test_an_endlessly_nested_definition_is_refused() -> None:
    deep: Any = {}
    for _ in range(100_000):
        deep = {"not": deep}

    with pytest.raises(RuleSetError, match="nested deeper"):
        compile_rules(schema(deep))
