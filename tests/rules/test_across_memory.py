"""Rules across rows take little memory, however many rows there are."""

import json
import subprocess
import sys

from tests.processes import ROOT


def test_two_hundred_thousand_rows_take_little_memory() -> None:
    feeding = [sys.executable, "-m", "ops.bench.across", "--feed", "200000"]

    done = subprocess.run(feeding, cwd=ROOT, check=True, capture_output=True, text=True)

    fed = json.loads(done.stdout)
    assert fed["rows"] == 200_000
    assert fed["findings"] > 1_000
    # Their lines alone, kept in memory, would be about 100.
    assert fed["memory_mb"] < 40
