"""Gzip: opened as the format has it, and never further than is allowed."""

import gzip
import tracemalloc
from random import Random

import pytest
from werkzeug.exceptions import RequestEntityTooLarge

from app.api.gzip import HARMLESS_BYTES, MOST_MEMBERS, MOST_RATIO, inflate
from app.errors import BadRequest

PLENTY = 1 << 24


@pytest.mark.parametrize("size", [0, 1, 1_000, 100_000])
def test_what_was_compressed_comes_out_again(size: int) -> None:
    content = Random(size).randbytes(size)

    assert inflate(gzip.compress(content), most=PLENTY) == content


def test_streams_that_follow_one_another_are_one_body() -> None:
    assert inflate(gzip.compress(b"one ") + gzip.compress(b"") + gzip.compress(b"body"), most=PLENTY) == b"one body"


@pytest.mark.parametrize("size", [10, 5_000, HARMLESS_BYTES])
def test_a_body_may_come_to_the_very_size_that_is_allowed(size: int) -> None:
    body = gzip.compress(b" " * size)

    assert len(inflate(body, most=size)) == size
    with pytest.raises(RequestEntityTooLarge):
        inflate(body, most=size - 1)


def test_streams_that_follow_one_another_have_one_limit() -> None:
    body = gzip.compress(b"12345") + gzip.compress(b"67890")

    assert inflate(body, most=10) == b"1234567890"
    with pytest.raises(RequestEntityTooLarge):
        inflate(body, most=9)


def test_a_body_may_not_come_to_far_more_than_its_size() -> None:
    body = gzip.compress(bytes(PLENTY))
    assert len(body) * MOST_RATIO < PLENTY

    with pytest.raises(RequestEntityTooLarge):
        inflate(body, most=2 * PLENTY)


def test_no_more_is_opened_than_is_allowed() -> None:
    body = gzip.compress(bytes(4 * PLENTY))

    tracemalloc.start()
    with pytest.raises(RequestEntityTooLarge):
        inflate(body, most=1_000_000)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 4_000_000


WHOLE = gzip.compress(b"something")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x1f\x8b",
        b"{}",
        WHOLE[:-1],
        WHOLE[:12],
        WHOLE[:-8] + bytes(8),
        WHOLE + b"more",
        gzip.compress(b"") * (MOST_MEMBERS + 1),
    ],
    ids=["nothing", "a beginning", "JSON", "no end", "half", "wrong checksum", "something after it", "many streams"],
)
def test_what_is_not_gzip_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        inflate(body, most=PLENTY)
