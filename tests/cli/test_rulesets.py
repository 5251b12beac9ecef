import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from flask import Flask
from sqlalchemy import select

from app.cli import rulesets as commands
from app.models.audit import AuditEntry
from app.models.rulesets import resolve
from app.platform import Platform
from app.rules import builtin
from tests.cli.calls import run
from tests.processes import ROOT
from tests.rules.makers import definition, rule

BUILT_IN = Path(builtin.__file__).parent
BROKEN = {"title": "Ten", "item": {"a": 10}, "findings": [{"code": "rule.small", "pointer": "/a"}]}


def written(folder: Path, content: Any, name: str = "rules.json") -> str:
    """Return the path of a new file with `content`, as JSON unless it is text."""
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def tried(*words: str) -> Result:
    """Return how `rulesets test` ended, without any application."""
    return CliRunner().invoke(commands.group, ["test", *words])


def test_examples_that_pass_end_well_and_the_rules_that_none_breaks_are_listed(tmp_path: Path) -> None:
    rules = [rule(), rule(id="tiny", expr="item.a < 100")]

    result = tried(written(tmp_path, definition(rules=rules, examples=[BROKEN])))

    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == [
        "Rules that no example breaks:",
        "  tiny",
        "",
        "plain@1: 1 examples, 1 passed, 0 failed; 1 of 2 rules broken by an example",
    ]


def test_a_file_that_names_no_version_is_told_by_its_name_alone(tmp_path: Path) -> None:
    content = definition(examples=[BROKEN])
    del content["version"]

    assert tried(written(tmp_path, content)).stdout.startswith("plain: 1 examples")


def test_an_example_that_fails_is_told_finding_by_finding(tmp_path: Path) -> None:
    wrong = {"title": "Nine", "item": {"a": 9}, "findings": [{"code": "rule.small", "pointer": "/a"}]}
    surprising = {"title": "Eleven", "item": {"a": 11}, "findings": []}

    result = tried(written(tmp_path, definition(examples=[BROKEN, wrong, surprising])))

    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "FAILED  Nine",
        "  not found     rule.small  /a",
        "",
        "FAILED  Eleven",
        "  not expected  rule.small  /a",
        "",
        "plain@1: 3 examples, 1 passed, 2 failed; 1 of 1 rules broken by an example",
    ]


def test_a_rule_set_that_does_not_compile_is_told_with_line_and_column(tmp_path: Path) -> None:
    broken = definition(rules=[rule(expr="item.a <\n  missing")])

    result = tried(written(tmp_path, broken))

    assert result.exit_code == 2
    assert "rules.json" in result.stderr
    assert "line 2, column" in result.stderr
    assert "missing" in result.stderr


def test_a_file_that_is_no_json_is_told_with_line_and_column(tmp_path: Path) -> None:
    result = tried(written(tmp_path, '{\n  "name": plain\n}'))

    assert result.exit_code == 2
    assert "line 2, column 11" in result.stderr


def test_files_that_are_no_rule_sets_are_told_from_examples_that_fail(tmp_path: Path) -> None:
    contents: list[Any] = ["", [], {}, definition(name="No name")]
    results = [tried(written(tmp_path, content)) for content in contents]
    results.append(tried(str(tmp_path / "missing.json")))

    assert [result.exit_code for result in results] == [2] * 5
    assert all(result.stderr and not result.stdout for result in results)


def test_a_draft_has_no_version_and_can_be_tried(tmp_path: Path) -> None:
    result = tried(written(tmp_path, definition(version=..., examples=[BROKEN])))

    assert result.exit_code == 0, result.output


def test_the_codes_of_a_reference_table_come_out_of_a_file(tmp_path: Path) -> None:
    unknown = {"code": "rule.port_unknown", "pointer": "/port"}
    ports = definition(
        tables={"ports": "ports@3"},
        facts={"/port": {"listed": "ports"}},
        rules=[rule(id="port_unknown", expr="item.port.listed", pointer="/port", message="No port.")],
        examples=[
            {"title": "Known", "item": {"port": "VNSGN"}, "findings": []},
            {"title": "Unknown", "item": {"port": "VNSAI"}, "findings": [unknown]},
        ],
    )
    file = written(tmp_path, ports)
    codes = written(tmp_path, "code,name\nVNSGN,Sài Gòn\n", "ports.csv")
    empty = written(tmp_path, "name\n", "wrong.csv")

    assert tried(file, "--table", f"ports@3={codes}").exit_code == 0
    assert tried(file).exit_code == 2
    for word in (codes, f"ports@3={tmp_path}/missing.csv", f"ports@3={empty}"):
        assert tried(file, "--table", word).exit_code == 2, word


def flask(*words: str) -> subprocess.CompletedProcess[str]:
    """Return how `flask` ended where no server is set."""
    command = [sys.executable, "-m", "flask", "--app", "wsgi", *words]
    env = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)


def test_it_needs_no_settings_at_all() -> None:
    done = flask("rulesets", "test", str(BUILT_IN / "fx_rate.json"))

    assert done.returncode == 0, done.stderr
    assert "0 failed" in done.stdout
    assert done.stderr == ""


def test_what_needs_settings_says_which() -> None:
    listed, run, all_commands = flask("rulesets", "list"), flask("run"), flask("--help")

    for done in (listed, run):
        assert (done.returncode, done.stdout) == (3, "")
        assert done.stderr.splitlines() == ["DATABASE_URL is not set.", "REDIS_URL is not set."]
    assert (all_commands.returncode, all_commands.stderr) == (0, "")
    assert "rulesets" in all_commands.stdout


def test_what_is_published_is_listed_and_shown(app: Flask, tmp_path: Path) -> None:
    first = run(app, "rulesets", "publish", written(tmp_path, definition(examples=[BROKEN])), "--note", "The first")
    second = run(app, "rulesets", "publish", written(tmp_path, definition(title="Plainer", examples=[BROKEN])))
    again = run(app, "rulesets", "publish", written(tmp_path, definition(title="Plainer", examples=[BROKEN])))

    assert [each.exit_code for each in (first, second, again)] == [0, 0, 0], first.output + second.output
    assert first.stdout == "plain@1 is published.\n"
    assert second.stdout == "plain@2 is published.\n"
    assert again.stdout == "plain@2 has this content already.\n"
    listed = run(app, "rulesets", "list").stdout
    assert "plain@2  " in listed
    assert "by cli  Plainer" in listed
    assert "fx_rate@1  " in listed
    assert json.loads(run(app, "rulesets", "show", "plain").stdout)["title"] == "Plainer"
    assert json.loads(run(app, "rulesets", "show", "plain@1").stdout)["title"] == "Plain"


def test_what_is_shown_can_be_tried_and_published(app: Flask, tmp_path: Path) -> None:
    shown = written(tmp_path, run(app, "rulesets", "show", "fx_rate").stdout)

    assert tried(shown).exit_code == 0
    assert run(app, "rulesets", "publish", shown).stdout == "fx_rate@1 has this content already.\n"


def test_publishing_leaves_a_row_in_the_audit_trail(app: Flask, tmp_path: Path) -> None:
    run(app, "rulesets", "publish", written(tmp_path, definition()), "--note", "Because")

    platform: Platform = app.extensions["platform"]
    with platform.database.transaction() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.subject == "ruleset:plain")).one()
        assert (entry.actor, entry.action) == ("cli", "ruleset.publish")
        assert entry.details["note"] == "Because"


def test_a_rule_set_whose_example_fails_is_not_published(app: Flask, tmp_path: Path) -> None:
    wrong = {"title": "Nine", "item": {"a": 9}, "findings": [{"code": "rule.small", "pointer": "/a"}]}

    result = run(app, "rulesets", "publish", written(tmp_path, definition(examples=[BROKEN, wrong])))

    assert result.exit_code == 1
    assert "/examples/1" in result.stderr
    assert "Nine" in result.stderr
    platform: Platform = app.extensions["platform"]
    with platform.database.transaction() as session:
        assert resolve(session, "plain", None) is None


def test_what_there_is_not_cannot_be_shown(app: Flask) -> None:
    missing = [run(app, "rulesets", "show", ref) for ref in ("plain", "fx_rate@99", "fx_rate@0")]
    odd = [run(app, "rulesets", "show", ref) for ref in ("fx_rate@", "fx_rate@newest", "fx_rate@٣", f"fx_rate@{9**99}")]

    assert [result.exit_code for result in missing] == [1] * 3
    assert "There is no rule set fx_rate@99." in missing[1].stderr
    assert all(result.exit_code in (1, 2) and "Traceback" not in result.output for result in odd)
    assert all(result.exception is None or isinstance(result.exception, SystemExit) for result in missing + odd)
