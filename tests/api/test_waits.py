import pytest

from app.api.waits import Wait, preferences


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["wait=10"], {"wait": "10"}),
        (["respond-async, wait=10"], {"respond-async": "", "wait": "10"}),
        (["respond-async", "wait=10"], {"respond-async": "", "wait": "10"}),
        (["WAIT = 10"], {"wait": "10"}),
        (['wait="10"'], {"wait": "10"}),
        (["wait=10; foo=bar"], {"wait": "10"}),
        (["wait=1, wait=2"], {"wait": "1"}),
        (['x="a, wait=3", wait=2'], {"x": "a, wait=3", "wait": "2"}),
    ],
)
def test_preferences_are_read_as_the_rfc_writes_them(lines: list[str], found: dict[str, str]) -> None:
    assert preferences(",".join(lines)) == found


@pytest.mark.parametrize(
    "line",
    [
        "",
        'x="wait=3, wait=4"',
        'wait="3;4"',
        "return=minimal",
        "wait",
        "wait=soon",
        "wait=-1",
        ",,;=",
        "handling=lenient, x=y",
    ],
)
def test_a_preference_that_makes_no_sense_is_ignored(line: str) -> None:
    assert Wait.of(None, line, longest_s=25) == Wait(0)


def test_a_wait_is_never_longer_than_the_longest() -> None:
    assert Wait.of("1000", None, longest_s=25) == Wait(25)
    assert Wait.of(None, "wait=1000", longest_s=25) == Wait(25, "wait=25")


def test_waiting_then_going_on_without_is_both_preferences_at_once() -> None:
    assert Wait.of(None, "wait=3, respond-async", longest_s=25) == Wait(3, "respond-async, wait=3")


def test_the_query_counts_before_the_preference() -> None:
    assert Wait.of("2", "wait=20", longest_s=25) == Wait(2)
