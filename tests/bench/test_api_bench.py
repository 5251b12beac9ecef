"""The measurement of the API visits real services and finds out wrong answers. Nothing depends on how fast they are."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ops.bench import api, cpu, house, table
from ops.bench.api import Plan
from ops.bench.contenders import ProgramFailed
from ops.bench.ground import wait_for
from ops.bench.house import STAGES, Process, Run, Wrong, sent
from ops.bench.load import BAD, Crowd, Load, Order, Outcome, Way, WrongAnswer, parsed, sheet
from ops.bench.services import FLOOR, OURS, PEER

TINY = Plan(
    rounds=1,
    paced=Crowd(per_s=20, seconds=0.5),
    # Long enough for a verdict on the slowest machine.
    eager=(Crowd(clients=4, seconds=1.5),),
)


def order(port: int, *, way: Way = Way.WAIT, clients: int = 1, per_s: float = 0) -> Order:
    """Return an order for a moment's visits."""
    return Order(port, "token", way, Crowd(clients=clients, per_s=per_s, seconds=0.1))


@contextmanager
def answering(*replies: bytes) -> Iterator[int]:
    """A server on loopback gives each connection these replies over and over, one for each request; yields its port."""

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=converse, args=(connection,), daemon=True).start()

    def converse(connection: socket.socket) -> None:
        number = 0
        with connection:
            while connection.recv(65_536):
                connection.sendall(replies[number % len(replies)])
                number += 1

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def reply(status: str, body: object) -> bytes:
    """Return a response with a JSON body."""
    text = json.dumps(body).encode()
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text


VALID = reply("200 OK", {"verdict": "valid", "items": [{"findings": []}]})
INVALID = reply("200 OK", {"verdict": "invalid", "items": [{"findings": [{}]}]})
ACCEPTED = reply("202 Accepted", {"links": {"result": "/result"}})


def test_ours_and_the_floor_are_visited_each_way_and_every_verdict_is_counted() -> None:
    facts, rows, used = api.measure(TINY, no_peers="not asked for")

    assert any("PostgreSQL 18" in fact for fact in facts)
    assert any("the host kept" in fact for fact in facts)
    assert rows[0].beside == "Flask + Celery: not asked for"
    assert [row.what for row in rows[1:]] == [
        "POST to verdict, p50, 20/s, Prefer: wait",
        "verdicts, 4 clients, Prefer: wait",
        "POST to verdict, p50, 20/s, POST + long poll",
        "verdicts, 4 clients, POST + long poll",
    ]
    assert all(row.figure is not None and row.figure > 0 for row in rows[1:])
    assert used[0] == ("ms of CPU a verdict", *STAGES, "all but clients")
    assert len(used) == 1 + 2 * 2 * 2
    assert all(float(line[-1]) > 0 for line in used[1:])


def test_a_bar_belongs_to_each_figure_beside_the_peer() -> None:
    runs: api.Runs = {}
    run = house.Run(Outcome(visits=10, bad=2, per_s=100, times_ms=[10.0], cpu_s=0.01), dict.fromkeys(STAGES, 1.0), 0.0)
    for service in (OURS, FLOOR, PEER):
        for way in service.ways:
            for crowd in api.FULL.crowds:
                runs[service, way, crowd] = [run]

    rows = list(api.rows(runs, api.FULL, no_peers=None))

    beside_peer = [(row.what, str(row.bar)) for row in rows if "Flask + Celery" in row.beside]
    assert beside_peer == [
        ("POST to verdict, p50, 50/s, Prefer: wait", "≤ 0.2"),
        ("POST to verdict, p99, 50/s, Prefer: wait", "≤ 0.25"),
        ("POST to verdict, p50, 50/s, POST + long poll", "≤ 0.2"),
        ("POST to verdict, p99, 50/s, POST + long poll", "≤ 0.25"),
        ("verdicts, 16 clients, Prefer: wait", "≥ 5"),
        ("verdicts, 64 clients, Prefer: wait", "≥ 5"),
        ("verdicts, 16 clients, POST + long poll", "≥ 3.5"),
        ("verdicts, 64 clients, POST + long poll", "≥ 3.5"),
    ]
    assert sum(str(row.bar) == "≥ 0.7" and "floor" in row.beside for row in rows) == 4
    assert all(row.figure == 1 for row in rows)


def test_every_fifth_item_is_bad() -> None:
    verdicts = [item.verdict for item in sheet(order(0), number=20)]

    assert [place for place, verdict in enumerate(verdicts, start=1) if verdict == "invalid"] == [5, 10, 15, 20]
    assert BAD == 5


def test_a_wrong_verdict_is_found_out() -> None:
    with answering(INVALID) as port, pytest.raises(WrongAnswer, match=r"invalid.*not.*valid"):
        Load(order(port), sheet(order(port), number=4)).run()


def test_a_verdict_without_its_findings_is_found_out() -> None:
    with answering(VALID) as port, pytest.raises(WrongAnswer, match="valid"):
        Load(order(port), sheet(order(port), number=5)[4:]).run()


def test_a_refusal_is_found_out() -> None:
    with answering(reply("429 Too Many Requests", {})) as port, pytest.raises(WrongAnswer, match="429"):
        Load(order(port), sheet(order(port), number=1)).run()


def test_a_wait_that_brings_no_verdict_is_found_out() -> None:
    with answering(ACCEPTED) as port, pytest.raises(WrongAnswer, match="202"):
        Load(order(port), sheet(order(port), number=1)).run()


def test_a_connection_that_is_cut_is_found_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        threading.Thread(target=lambda: listener.accept()[0].close(), daemon=True).start()

        with pytest.raises((WrongAnswer, ConnectionError)):
            Load(order(port), sheet(order(port), number=1)).run()


def test_a_client_that_polls_asks_again_after_a_while() -> None:
    with answering(ACCEPTED, ACCEPTED, VALID) as port:
        outcome = Load(order(port, way=Way.POLL), sheet(order(port), number=4)).run()

    assert outcome.visits >= 1
    assert min(outcome.times_ms) >= 99  # two looks, 50 ms before each


def test_visits_on_a_schedule_are_as_many_as_it_says_and_late_ones_count_from_it() -> None:
    with answering(VALID) as port:
        paced = order(port, clients=0, per_s=50)
        load = Load(paced, sheet(paced, number=4))

        outcome = load.run()

    assert outcome.visits == 5
    assert len(outcome.times_ms) == 5


def test_a_program_that_finds_a_wrong_answer_ends_the_measurement() -> None:
    with answering(INVALID) as port, pytest.raises(Wrong, match="nobody: WrongAnswer"):
        sent(order(port), "nobody")


def test_a_process_that_ends_by_itself_is_told_with_its_last_words(tmp_path: Path) -> None:
    with (
        Process("echo no such thing; exit 3", {}, tmp_path / "web.log") as process,
        pytest.raises(ProgramFailed, match=r"web\.log: no such thing"),
    ):
        wait_for(lambda: process.pid == 0, "the end", patience_s=30)


def test_a_measurement_that_breaks_off_says_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(plan: Plan, *, no_peers: str | None) -> None:
        raise Wrong(f"ours: not after {plan.rounds} round, {no_peers}")

    monkeypatch.setattr(api, "measure", measure)

    assert api.main(["--quick"]) == 1
    assert "Wrong: ours: not after 1 round, not asked for (--peers)" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--write"], ["--write", "--quick", "--peers"]])
def test_a_part_of_a_measurement_is_not_written(words: list[str]) -> None:
    with pytest.raises(SystemExit):
        api.main(words)


def test_a_response_is_whole_only_with_all_of_its_body() -> None:
    whole = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nServer: x\r\n\r\nbody"

    assert parsed(bytearray(whole)) == (200, b"body")
    assert parsed(bytearray(whole[:-1])) is None
    assert parsed(bytearray(whole[:20])) is None
    with pytest.raises(WrongAnswer, match="without its length"):
        parsed(bytearray(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"))


def test_the_cpu_of_a_process_is_counted_with_that_of_its_children() -> None:
    burn = "import time\nwhile time.process_time() < 0.1: pass"
    wait = (
        f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {burn!r}])\nprint('done', flush=True)\ninput()"
    )
    with subprocess.Popen([sys.executable, "-c", wait], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()

        [used] = cpu.used_s(parent.pid)

        parent.communicate(b"\n")
    assert used >= 0.09


def test_the_cpu_of_the_machine_goes_on() -> None:
    early, kept_early = cpu.machine_s()
    wait_for(lambda: cpu.machine_s()[0] > early, "another hundredth of a second", patience_s=30)
    late, kept_late = cpu.machine_s()

    assert 0 <= kept_late - kept_early <= late - early


def test_the_cpu_of_a_process_that_is_gone_is_nothing() -> None:
    gone = subprocess.Popen(["/bin/true"])
    gone.wait()

    assert cpu.used_s(gone.pid) == [0]


def test_a_table_of_any_texts_finds_its_place_in_a_readme(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("<!-- api CPU figures begin -->\nold\n<!-- api CPU figures end -->\n")

    table.put(readme, table.marked([("stage", "ms"), ("web", "1")]), of="api CPU")

    assert readme.read_text() == (
        "<!-- api CPU figures begin -->\n| stage | ms |\n| --- | --- |\n| web | 1 |\n<!-- api CPU figures end -->\n"
    )


def test_the_readme_has_places_for_both_tables() -> None:
    text = api.README.read_text()

    assert text.count("<!-- api figures begin -->") == text.count("<!-- api CPU figures begin -->") == 1


def test_the_half_of_the_runs_counts_that_the_host_has_disturbed_least() -> None:
    key = OURS, Way.WAIT, api.FULL.paced
    runs = [Run(Outcome(1, 0, 0.0, [time_ms], 0.0), {}, kept) for time_ms, kept in ((5, 0.3), (9, 0.0), (7, 0.1))]

    counted = api.calmer({key: runs})

    assert counted == {key: [runs[1], runs[2]]}
    assert api.kept(counted) == pytest.approx(0.05)


def test_a_time_is_one_of_all_visits_whichever_run_they_were_in() -> None:
    calm, busy = (Run(Outcome(99, 0, 0.0, [time_ms] * 99, 0.0), {}, 0.0) for time_ms in (5.0, 9.0))

    assert api.P50.of([calm, busy]) == 5
    assert api.P99.of([calm, busy]) == 9


def test_the_share_that_the_host_keeps_is_a_share() -> None:
    watch = cpu.Watch()

    assert 0 <= watch.kept <= 1
