"""Spans: named where the work is done, and free while nobody records them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest
import structlog

from app import spans
from broker import trace

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Book:
    """A recorder that writes down names."""

    def __init__(self) -> None:
        self.names: list[str] = []

    @contextmanager
    def span(self, name: str, attributes: Mapping[str, str | int]) -> Iterator[None]:
        self.names.append(f"{name} {dict(attributes)}")
        yield

    def headers(self) -> Mapping[str, str]:
        return {"traceparent": "of the span"}


@pytest.fixture
def book() -> Iterator[Book]:
    """The recorder of this process, for a while."""
    book = Book()
    spans.record(book)
    yield book
    spans.record(None)


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    """Leave no context."""
    yield
    trace.adopt(None)
    structlog.contextvars.clear_contextvars()


def test_a_span_goes_to_the_recorder(book: Book) -> None:
    with spans.span("judge", items=3):
        assert spans.headers() == {"traceparent": "of the span"}

    assert book.names == ["judge {'items': 3}"]


def test_without_a_recorder_a_span_is_nothing_and_the_same_one_each_time() -> None:
    with spans.span("judge", items=3) as first, spans.span("record") as second:
        assert first is second is None

    assert spans.span("judge") is spans.span("record")


def test_without_a_recorder_what_came_in_goes_on() -> None:
    assert spans.headers() == {}

    trace.adopt(PARENT)

    assert spans.headers()["traceparent"] == PARENT


def test_a_message_says_where_it_comes_from() -> None:
    assert spans.origin() == {}

    trace.adopt(PARENT)
    structlog.contextvars.bind_contextvars(request_id="extension-42")

    assert spans.origin() == {"traceparent": PARENT, "trace": "extension-42"}
