"""The measurement of rules across rows."""

from pathlib import Path

import pytest

from app.rules.across import Across
from ops.bench import across


def test_a_measurement_renews_its_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- across figures begin -->\nold\n<!-- across figures end -->\nafter\n")
    monkeypatch.setattr(across, "README", readme)
    monkeypatch.setattr(across, "ROWS", 3_000)
    monkeypatch.setattr(across, "FEWER", 1_000)

    status = across.main(["--write"])

    assert status == 0
    assert "3,000 rows, 4 rules" in capsys.readouterr().out
    assert "old" not in readme.read_text()
    assert "| … peak of memory |" in readme.read_text()
    assert readme.read_text().startswith("before\n")
    assert readme.read_text().endswith("after\n")


def test_the_rows_break_every_rule_that_is_measured() -> None:
    with Across(across.DEFINITION) as rows:
        for number, item in enumerate(across.items(3_000)):
            rows.add(number, item)
        broken = {finding.rule_id for _, finding in rows.findings()}

    assert broken == {rule["id"] for rule in across.DEFINITION["across"]}
