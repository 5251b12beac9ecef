"""Samples: the first rows, some of the others, and a clear word on what no item can be made of."""

from typing import Any

import pytest

from app.authoring import samples
from app.authoring.samples import Format, Row, Sample
from app.errors import BadRequest, InvalidRequest

LINES = "".join(f'{{"n": {number}}}\n' for number in range(1_000)).encode()
TABLE = ("n,text\n" + "".join(f'{number},"a ""b"", c"\n' for number in range(1_000))).encode()


def sample(content: bytes, form: Format, *, first: int = 5, random: int = 5, seed: int = 1) -> Sample:
    """Return the sample of a file."""
    return samples.of(content, form, first=first, random=random, seed=seed, max_depth=10)


def items(sample: Sample) -> list[Any]:
    """Return the items of its rows."""
    return [row.item for row in sample.rows]


def codes(sample: Sample) -> list[str | None]:
    """Return what is wrong with each row."""
    return [row.unreadable.code if row.unreadable else None for row in sample.rows]


@pytest.mark.parametrize(("content", "form"), [(LINES, Format.NDJSON), (TABLE, Format.CSV)])
def test_the_first_rows_come_first_and_the_random_ones_in_the_order_of_the_file(content: bytes, form: Format) -> None:
    found = sample(content, form, first=3, random=20)

    assert [row.index for row in found.rows][:3] == [0, 1, 2]
    assert [row.index for row in found.rows] == sorted({row.index for row in found.rows})
    assert len(found.rows) == 23
    assert (found.read, found.complete) == (1_000, True)
    assert all(int(row.item["n"]) == row.index for row in found.rows)


def test_the_same_seed_gives_the_same_rows_and_another_one_others() -> None:
    one, same, other = (items(sample(LINES, Format.NDJSON, seed=seed)) for seed in (1, 1, 2))

    assert one == same
    assert one != other


def test_every_row_has_its_chance() -> None:
    drawn = {row.index for seed in range(200) for row in sample(LINES[:550], Format.NDJSON, first=0, seed=seed).rows}

    assert len(drawn) == sample(LINES[:550], Format.NDJSON).read


def test_a_short_file_is_taken_whole() -> None:
    assert items(sample(b'{"n": 1}\n\n{"n": 2}', Format.NDJSON)) == [{"n": 1}, {"n": 2}]


def test_an_empty_file_has_no_rows() -> None:
    assert sample(b"\n", Format.NDJSON) == Sample([], 0, True)
    assert sample(b"a,b\n", Format.CSV) == Sample([], 0, True)


def test_cells_are_texts_and_an_empty_one_is_not_there() -> None:
    found = sample(b"\xef\xbb\xbfa, b ,c\r\n1,,x\r\n\r\n,,\r\n2,3,\r\n", Format.CSV)

    assert items(found) == [{"a": "1", "c": "x"}, {"a": "2", "b": "3"}]
    assert [row.line for row in found.rows] == [2, 5]


def test_a_row_begins_where_its_first_cell_does() -> None:
    found = sample(b'a,b\n"1\n1",2\n3,4\n', Format.CSV)

    assert items(found) == [{"a": "1\n1", "b": "2"}, {"a": "3", "b": "4"}]
    assert [row.line for row in found.rows] == [2, 4]


def test_a_line_that_is_no_json_says_so_in_its_place() -> None:
    found = sample(b'{"n": 1}\n{"n": \n[[[[[[[[[[[]]]]]]]]]]]\nNaN\n"\\u0000"\n2\n', Format.NDJSON)

    assert codes(found) == [None, "file.not_json", "file.not_json", "file.not_json", "file.not_json", None]
    assert [row.line for row in found.rows] == [1, 2, 3, 4, 5, 6]
    assert found.rows[1].item == '{"n": '


def test_a_row_of_too_many_or_too_few_cells_says_so() -> None:
    found = sample(b"a,b\n1\n1,2,3\n1,2\n", Format.CSV)

    assert codes(found) == ["file.wrong_cells", "file.wrong_cells", None]
    assert found.rows[1].unreadable is not None
    assert found.rows[1].unreadable.params == {"cells": 3, "expected": 2}


def test_a_cell_beyond_reason_says_so_and_the_rest_is_read() -> None:
    found = sample(b"a\n" + b"x" * 200_000 + b"\n1\n", Format.CSV)

    assert codes(found)[0] == "file.not_csv"
    assert items(found)[-1] == {"a": "1"}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "file.empty"),
        (b"\n\n", "file.empty"),
        (b"a,b,a\n1,2,3\n", "file.duplicate_label"),
        (b"a,,c\n1,2,3\n", "file.blank_label"),
        (b",".join([b"x"] * 501), "file.too_many_columns"),
    ],
)
def test_a_header_that_names_no_fields_is_refused(content: bytes, code: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        sample(content, Format.CSV)

    [fault] = refused.value.params["errors"]
    assert fault["code"] == code


def test_a_file_that_is_not_utf8_is_refused_with_the_line() -> None:
    with pytest.raises(BadRequest, match="line 2"):
        sample("a\nGenève\n".encode("latin-1"), Format.CSV)


def test_of_a_file_without_end_only_the_beginning_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "MOST_READ", 100)

    found = sample(LINES, Format.NDJSON, first=1, random=500)

    assert (found.read, found.complete, len(found.rows)) == (100, False, 100)


@pytest.mark.parametrize("form", Format)
def test_blank_lines_without_end_are_not_read_either(monkeypatch: pytest.MonkeyPatch, form: Format) -> None:
    monkeypatch.setattr(samples, "MOST_READ", 100)

    found = sample(b"n\n" + b"\n" * 200 + b"1\n", form)

    assert (len(found.rows), found.complete) == (0 if form is Format.CSV else 1, False)


def test_of_a_file_that_ends_where_reading_does_everything_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "MOST_READ", 2)

    assert sample(b"1\n2\n", Format.NDJSON) == Sample([Row(0, 1, 1), Row(1, 2, 2)], 2, True)
