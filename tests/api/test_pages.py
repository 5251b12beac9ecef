import pytest
from flask import Request
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder

from app.api import pages
from app.api.pages import Page
from app.errors import CursorMismatch, InvalidRequest


def asked(**query: str) -> Page:
    """Return the page that a query asks for."""
    return Page.of(Request(EnvironBuilder(query_string=query).get_environ()))


@pytest.mark.parametrize(("limit", "taken"), [("1", 1), ("1000", 1_000), ("1001", 1_000), ("999999999", 1_000)])
def test_a_limit_is_taken_up_to_the_most(limit: str, taken: int) -> None:
    assert asked(limit=limit) == Page(taken, None)


def test_without_a_query_it_is_the_first_page_of_the_usual_size() -> None:
    assert asked() == Page(50, None)


@pytest.mark.parametrize("limit", ["", "0", "-1", "1.5", "many", "9999999999", "\u0663"])
def test_a_limit_that_makes_no_sense_is_refused(limit: str) -> None:
    with pytest.raises(InvalidRequest, match="limit"):
        asked(limit=limit)


@given(key=st.text(st.characters(categories=["L", "N", "P"]), max_size=63))
def test_a_cursor_goes_on_after_the_key_it_was_made_of(key: str) -> None:
    assert asked(cursor=pages.cursor(key)).after == key


@pytest.mark.parametrize("cursor", ["=", "a", "!!!!", "cG9ydHM=", "cG9ydHN", "AA", "_w", "x" * 10_000, "é"])
def test_a_cursor_that_was_not_handed_out_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidRequest, match="cursor"):
        asked(cursor=cursor)


@pytest.mark.parametrize("key", ["ports", "0", "-1", "1e3", "9" * 10])
def test_a_cursor_of_another_list_is_refused_where_keys_are_numbers(key: str) -> None:
    page = asked(cursor=pages.cursor(key))

    with pytest.raises(InvalidRequest, match="cursor"):
        _ = page.after_number


def test_a_cursor_is_good_for_the_filters_that_it_was_handed_out_with() -> None:
    def asked_with(cursor: str, filters: pages.Filters) -> Page:
        return Page.of(Request(EnvironBuilder(query_string={"cursor": cursor}).get_environ()), filters)

    first = Page.of(Request(EnvironBuilder(query_string="limit=1").get_environ()), {"state": "done", "kind": None})
    cursor = first.told(["a~b", "c"], key=lambda key: key, shown=lambda key: key)["next"]

    assert asked_with(cursor, {"state": "done"}).after == "a~b"
    others: pages.Filters
    for others in ({}, {"state": "failed", "kind": None}, {"state": "done", "kind": "x"}):
        with pytest.raises(CursorMismatch):
            asked_with(cursor, others)
    with pytest.raises(InvalidRequest, match="cursor"):
        asked_with(pages.cursor("of a list without filters"), {})


def test_a_page_tells_where_the_next_one_begins_until_there_is_none() -> None:
    def told(page: Page, keys: list[int]) -> object:
        return page.told(keys, key=lambda key: key, shown=lambda key: {"id": key})

    assert told(Page(2, None), [1, 2, 3]) == {"items": [{"id": 1}, {"id": 2}], "next": pages.cursor("2")}
    assert told(Page(2, "2"), [3, 4]) == {"items": [{"id": 3}, {"id": 4}], "next": None}
    assert told(Page(2, "4"), []) == {"items": [], "next": None}
