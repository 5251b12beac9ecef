"""Flips: what differs between two sides, whose doing it is, and a tally that stays small."""

from hypothesis import given
from hypothesis import strategies as st

from app.rules.findings import Severity
from app.rules.flips import (
    EXAMPLES_A_CODE,
    MOST_CODES,
    MOST_EXAMPLES,
    OTHER_CODES,
    SHOWN_A_SIDE,
    Flip,
    Mark,
    Tally,
    flip,
)


def error(code: str, pointer: str = "/a") -> Mark:
    return Mark(code, "error", pointer)


def warning(code: str) -> Mark:
    return Mark(code, "warning", "/a")


def flipped(old: list[Mark], new: list[Mark]) -> Flip:
    """Return the flip, there being one."""
    found = flip(old, new)
    assert found is not None
    return found


def test_the_same_findings_are_no_flip_in_whatever_order_and_place() -> None:
    assert flip([], []) is None
    assert flip([error("a"), error("b")], [error("b"), error("a", "/elsewhere"), error("a")]) is None


def test_errors_turn_an_item_to_invalid_and_warnings_beside_them_have_no_part_in_it() -> None:
    found = flipped([warning("old")], [error("a"), warning("w")])

    assert found.kind == "to_invalid"
    assert found.blame == {("a", "to_invalid")}
    assert found.new == (error("a"), warning("w"))
    assert found.old == (warning("old"),)


def test_errors_that_are_gone_turn_an_item_to_valid() -> None:
    found = flipped([error("a"), error("b"), warning("w")], [warning("w")])

    assert found.kind == "to_valid"
    assert found.blame == {("a", "to_valid"), ("b", "to_valid")}


def test_an_item_that_stays_invalid_for_another_reason_keeps_its_verdict() -> None:
    found = flipped([error("a"), error("both")], [error("b"), error("both")])

    assert found.kind == "otherwise"
    assert found.blame == {("b", "appears"), ("a", "disappears")}


def test_a_rule_that_becomes_severe_turns_items_to_invalid() -> None:
    found = flipped([warning("a")], [error("a")])

    assert found.kind == "to_invalid"
    assert found.blame == {("a", "to_invalid")}


SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
MARKS = st.lists(st.builds(Mark, st.sampled_from("abcd"), st.sampled_from(SEVERITIES), st.sampled_from(["", "/x"])))


@given(MARKS, MARKS)
def test_to_go_back_is_the_opposite(old: list[Mark], new: list[Mark]) -> None:
    there, back = flip(old, new), flip(new, old)

    if there is None or back is None:
        assert there is back
        return
    opposite = {"to_invalid": "to_valid", "to_valid": "to_invalid", "otherwise": "otherwise"}
    assert back.kind == opposite[there.kind]
    assert (back.new, back.old) == (there.old, there.new)
    assert {code for code, _ in back.blame} == {code for code, _ in there.blame}


@given(st.lists(st.tuples(MARKS, MARKS), max_size=20))
def test_a_tally_that_is_stored_between_items_comes_to_the_same(pairs: list[tuple[list[Mark], list[Mark]]]) -> None:
    straight, stored = Tally(), Tally()

    for number, (old, new) in enumerate(pairs):
        found = flip(old, new)
        stored = Tally.of(stored.to_json())
        for tally in (straight, stored):
            if found is not None:
                tally.count(found)
                tally.show(found, request_id=str(number), item=0)

    assert stored.to_json() == straight.to_json()


def test_examples_are_few_of_each_code_and_a_rare_one_is_still_shown() -> None:
    tally = Tally()

    for number in range(100):
        tally.show(flipped([], [error("frequent")]), request_id=str(number), item=0)
    tally.show(flipped([], [error("frequent"), error("rare")]), request_id="last", item=7)

    assert len(tally.examples) == EXAMPLES_A_CODE + 1
    assert (tally.examples[-1]["request_id"], tally.examples[-1]["item"]) == ("last", 7)


def test_a_tally_stays_small_whatever_comes() -> None:
    tally = Tally()
    names = "/" + "n" * 10_000

    for number in range(MOST_CODES + 100):
        found = flipped([], [error(f"code {number}.{part}", names) for part in range(20)])
        tally.count(found)
        tally.show(found, request_id="r", item=0)

    assert len(tally.codes) == MOST_CODES + 1
    assert tally.codes[OTHER_CODES]["to_invalid"] == (MOST_CODES + 100) * 20 - MOST_CODES
    assert len(tally.examples) == MOST_EXAMPLES
    assert {len(example["new"]) for example in tally.examples} == {SHOWN_A_SIDE}
    assert max(len(mark["pointer"]) for example in tally.examples for mark in example["new"]) <= 200
