"""The limits of a reference table, each with one more than it allows."""

import subprocess
import sys
from typing import Any

import pytest

from app.errors import InvalidTable
from app.reference import Rows
from app.reference import content as limits


def fault(codes: list[Any]) -> str:
    """Return the code of what is wrong with the rows."""
    with pytest.raises(InvalidTable) as refused:
        Rows.of(codes)
    return str(refused.value.params["errors"][0]["code"])


def test_the_limits_are_those_that_are_documented() -> None:
    assert (limits.MOST_ROWS, limits.MOST_BYTES, limits.LONGEST_CODE) == (200_000, 8 * 1024 * 1024, 100)
    assert (limits.MOST_ATTRIBUTES, limits.LONGEST_NAME, limits.LONGEST_TEXT) == (20, 63, 500)


def test_one_row_too_many_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_ROWS", 2_500)
    codes = [str(number) for number in range(2_501)]

    assert len(Rows.of(codes[:-1]).rows) == 2_500
    assert fault(codes) == "too_many_rows"


def test_one_byte_too_many_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = [{"code": str(number), "name": "x" * 100} for number in range(1_000)]
    size = Rows.of(codes).size

    monkeypatch.setattr(limits, "MOST_BYTES", size)
    assert Rows.of(codes).size == size
    monkeypatch.setattr(limits, "MOST_BYTES", size - 1)
    assert fault(codes) == "too_many_bytes"


def test_rows_that_grow_as_they_are_read_are_refused_while_they_do() -> None:
    names = ["n" * 61 + f"{number:02}" for number in range(20)]
    codes = [{"code": str(number), **dict.fromkeys(names, 1)} for number in range(10_000)]

    assert fault(codes) == "too_many_bytes"


@pytest.mark.parametrize(
    ("allowed", "refused", "code"),
    [
        ("x" * 100, "x" * 101, "code_too_long"),
        (
            {"code": "A", **dict.fromkeys(map(str, range(20)), 1)},
            {"code": "A", **dict.fromkeys(map(str, range(21)), 1)},
            "too_many_attributes",
        ),
        ({"code": "A", "n" * 63: 1}, {"code": "A", "n" * 64: 1}, "attribute_name"),
        ({"code": "A", "n": "x" * 500}, {"code": "A", "n": "x" * 501}, "text_too_long"),
    ],
)
def test_one_over_a_limit_of_a_row_is_refused(allowed: Any, refused: Any, code: str) -> None:
    assert len(Rows.of([allowed]).rows) == 1
    assert fault([refused]) == code


def test_others_in_a_web_process_go_on_while_a_large_table_is_read() -> None:
    # In a process of its own: what gevent patches stays patched.
    program = """
from gevent import monkey; monkey.patch_all()
import gevent
from app.reference import Rows
turns = 0
def other():
    global turns
    while True:
        turns += 1
        gevent.sleep(0)
gevent.spawn(other)
Rows.of(str(number) for number in range(20_000))
print(turns)
"""

    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)

    assert int(printed.stdout) >= 15


def test_codes_that_differ_in_case_are_different() -> None:
    assert [code for code, _ in Rows.of(["b", "B", "a"]).rows] == ["B", "a", "b"]
