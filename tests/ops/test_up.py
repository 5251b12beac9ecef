"""`ops/up` for real: two at the same time, one that is asked for the samples only and one that is killed."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ops import samples, up
from ops.up import few
from tests.ops.gone import is_gone
from tests.processes import ROOT, wait_for

#: Two whole platforms start at the same time on what may be two busy cores.
TIMEOUT_S = 110.0
#: All of them would only tell once more what the tests of the rules tell.
SAMPLES = ("--samples", "25")


class Up:
    """One run of ops/up with embedded servers, whatever the tests themselves stand on."""

    def __init__(self, output: Path, *arguments: str) -> None:
        self._output = output
        env = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL", "PORT")}
        with output.open("w") as file:
            self.process = subprocess.Popen(
                [ROOT / "ops" / "up", *arguments], stdout=file, stderr=file, env=env, start_new_session=True
            )

    @property
    def said(self) -> str:
        return self._output.read_text()

    def url(self) -> str:
        """Where it serves; it says so as soon as it does."""
        wait_for(lambda: "Serving on " in self.said or self.ended, timeout_s=TIMEOUT_S, what="Serving on")
        return self.said.partition("Serving on ")[2].split()[0]

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Up]:
    run = Up(tmp_path / "serving.txt", *SAMPLES)
    yield run
    run.process.terminate()
    run.process.wait(60)


def descendants(pid: int) -> set[int]:
    """Every process that this one started, and those that they started."""
    children = {child for child, parent in parents().items() if parent == pid}
    return children.union(*map(descendants, children))


def parents() -> dict[int, int]:
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            found[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
    return found


@pytest.mark.parametrize(("url", "reason"), [("redis://127.0.0.1:1/0", "refused"), ("http://127.0.0.1:1", "scheme")])
def test_a_redis_that_does_not_answer_is_told_before_anything_waits_for_it(url: str, reason: str) -> None:
    with pytest.raises(up.Failed, match=f"^No Redis answers at REDIS_URL: .*{reason}"):
        up.ask_redis({"DATABASE_URL": "postgres://127.0.0.1:1/nothing", "REDIS_URL": url})


@pytest.mark.timeout(300)
def test_two_run_side_by_side_and_the_one_that_is_killed_leaves_nothing(serving: Up, tmp_path: Path) -> None:
    once = Up(tmp_path / "once.txt", "--once", *SAMPLES)

    assert once.process.wait(TIMEOUT_S) == 0, once.said
    assert "wrong answers    0" in once.said
    assert {"fx_rate", "freight_rate", "price_list"} == {sample.ruleset for sample in few(samples.load(), 25)}
    url = serving.url()
    assert url not in once.said
    assert httpx.get(f"{url}/readyz").status_code == 200
    left = descendants(serving.process.pid)
    assert len(left) > 10  # servers, processes of the Procfile, and theirs

    serving.process.send_signal(signal.SIGKILL)
    serving.process.wait()

    wait_for(lambda: all(map(is_gone, left)), timeout_s=60, what="the end of what it started")
