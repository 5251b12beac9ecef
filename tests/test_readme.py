"""The README's examples, run against the platform as they stand there."""

import os
import re
import shutil
import subprocess

import pytest

from tests.processes import ROOT, Web

README = (ROOT / "README.md").read_text()
#: A block of commands (`$ …`, continued by indented lines) with what they print.
BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)


def examples() -> list[tuple[str, str]]:
    """Return each block as (script, expected output)."""
    found = []
    for block in BLOCK.findall(README):
        lines = block.splitlines(keepends=True)
        script = [line.removeprefix("$ ") for line in lines if line.startswith(("$ ", "  "))]
        output = [line for line in lines if not line.startswith(("$ ", "  "))]
        found.append(("".join(script), "".join(output)))
    return found


def matches(expected: str, printed: str) -> bool:
    """Return whether the output is as expected, `…` standing for anything."""
    pattern = ".*".join(map(re.escape, expected.strip().split("…")))
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


@pytest.mark.parametrize(("script", "expected"), examples())
def test_an_example_prints_what_it_says(script: str, expected: str, web: Web, token: str) -> None:
    assert shutil.which("curl"), "curl is missing: apt-get install curl"

    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env={**os.environ, "URL": web.url, "TOKEN": token},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr
    assert matches(expected, ran.stdout), ran.stdout


def test_the_two_commands_of_the_readme_exist() -> None:
    for command in re.findall(r"^(ops/\w+)", README, re.MULTILINE):
        assert os.access(ROOT / command, os.X_OK), command
