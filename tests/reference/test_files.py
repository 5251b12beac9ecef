"""Files that hold a reference table: what is read out of them, and the one error when something is wrong."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import json
from app.errors import InvalidTable
from app.reference import MOST_BYTES, Format, read
from app.reference.content import MOST_ROWS


def fault(content: bytes, form: Format) -> dict[str, Any]:
    """Return the one thing that is wrong with a file."""
    with pytest.raises(InvalidTable) as refused:
        read(content, form)
    [wrong] = refused.value.params["errors"]
    assert wrong["detail"] == refused.value.detail
    return dict(wrong)


def test_a_csv_is_codes_and_attributes_by_code() -> None:
    rows = read(b'code,name,country\nVNSGN,"Ho Chi Minh City, Cat Lai",VN\nDEHAM,Hamburg,\n', Format.CSV)

    assert rows.rows == (
        ("DEHAM", {"name": "Hamburg"}),
        ("VNSGN", {"name": "Ho Chi Minh City, Cat Lai", "country": "VN"}),
    )


def test_a_json_list_is_codes_with_and_without_attributes() -> None:
    rows = read(b'["VNSGN", {"code": "DEHAM", "lat": 53.5, "sea": true, "note": null}]', Format.JSON)

    assert rows.rows == (("DEHAM", {"lat": 53.5, "sea": True, "note": None}), ("VNSGN", {}))


def test_the_same_rows_are_the_same_content_in_whatever_order_and_format() -> None:
    csv = read(b"code,name\r\nA,first\r\nB,\r\n", Format.CSV)
    json = read(b'["B", {"name": "first", "code": "A"}]', Format.JSON)
    other = read(b'["B", {"name": "First", "code": "A"}]', Format.JSON)

    assert csv == json
    assert csv.digest != other.digest


@pytest.mark.parametrize(
    "content", ["code\nA\nB", "\ufeffcode\nA\nB\n", "\ncode\r\n\r\nA\r\nB\r\n\r\n", "code\rA\rB\r"]
)
def test_line_ends_blank_lines_and_a_leading_byte_order_mark_make_no_difference(content: str) -> None:
    assert read(content.encode(), Format.CSV).rows == (("A", {}), ("B", {}))


def test_a_column_code_may_stand_anywhere() -> None:
    assert read(b"name,code\nHamburg,DEHAM\n", Format.CSV).rows == (("DEHAM", {"name": "Hamburg"}),)


def test_a_leading_byte_order_mark_is_passed_over_in_json() -> None:
    assert read('\ufeff["A"]'.encode(), Format.JSON).rows == (("A", {}),)


@pytest.mark.parametrize(
    ("content", "code", "params"),
    [
        (b"", "no_rows", {}),
        (b"code,name\n", "no_rows", {}),
        (b"name;code\nHamburg;DEHAM\n", "code_missing", {"line": 1}),
        (b"Code\nA\n", "code_missing", {"line": 1}),
        (b"code,name,name\nA,b,c\n", "column_repeated", {"line": 1}),
        (b"code,\nA,b\n", "attribute_name", {"line": 1}),
        (b"code, name\nA,b\n", "attribute_name", {"line": 1}),
        (b"code,name\nA\n", "wrong_cells", {"line": 2}),
        (b"code,name\nA,b,c\n", "wrong_cells", {"line": 2}),
        (b"code\nA\nB\nA\n", "code_repeated", {"line": 4, "first": 2}),
        (b"code,name\nA,\n,b\n", "code_empty", {"line": 3}),
        (b"code\nA\n B\n", "code_padded", {"line": 3}),
        ("code\nA\n\u00a0B\n".encode(), "code_unprintable", {"line": 3}),
        (b"code\nA\nB\x00\n", "code_unprintable", {"line": 3}),
        ("code\nA\n\ufeffB\n".encode(), "code_unprintable", {"line": 3}),
        (b"code,name\nA,b\nB,\x07\n", "text_unprintable", {"line": 3}),
        (b'code,name\nA,"two\nlines"\n', "text_unprintable", {"line": 2}),
        (b'code,name\nA,"b"c\n', "not_csv", {"line": 2}),
        (b'code,name\nA,b\nB,"open\nand open\n', "not_csv", {"line": 3}),
        (b"code,name\nA," + b"x" * 200_000 + b"\n", "not_csv", {"line": 2}),
        ("code,name\nA,b\nB,Málaga\n".encode("latin-1"), "not_utf8", {"line": 3}),
        ("code\nA\n".encode("utf-16"), "not_utf8", {"line": 1}),
        (b"\xfe\xff\x00c", "not_utf8", {"line": 1}),
    ],
)
def test_what_is_wrong_with_a_csv_is_told_with_its_line(content: bytes, code: str, params: dict[str, int]) -> None:
    wrong = fault(content, Format.CSV)

    assert (wrong["code"], wrong["params"], wrong["pointer"]) == (code, params, "")
    if params:
        assert f"Line {params['line']}: " in wrong["detail"]


def test_a_quoted_cell_over_several_lines_does_not_shift_the_lines_after_it() -> None:
    # The second row is fine but for its line break, so the attribute is what is refused, in the line it begins in.
    wrong = fault(b'code,name\n"A",b\n"B","c\nd\ne"\nA,x\n', Format.CSV)

    assert (wrong["code"], wrong["params"]) == ("text_unprintable", {"line": 3})


@pytest.mark.parametrize(
    ("content", "code", "pointer"),
    [
        ("", "not_json", ""),
        ("[NaN]", "not_json", ""),
        ('["A"', "not_json", ""),
        ("{}", "not_a_list", ""),
        ('"A"', "not_a_list", ""),
        ("[]", "no_rows", ""),
        ('["A", 7]', "code_missing", "/1"),
        ('["A", null]', "code_missing", "/1"),
        ('["A", {"name": "b"}]', "code_missing", "/1"),
        ('["A", {"code": 7}]', "code_no_text", "/1"),
        ('["A", ""]', "code_empty", "/1"),
        ('["A", "B", "A"]', "code_repeated", "/2"),
        (r'["A", "B\n"]', "code_unprintable", "/1"),
        (r'["A", "\u0000"]', "code_unprintable", "/1"),
        (r'["A", {"code": "B", "x": "\u0000"}]', "text_unprintable", "/1"),
        (r'["A", {"code": "B", "\u0000": "x"}]', "attribute_name", "/1"),
        ('["A", {"code": "B", "x": []}]', "attribute_nested", "/1"),
        ('["A", {"code": "B", "x": {"y": 1}}]', "attribute_nested", "/1"),
        ("[" * 100_000, "not_json", ""),
    ],
)
def test_what_is_wrong_with_a_json_list_is_told_with_its_place(content: str, code: str, pointer: str) -> None:
    wrong = fault(content.encode(), Format.JSON)

    assert (wrong["code"], wrong["pointer"]) == (code, pointer)


@pytest.mark.parametrize("form", Format)
def test_a_file_of_one_byte_too_many_is_refused_before_it_is_read(form: Format) -> None:
    if form is Format.JSON:
        assert read(b'["A"]'.ljust(MOST_BYTES), form).rows == (("A", {}),)
    else:
        # So large a file is none but for what is too large for other reasons; it is read, at least.
        assert fault(b"code\n".ljust(MOST_BYTES, b"x"), form)["code"] == "not_csv"
    assert fault(b"\xff" * (MOST_BYTES + 1), form)["code"] == "too_many_bytes"


def test_one_line_too_many_is_refused() -> None:
    lines = b"code\nA\n".ljust(2 * MOST_ROWS + 5, b"\n")

    assert lines.count(b"\n") == 2 * MOST_ROWS
    assert read(lines, Format.CSV).rows == (("A", {}),)
    assert fault(lines + b"\n", Format.CSV)["code"] == "too_many_rows"


@given(content=st.binary(max_size=200) | st.text(alphabet='code,ABÉ"\r\n\x00\ufeff ', max_size=60).map(str.encode))
def test_any_bytes_are_a_table_or_one_clear_error(content: bytes) -> None:
    for form in Format:
        wrong = None
        try:
            read(content, form)
        except InvalidTable as refused:
            wrong = refused
        assert wrong is None or (len(wrong.params["errors"]) == 1 and "\n" not in wrong.detail)


CELLS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20)
CODES = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=12)


@given(
    table=st.dictionaries(
        CODES, st.dictionaries(CODES.filter(lambda name: name != "code"), CELLS, max_size=4), min_size=1
    )
)
def test_a_table_comes_back_out_of_json_as_it_went_in(table: dict[str, dict[str, str]]) -> None:
    rows = read(json.dumps([{"code": code, **attributes} for code, attributes in table.items()]), Format.JSON)

    assert dict(rows.rows) == table
    assert [code for code, _ in rows.rows] == sorted(table)
