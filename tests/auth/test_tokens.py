import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.auth import tokens


def test_a_token_has_the_form_that_scanners_look_for() -> None:
    token = tokens.make()

    assert len(token) == 40
    assert tokens.SHAPE.fullmatch(token)
    assert tokens.is_sound(token)


def test_no_two_tokens_are_alike() -> None:
    assert len({tokens.make() for _ in range(1000)}) == 1000


@given(place=st.integers(4, 39), other=st.sampled_from(tokens.ALPHABET))
def test_one_wrong_character_is_noticed(place: int, other: str) -> None:
    token = tokens.make()
    wrong = token[:place] + other + token[place + 1 :]

    assert tokens.is_sound(wrong) == (wrong == token)


@pytest.mark.parametrize(
    "text",
    ["", "rpt_", "rpt_" + "0" * 36, tokens.make() + "\n", tokens.make() + "0", "xyz_" + "0" * 36],
    ids=["nothing", "the prefix", "a wrong checksum", "a line end", "one too many", "another prefix"],
)
def test_what_is_not_a_token_is_not_sound(text: str) -> None:
    assert not tokens.is_sound(text)


@given(st.text())
def test_any_text_whatever_can_be_asked_about(text: str) -> None:
    assert not tokens.is_sound(text)


BODY = st.text(st.sampled_from(tokens.ALPHABET + "_-"), max_size=40)


@given(
    st.lists(
        st.sampled_from(["rp", "rpt_", "rps_", "eyJ", "eyJhbGciOi", ".", '"', "é", "0" * 36, tokens.make()])
        | BODY
        | st.text(max_size=5),
        max_size=8,
    ).map("".join)
)
def test_nothing_that_looks_like_a_token_gets_by_unread(text: str) -> None:
    assert tokens.blot(text) == tokens.LEAK.sub(tokens.BLOT, text)


def test_the_checksum_is_the_crc32_of_what_stands_before_it() -> None:
    # CRC-32 of "123456789" is 0xCBF43926, the check value of its specification; 3421780262 in base62 is 3jZZmG.
    number = sum(
        tokens.ALPHABET.index(digit) * 62**power for power, digit in enumerate(reversed(tokens.checksum("123456789")))
    )

    assert number == 0xCBF43926
