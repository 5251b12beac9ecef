"""Lines sorted outside of memory."""

from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rules.across import lines
from app.rules.across.lines import Lines

LINES = st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"").replace(b"\r", b"") + b"\n"))


@given(LINES, LINES, st.integers(1, 300), st.integers(2, 5), st.integers(1, 100))
def test_lines_come_in_order_however_many_runs_they_make(
    first: list[bytes], second: list[bytes], run: int, runs: int, block: int
) -> None:
    with small(run, runs, block), Lines() as ordered:
        for line in first:
            ordered.add(line)
        assert list(ordered) == sorted(first)

        for line in second:
            ordered.add(line)
        assert list(ordered) == sorted(first + second)
        assert list(ordered) == sorted(first + second)


def test_nothing_can_be_added_once_the_file_is_gone() -> None:
    ordered = Lines()
    ordered.close()
    ordered.add(b"1\n")

    with pytest.raises(ValueError, match="closed file"):
        iter(ordered)


def small(run: int, runs: int, block: int) -> AbstractContextManager[Any]:
    """Within it, a few lines are as a million."""
    return patch.multiple(lines, RUN_BYTES=run, MOST_RUNS=runs, BLOCK_BYTES=block)
