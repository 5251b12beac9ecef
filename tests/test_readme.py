"""The examples of the README, and of the guide for rule authors, run against the platform as they stand there."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from app.auth.scopes import Scope
from app.database import Database
from app.settings import Settings
from tests.factories import issue_token
from tests.processes import ROOT, Web

README = (ROOT / "README.md").read_text()
GUIDE = (ROOT / "app/rules/README.md").read_text()
#: A block of commands (`$ …`, continued by indented lines) with what they print.
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)


def examples(text: str) -> list[tuple[str, str]]:
    """Return each block as (script, expected output)."""
    found = []
    for block in BLOCK.findall(text):
        lines = block.splitlines(keepends=True)
        script = [line.removeprefix("$ ") for line in lines if line.startswith(("$ ", "  "))]
        output = [line for line in lines if not line.startswith(("$ ", "  "))]
        found.append(("".join(script), "".join(output)))
    return found


def matches(expected: str, printed: str) -> bool:
    """Return whether the output is as expected, `…` standing for anything. Answers end without a line break."""
    pattern = ".*".join(map(re.escape, expected.replace("\n", "").split("…")))
    return re.fullmatch(pattern, printed.replace("\n", ""), re.DOTALL) is not None


def run(script: str, *, url: str, token: str, folder: Path) -> str:
    """Return what the script has printed, run in the folder."""
    assert shutil.which("curl"), "curl is missing: apt-get install curl"
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env={**os.environ, "URL": url, "TOKEN": token},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize(("script", "expected"), examples(README))
def test_an_example_prints_what_it_says(script: str, expected: str, web: Web, token: str, tmp_path: Path) -> None:
    printed = run(script, url=web.url, token=token, folder=tmp_path)

    assert matches(expected, printed), printed


def test_the_rule_set_of_the_guide_goes_the_way_that_the_guide_tells(
    web: Web, web_settings: Settings, tmp_path: Path
) -> None:
    database = Database.from_settings(web_settings, name="test")
    token = issue_token(database, client="author", scopes=[Scope.RULESETS_READ, Scope.RULESETS_WRITE])
    database.close()
    (content,) = re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL)
    (tmp_path / "my_rules.json").write_text(content)
    [(script, expected)] = examples(GUIDE)

    printed = run(script, url=web.url, token=token, folder=tmp_path)

    assert matches(expected, printed), printed


def test_the_two_commands_of_the_readme_exist() -> None:
    for command in re.findall(r"^(ops/\w+)", README, re.MULTILINE):
        assert os.access(ROOT / command, os.X_OK), command
