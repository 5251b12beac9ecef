"""Nearby words: the one that was meant, or none."""

import itertools
import time

import pytest

from app.rules.nearby import SHORT_LIST, Nearby, fold

PORTS = ["NLRTM", "DEHAM", "VNSGN", "VNHPH", "USLAX"]
UNITS = ["per_container", "per_teu", "per_tonne", "per_kg"]


def long_list(*words: str) -> Nearby:
    """Return `words` among so many others that they are not compared one by one."""
    others = ("".join(letters) for letters in itertools.product("QXZ", repeat=8))
    known = Nearby([*words, *itertools.islice(others, SHORT_LIST)])
    assert len(known._folded) > SHORT_LIST
    return known


@pytest.mark.parametrize("known", [Nearby(PORTS), long_list(*PORTS)], ids=["short", "long"])
@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("NLRTN", "NLRTM"),
        ("NLRT", "NLRTM"),
        ("NLRTMM", "NLRTM"),
        ("NLTRM", "NLRTM"),
        (" nlrtn ", "NLRTM"),
        ("VNXPH", "VNHPH"),
        ("JPTYO", None),
        ("NLR", None),
        ("", None),
        ("N" * 5_000, None),
    ],
)
def test_a_word_one_edit_away_is_found(known: Nearby, word: str, meant: str | None) -> None:
    assert known.nearest(word) == (None if meant is None else (meant, 1))


@pytest.mark.parametrize("known", [Nearby(["USLAX", "USLAS"]), long_list("USLAX", "USLAS")], ids=["short", "long"])
def test_of_two_words_as_near_none_is_meant(known: Nearby) -> None:
    assert known.nearest("USLAY") is None


def test_long_words_may_be_two_edits_away() -> None:
    assert Nearby(UNITS).nearest("per_contaner") == ("per_container", 1)
    assert Nearby(UNITS).nearest("pro_container") == ("per_container", 2)
    assert Nearby(UNITS).nearest("pro_kg") is None


def test_short_words_are_near_to_too_many() -> None:
    assert Nearby(["DE", "DK", "NLRTM"]).nearest("DX") is None
    assert Nearby(["EU"]).nearest("EUR") is None


def test_the_same_word_in_another_case_is_known_when_it_is_the_only_one() -> None:
    known = Nearby(["EUR", "Kg", "KG"])

    assert known.same(" eur\t") == "EUR"
    assert known.same("kg") is None
    assert known.nearest("kgs") is None


def test_a_large_table_is_searched_in_no_time() -> None:
    codes = ["".join(letters) for letters in itertools.islice(itertools.product("ABCDEFGHIJ", repeat=5), 100_000)]
    known = Nearby(codes)

    started = time.perf_counter()
    for _ in range(20):
        known.nearest("KABCD")

    # A millisecond and a half each at most; walking through the table takes ten times that.
    assert (time.perf_counter() - started) / 20 < 0.1


def test_white_space_and_case_do_not_count() -> None:
    assert fold(" StraSSe\u00a0") == fold("stra\u00dfe")
