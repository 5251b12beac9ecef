"""JSON: strict on the way in, and never more than Postgres can store."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import json
from app.errors import BadRequest

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"NaN",
        b"Infinity",
        b"[1e999]",
        b'{"a": 1,}',
        b"'a'",
        b"\xff",
        b'"\\ud800"',
        b'"\\u0000"',
        b'{"a\\u0000": 1}',
        b'[["\\u0000"]]',
        b"[" * 5 + b"]" * 5,
        b'{"a":' * 5 + b"1" + b"}" * 5,
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
    ],
)
def test_what_cannot_be_taken_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        json.parse(body, max_depth=4)


def test_as_deep_as_allowed_is_taken() -> None:
    assert json.parse(b"[[[[1]]]]", max_depth=4) == [[[[1]]]]


def test_wide_is_not_deep() -> None:
    assert json.parse(b"[" + b",".join([b"[]"] * 1000) + b"]", max_depth=2) == [[]] * 1000


@given(VALUES)
def test_what_is_written_is_read_as_the_same(value: json.JSON) -> None:
    try:
        assert json.parse(json.dumps(value), max_depth=100) == value
    except BadRequest:
        assert "\\u0000" in json.text(value)
    except TypeError:  # Text that is no Unicode cannot be written at all.
        assert "\\ud" in ascii(value)


@given(st.binary())
def test_no_body_does_more_than_be_refused(body: bytes) -> None:
    with suppress(BadRequest):
        json.parse(body, max_depth=8)


def test_the_canonical_form_knows_no_order_of_keys() -> None:
    assert json.canonical({"b": 1, "a": [2]}) == json.canonical({"a": [2], "b": 1}) == b'{"a":[2],"b":1}'
