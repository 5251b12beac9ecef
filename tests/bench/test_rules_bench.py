"""The measurement of rules does the work that it measures. Nothing here depends on how fast it was."""

from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from app.rules import compile_rules
from app.rules.conditions import Conditions
from app.rules.expression_cost import Bounds
from app.rules.facts import compiled
from ops.bench import rules
from ops.bench.freight import PLAIN, RULESET, items
from ops.bench.rules import Disagreed, Plan

TINY = Plan(rounds=2, items=40, peers=10, warm=20, long=40)


def is_quick(definition: dict[str, Any]) -> list[bool]:
    """Return of each condition whether Python answers it."""
    conditions = Conditions(definition["rules"], compiled(definition["facts"], {}), Bounds(definition["schema"]))
    return [condition.quick is not None for condition in conditions._conditions]


def test_a_measurement_renews_its_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- rules figures begin -->\nold\n<!-- rules figures end -->\nafter\n")
    monkeypatch.setattr(rules, "README", readme)
    monkeypatch.setattr(rules, "FULL", TINY)

    rules.main(["--write"])

    assert "a freight item of 15 fields" in capsys.readouterr().out
    written = readme.read_text()
    for row in ("a check, all findings", "… all conditions by CEL", "memory after 40 items"):
        assert f"| {row} |" in written
    assert written.startswith("before\n")
    assert written.endswith("after\n")


def test_without_the_peers_there_is_no_row_of_theirs() -> None:
    rows = list(rules.speed(TINY, peers=False))

    assert all(row.figure for row in rows)
    assert [row.bar is not None for row in rows] == [True, False, False]


def test_both_ways_are_what_they_are_called() -> None:
    assert is_quick(RULESET) == [True] * len(PLAIN)
    assert is_quick(rules.by_cel(RULESET)) == [False] * len(PLAIN)


def test_the_items_break_the_schema_and_every_rule() -> None:
    ruleset = compile_rules(RULESET)
    found = [ruleset.check(item) for item in islice(items(seed=1), 2_000)]

    assert sum(map(bool, found)) == 400
    broken = {finding.code for findings in found for finding in findings}
    assert {f"rule.{rule['id']}" for rule in RULESET["rules"]} == {code for code in broken if code.startswith("rule.")}
    assert any(code.startswith("schema.") for code in broken)


def test_sides_that_disagree_fail_the_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "bare", lambda: lambda item: True)

    with pytest.raises(Disagreed):
        list(rules.speed(TINY, peers=False))


def test_what_cannot_be_written_is_refused_before_it_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        rules.main(["--quick", "--write"])

    assert "whole measurement" in capsys.readouterr().err
