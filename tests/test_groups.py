"""Groups: what comes at the same time is done as one, each with its own end; what many ask is asked once."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
import structlog

from app import groups
from app.groups import Groups, Once, Place
from tests.processes import wait_for


class Away(Exception):
    """An error that is everybody's."""


class Desk:
    """Does work in groups, and nothing before its gate is open."""

    def __init__(
        self,
        *,
        most: int = 64,
        patience_s: float = 0,
        ahead: Callable[[], int] | None = None,
        fail: Callable[[Sequence[int]], None] = lambda _: None,
    ) -> None:
        self.gate = threading.Event()
        self.groups: list[list[int]] = []
        self._fail = fail
        self.desk = Groups("desk", self._act, shared=(Away,), most=most, patience_s=patience_s, ahead=ahead)

    def _act(self, numbers: Sequence[int]) -> Sequence[int | Exception]:
        self.groups.append(list(numbers))
        self.gate.wait()
        self._fail(numbers)
        return [number * 10 if number < 100 else ValueError(number) for number in numbers]

    def ask(self, *numbers: int) -> list[int | Exception]:
        """Return what came of these, the first handed in before the others, which come together."""
        with ThreadPoolExecutor(len(numbers)) as threads:
            first, *others = numbers
            asked = [threads.submit(self.desk.do, first)]
            wait_for(lambda: self.groups != [], what="the first one's turn")
            asked += [threads.submit(self.desk.do, number) for number in others]
            wait_for(lambda: len(self.desk._arrivals) == len(others), what="the others")
            self.gate.set()
        return [future.exception() or future.result() for future in asked]  # type: ignore[misc]  # Only our exceptions.


def test_whoever_comes_while_a_group_is_done_is_done_with_the_next() -> None:
    desk = Desk()

    results = desk.ask(1, 2, 3, 4)

    assert results == [10, 20, 30, 40]
    assert desk.groups[0] == [1]
    assert sorted(desk.groups[1]) == [2, 3, 4]


def test_a_group_has_its_bounds() -> None:
    desk = Desk(most=2)

    assert desk.ask(1, 2, 3, 4) == [10, 20, 30, 40]
    assert [len(group) for group in desk.groups] == [1, 2, 1]


def test_after_company_a_group_waits_for_as_many_again() -> None:
    desk = Desk(patience_s=60)
    desk.ask(1, 2, 3)

    with ThreadPoolExecutor(2) as threads:
        early = threads.submit(desk.desk.do, 4)
        wait_for(lambda: len(desk.desk._arrivals) == 1, what="the group that waits")
        assert not early.done()
        late = threads.submit(desk.desk.do, 5)

    assert (early.result(), late.result()) == (40, 50)
    assert sorted(desk.groups[2]) == [4, 5]


def test_a_group_waits_for_no_more_who_do_not_come() -> None:
    desk = Desk(patience_s=0.01)
    desk.ask(1, 2, 3)

    assert desk.ask(4) == [40]


def test_a_few_wait_while_more_are_under_way_and_go_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "HELD_S", 60)
    under_way = [7]
    desk = Desk(patience_s=60, ahead=lambda: under_way[0])

    with ThreadPoolExecutor(8) as threads:
        early = threads.submit(desk.desk.do, 1)
        wait_for(lambda: len(desk.desk._arrivals) == 1, what="the one who waits")
        desk.desk.look()
        with pytest.raises(TimeoutError):
            early.result(0.05)
        under_way[0] = 0
        desk.gate.set()
        others = [threads.submit(desk.desk.do, number) for number in range(2, 9)]
        desk.desk.look()
        assert early.result(10) == 10
        assert [other.result(10) for other in others] == [20, 30, 40, 50, 60, 70, 80]

    assert [len(group) for group in desk.groups] == [8]


def test_nobody_waits_while_no_more_are_under_way_than_have_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "HELD_S", 60)
    desk = Desk(ahead=lambda: 4)

    desk.ask(1, 2, 3, 4, 5)

    assert [len(group) for group in desk.groups] == [1, 4]


def test_where_few_are_present_nobody_waits_for_those_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "HELD_S", 60)
    desk = Desk(ahead=lambda: 6)

    assert desk.ask(1) == [10]


def test_what_is_as_large_as_it_may_be_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "HELD_S", 60)
    under_way = [0]
    desk = Desk(most=3, ahead=lambda: under_way[0])
    desk.ask(1)
    under_way[0] = 100
    desk.gate.clear()

    with ThreadPoolExecutor(3) as threads:
        asked = [threads.submit(desk.desk.do, number) for number in (2, 3, 4)]
        desk.gate.set()
        assert [each.result(10) for each in asked] == [20, 30, 40]


def test_a_few_do_not_wait_for_ever() -> None:
    desk = Desk(patience_s=0.001, ahead=lambda: 60)

    assert desk.ask(1) == [10]


def test_after_one_who_came_alone_nobody_waits() -> None:
    desk = Desk(patience_s=60)

    assert desk.ask(1) == [10]
    assert desk.ask(2) == [20]


def test_one_error_is_one_callers() -> None:
    results = Desk().ask(1, 200, 3)

    assert (results[0], results[2]) == (10, 30)
    assert isinstance(results[1], ValueError)


def test_one_bad_piece_spoils_no_other() -> None:
    def fail(numbers: Sequence[int]) -> None:
        if 2 in numbers:
            raise ZeroDivisionError

    results = Desk(fail=fail).ask(1, 2, 3)

    assert (results[0], results[2]) == (10, 30)
    assert isinstance(results[1], ZeroDivisionError)


def test_an_error_that_is_everybodys_is_not_met_once_for_each() -> None:
    def fail(numbers: Sequence[int]) -> None:
        if 2 in numbers:
            raise Away

    desk = Desk(fail=fail)

    results = desk.ask(1, 2, 3)

    assert results[0] == 10
    assert [type(each) for each in results[1:]] == [Away, Away]
    assert len(desk.groups) == 2


def test_work_is_done_in_nobodys_context() -> None:
    bound: list[dict[str, object]] = []

    def look(_: Sequence[int]) -> Sequence[int]:
        bound.append(dict(structlog.contextvars.get_contextvars()))
        return [0]

    with structlog.contextvars.bound_contextvars(request_id="somebody's"):
        Groups("desk", look, shared=()).do(1)

    assert bound == [{}]


def test_what_many_ask_at_the_same_time_is_asked_once() -> None:
    once: Once[str, int] = Once()
    asked: list[int] = []
    begun, answer = threading.Event(), threading.Event()

    def ask() -> int:
        asked.append(1)
        begun.set()
        answer.wait()
        return 42

    with ThreadPoolExecutor(3) as threads:
        first = threads.submit(once.do, "a", ask)
        begun.wait()
        others = [threads.submit(once.do, "a", ask) for _ in range(2)]
        assert once.do("b", lambda: 7) == 7
        answer.set()

    assert {first.result(), *(other.result() for other in others)} == {42}
    assert once.do("a", lambda: 43) == 43


def test_an_error_is_the_answer_of_all_who_asked_and_of_none_who_ask_later() -> None:
    once: Once[str, int] = Once()

    with pytest.raises(ZeroDivisionError):
        once.do("a", lambda: 1 // 0)

    assert once.do("a", lambda: 1) == 1


def test_who_asks_for_later_does_not_wait_and_who_comes_meanwhile_gets_the_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    once: Once[str, int] = Once()
    asked: list[int] = []
    answer = threading.Event()
    wait = Place.wait

    def ask() -> int:
        asked.append(1)
        answer.wait()
        return 42

    def waiting(place: Place[None, int]) -> int:
        answer.set()
        return wait(place)

    once.soon("a", ask)
    once.soon("a", ask)
    monkeypatch.setattr(Place, "wait", waiting)

    assert once.do("a", lambda: 43) == 42
    assert asked == [1]
    assert once.do("a", lambda: 44) == 44


def test_an_error_that_nobody_waits_for_is_nobodys(capfd: pytest.CaptureFixture[str]) -> None:
    once: Once[str, int] = Once()
    threads: list[threading.Thread] = []

    def ask() -> int:
        threads.append(threading.current_thread())
        raise Away

    once.soon("a", ask)
    wait_for(lambda: bool(threads), what="the question")
    threads[0].join(10)

    assert once.do("a", lambda: 1) == 1
    assert capfd.readouterr().err == ""


def test_without_another_thread_it_is_asked_here(monkeypatch: pytest.MonkeyPatch) -> None:
    once: Once[str, int] = Once()
    asked: list[threading.Thread] = []

    def ask() -> int:
        asked.append(threading.current_thread())
        return 1

    def full(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", full)
    once.soon("a", ask)

    assert asked == [threading.current_thread()]
    assert once.do("a", lambda: 2) == 2


def test_what_is_asked_for_later_is_asked_in_nobodys_context() -> None:
    bound: list[dict[str, object]] = []
    asked = threading.Event()

    def look() -> int:
        bound.append(dict(structlog.contextvars.get_contextvars()))
        asked.set()
        return 0

    with structlog.contextvars.bound_contextvars(request_id="somebody's"):
        Once[str, int]().soon("a", look)

    assert asked.wait(10)
    assert bound == [{}]
