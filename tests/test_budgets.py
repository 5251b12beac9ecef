"""Budgets, by a clock that the tests turn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import budgets
from app.budgets import WHOLE_S, Budget

PER_S = 10


def spend(budget: Budget, units: int, now: float) -> int:
    """Return how many single units of `units` there were."""
    spent = 0
    for _ in range(units):
        if budget.pause_s("somebody", now) == 0:
            budget.spend("somebody", 1, now)
            spent += 1
    return spent


def test_all_at_once_is_what_comes_back_while_it_gets_whole() -> None:
    budget = Budget(PER_S)

    assert spend(budget, 1_000, now=5.0) == budget.size == PER_S * WHOLE_S


def test_whoever_has_spent_everything_is_told_when_there_is_one_unit_again() -> None:
    budget = Budget(PER_S)
    spend(budget, budget.size, now=5.0)

    pause_s = budget.pause_s("somebody", 5.0)

    assert pause_s == pytest.approx(1 / PER_S)
    assert budget.pause_s("somebody", 5.0 + pause_s + 1e-9) == 0


def test_what_is_left_is_told() -> None:
    budget = Budget(PER_S)

    assert budget.left("somebody", 5.0) == budget.size
    spend(budget, 7, now=5.0)

    assert budget.left("somebody", 5.0) == budget.size - 7
    assert budget.whole_in_s("somebody", 5.0) == pytest.approx(0.7)
    assert (budget.left("somebody", 6.0), budget.whole_in_s("somebody", 6.0)) == (budget.size, 0)


def test_a_debt_is_paid_by_waiting() -> None:
    budget = Budget(PER_S)

    budget.spend("somebody", budget.size + 50, now=5.0)

    assert budget.left("somebody", 5.0) == 0
    assert budget.pause_s("somebody", 5.0) == pytest.approx(5.1)


def test_nobody_pays_for_another() -> None:
    budget = Budget(PER_S)
    budget.spend("somebody", 1_000, now=5.0)

    assert budget.pause_s("another", 5.0) == 0
    assert budget.left("another", 5.0) == budget.size


@given(st.lists(st.tuples(st.floats(0, 2), st.integers(1, 50)), max_size=60))
def test_no_more_passes_in_any_time_than_its_rate_and_one_burst(steps: list[tuple[float, int]]) -> None:
    budget, now, passed = Budget(PER_S), 100.0, 0

    for pause_s, tries in steps:
        now += pause_s
        passed += spend(budget, tries, now)

    assert passed <= budget.size + (now - 100.0) * PER_S + 1e-6


def test_names_that_have_spent_nothing_lately_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budgets, "MOST_KNOWN", 3)
    budget = Budget(PER_S)
    for number in range(3):
        budget.spend(number, 1, now=5.0)
    budget.spend("in debt", 1_000, now=6.0)

    assert budget.pause_s("in debt", 7.0) > 0
    assert len(budget._whole_at) == 1

    for number in range(100):
        budget.spend(number, 1_000, now=7.0)
    assert len(budget._whole_at) <= 3
