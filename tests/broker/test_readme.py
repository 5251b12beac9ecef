"""The README's example, run as it stands."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import broker
from tests.broker.servers import Server, versions

README = Path(broker.__file__).with_name("README.md")


# One version is enough: what is tried here is the text.
@pytest.mark.parametrize("version", [max(versions())], indirect=True)
def test_the_example_runs(server: Server, tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len([line for line in example.splitlines() if line]) <= 15
    (tmp_path / "example.py").write_text(example)

    ran = subprocess.run(
        [sys.executable, tmp_path / "example.py"],
        env={**os.environ, "REDIS_URL": server.url, "PYTHONPATH": str(README.parents[1])},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert ran.stdout == "Hello, Redis!\n", ran.stderr
