"""Every measurement of the broker does the work that it measures. Nothing here depends on how fast it was."""

import dataclasses
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from ops.bench import table
from ops.bench.broker import measure
from ops.bench.contenders import BULK, OURS, Contender
from ops.bench.ground import Ground, serve
from ops.bench.measures import MEASURES, recovery
from ops.bench.runs import Field, Miscounted, Plan, drain, percentile, ratio, sent
from ops.bench.table import Row, at_least, at_most

TINY = Plan(
    rounds=1,
    drained=300,
    drained_by_peers=100,
    shared=8_000,
    sent=200,
    bulk=200,
    paced=10,
    sparse=1,
    delayed=20,
    delayed_s=0.2,
    waiting=300,
    idle_s=0.2,
    lost=16,
    patience_s=30,
)

#: How many rows each measurement gives without the peers.
ROWS = {
    "drain": 2,
    "deep-drain": 2,
    "enqueue": 1,
    "bulk": 3,
    "latency": 3,
    "sparse": 1,
    "lateness": 2,
    "memory": 1,
    "scaling": 1,
    "persistence": 2,
    "idle": 2,
    "peers": 1,
}


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A Redis to measure on."""
    with serve(tmp_path_factory.mktemp("bench") / "redis", binary=None, aof=False) as ground:
        yield ground


@pytest.fixture
def field(ground: Ground) -> Field:
    """A tiny measurement without the peers, which would have to be installed."""
    return Field(ground, TINY, aof=False, no_peers="not asked for")


@pytest.mark.parametrize("name", ROWS)
def test_a_measurement_gives_figures(field: Field, name: str) -> None:
    rows = measure(field, [name])

    assert [row.error for row in rows] == [""] * ROWS[name]
    measured = [row for row in rows if "not asked for" not in row.beside]
    assert all(row.figure is not None for row in measured)
    assert len(rows) - len(measured) == (name in ("latency", "peers"))


def test_a_recovery_takes_at_least_as_long_as_the_lease_has_left(field: Field) -> None:
    brief = Contender("brief", "tests.bench.brief", OURS.python, OURS.left)

    [row] = recovery(field, brief)

    assert row.figure is not None
    assert row.figure > 0.3


def test_every_measurement_is_tried_here() -> None:
    assert {*ROWS, "recovery"} == set(MEASURES)


def test_a_queue_is_filled_once_and_then_restored(field: Field) -> None:
    field.fill(OURS, 50)
    first = field.ground.client.xrange("default", count=1)

    field.ground.clear()
    field.fill(OURS, 50)

    assert field.ground.client.xlen("default") == 50
    assert field.ground.client.xrange("default", count=1) == first


def test_a_drain_leaves_nothing(field: Field) -> None:
    drained = drain(field, OURS, 200, prefetch=50)

    assert drained.per_s > 0
    assert drained.cpu_ms > 0
    assert field.ground.client.xlen("default") == 0


def test_a_sender_that_sends_too_few_is_found_out(field: Field) -> None:
    # The bare loop sends whole hundreds only.
    with pytest.raises(Miscounted, match="sent 100 of 150"):
        sent(field, BULK, "bare", 150)


def test_a_contender_that_fails_gives_a_row_that_says_so(field: Field, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = Contender("nobody", "tests.bench.nobody", OURS.python)
    monkeypatch.setitem(MEASURES, "recovery", partial(recovery, contender=nobody))

    [row] = measure(field, ["recovery"])

    assert "No module named tests.bench.nobody" in row.error
    assert row.failed


def test_a_bar_is_passed_at_its_limit() -> None:
    row = Row("drain", "4/s", "other 1/s", 4.0, at_least(4))

    assert not row.failed
    assert dataclasses.replace(row, bar=at_most(4)).cells()[-1] == "passed"
    assert dataclasses.replace(row, figure=3.99).failed
    assert dataclasses.replace(row, figure=3.99).cells()[-1] == "MISSED"


def test_a_bar_without_a_figure_is_missed() -> None:
    assert Row("drain", "", "", None, at_least(4)).failed


def test_a_ratio_is_the_median_of_the_rounds() -> None:
    assert ratio([10, 10, 100], [5, 2, 10]) == 5


def test_a_percentile_is_one_of_the_values() -> None:
    hundred = list(range(1, 101))

    assert percentile(hundred, 0.5) == 50
    assert percentile(hundred, 0.99) == 99
    assert percentile([7], 0.99) == 7


def test_the_readme_gets_the_new_table_and_keeps_the_rest(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- broker figures begin -->\nold\n<!-- broker figures end -->\nafter\n")

    table.renew(readme, ["2 cores", "Redis 7"], [Row("drain", "4/s", "other 1/s", 4.0, at_least(4))])

    text = readme.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "2 cores; Redis 7." in text
    assert "| drain | 4/s | other 1/s | 4 × | ≥ 4 | passed |" in text  # noqa: RUF001  # the sign for times
    assert "old" not in text


def test_a_readme_without_a_place_for_the_table_is_refused(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("nothing here\n")

    with pytest.raises(ValueError, match="no place"):
        table.renew(readme, [], [])
