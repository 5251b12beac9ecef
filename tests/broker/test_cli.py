"""The operators' command, run as a person at a terminal and as a program run it."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import dramatiq
import pytest
import redis

from broker import RedisStreamsBroker, __main__, tables
from tests.broker.looks import message
from tests.broker.servers import Server, wait_for

Run = Callable[..., tuple[int, Any]]


@pytest.fixture
def run(server: Server, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process; return its exit code and what it printed, read as JSON, or its error line."""

    def run_one(*words: str) -> tuple[int, Any]:
        try:
            code = __main__.main(["--url", server.url, *words])
        except SystemExit as ended:
            code = int(ended.code or 0)
        out, err = capsys.readouterr()
        return code, json.loads(out) if out else err

    return run_one


@pytest.fixture
def at_terminal(server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command as at a terminal; return its exit code and all that it printed."""

    def run_one(*words: str, answer: str = "") -> tuple[int, str]:
        monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
        monkeypatch.setattr("sys.stdin", Keyboard(answer))
        code = __main__.main(["--url", server.url, *words])
        out, err = capsys.readouterr()
        return code, out + err

    return run_one


class Keyboard:
    """A person who types one answer."""

    def __init__(self, answer: str) -> None:
        self.answer = answer

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        raise OSError

    def readline(self) -> str:
        return self.answer + "\n"


def kill(broker: RedisStreamsBroker, client: redis.Redis, number: int = 1, actor: str = "work") -> str:
    """Put a dead letter into the default queue's; return its id."""
    body = message(actor, number).encode()
    letter: Any = {
        "reason": "failed",
        "actor": actor,
        "error": "E: \x1b[31mred",
        "traceback": "a\nb\x07",
        "message": body,
    }
    entry_id: Any = client.xadd(broker.keys("default").dead, letter)
    return str(entry_id.decode())


def test_queues_and_workers_are_listed(broker: RedisStreamsBroker, run: Run, start_worker: Callable[..., Any]) -> None:
    @dramatiq.actor
    def work() -> None:
        pass

    start_worker(broker)
    work.send()
    broker.join("default", timeout=10_000)

    code, queues = run("queues")
    assert (code, [(one["name"], one["waiting"], one["paused"]) for one in queues]) == (0, [("default", 0, False)])
    wait_for(lambda: run("workers")[1])
    ((worker,),) = (run("workers")[1],)
    assert (worker["pid"], worker["queue"], worker["alive"]) == (os.getpid(), "default", True)


def test_tables_are_for_terminals(broker: RedisStreamsBroker, at_terminal: Run) -> None:
    broker.enqueue(message("work", 1))

    code, out = at_terminal("queues")

    assert code == 0
    headings, row = out.splitlines()
    assert re.split(r"\s{2,}", headings)[:4] == ["QUEUE", "WAITING", "IN FLIGHT", "DELAYED"]
    assert re.split(r"\s{2,}", row)[:4] == ["default", "1", "0", "0"]
    assert json.loads(at_terminal("queues", "--json")[1])[0]["waiting"] == 1


def test_messages_are_peeked_at_page_by_page(broker: RedisStreamsBroker, run: Run) -> None:
    for number in range(3):
        broker.enqueue(message("work", number))
    broker.enqueue(message("work", 9), delay=60_000)

    code, first = run("peek", "default", "--limit", "2")
    rest = run("peek", "default", "--cursor", first["cursor"])[1]

    assert code == 0
    assert [one["args"] for one in first["items"] + rest["items"]] == [[0], [1], [2]]
    assert rest["cursor"] is None
    assert [one["args"] for one in run("peek", "default", "--delayed")[1]["items"]] == [[9]]


def test_what_strangers_wrote_cannot_command_the_terminal(
    broker: RedisStreamsBroker, at_terminal: Run, redis_client: redis.Redis
) -> None:
    id = kill(broker, redis_client)
    redis_client.xadd("default", {"m": b"\x1b]0;title\x07\xff"})

    shown = at_terminal("dead", "show", "default", id)[1]
    everything = shown + at_terminal("peek", "default")[1] + at_terminal("dead", "list", "default")[1]

    assert "\x1b" not in everything
    assert "\x07" not in everything
    assert r"\x1b[31mred" in shown
    assert shown.endswith("a\nb\\x07\n")


def test_dead_letters_are_replayed_by_id_and_by_filter(
    broker: RedisStreamsBroker, run: Run, redis_client: redis.Redis
) -> None:
    ids = [kill(broker, redis_client, number, actor="one" if number < 3 else "other") for number in range(5)]

    assert run("dead", "replay", "default", ids[0]) == (0, {"replayed": 1})
    assert run("dead", "replay", "default", "--actor", "one", "--yes") == (0, {"replayed": 2})
    assert [one["actor"] for one in run("dead", "list", "default")[1]["items"]] == ["other", "other"]
    assert run("dead", "replay", "default", "--all", "--rate", "1000", "--yes") == (0, {"replayed": 2})
    assert run("queues")[1][0]["waiting"] == 5


def test_dead_letters_are_purged(broker: RedisStreamsBroker, run: Run, redis_client: redis.Redis) -> None:
    ids = [kill(broker, redis_client, number) for number in range(4)]

    assert run("dead", "purge", "default", ids[0], "--yes") == (0, {"purged": 1})
    assert run("dead", "purge", "default", "--older-than", "1", "--yes") == (0, {"purged": 0})
    assert run("dead", "purge", "default", "--all", "--yes") == (0, {"purged": 3})


def test_what_destroys_is_asked_about(
    broker: RedisStreamsBroker, run: Run, at_terminal: Run, redis_client: redis.Redis
) -> None:
    kill(broker, redis_client)

    assert run("dead", "purge", "default", "--all") == (2, "broker: this needs --yes where nobody can be asked\n")
    code, out = at_terminal("dead", "purge", "default", "--all", answer="no")
    assert code == 1
    assert out.startswith("All dead letters of default will be deleted for good. Go on? [y/N]")
    assert redis_client.xlen(broker.keys("default").dead) == 1
    assert at_terminal("dead", "purge", "default", "--all", answer="y")[0] == 0
    assert redis_client.xlen(broker.keys("default").dead) == 0


def test_a_queue_is_paused_and_resumed(broker: RedisStreamsBroker, run: Run) -> None:
    broker.enqueue(message("work"))

    assert run("pause", "default")[0] == 0
    assert run("queues")[1][0]["paused"] is True
    assert run("resume", "default")[0] == 0
    assert run("queues")[1][0]["paused"] is False


def test_a_message_is_cancelled(broker: RedisStreamsBroker, run: Run) -> None:
    sent = broker.enqueue(message("work"))

    code, shown = run("cancel", "default", sent.message_id, "--yes")

    assert (code, shown["was"]) == (0, "waiting")
    assert run("cancel", "default", sent.message_id, "--yes")[0] == 1


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (("peek", "nosuch\x1b"), 1, r"no queue is called nosuch\x1b"),
        (("dead", "show", "default", "1-1"), 1, "no dead letter of default has the id 1-1"),
        (("peek", "default", "--cursor", "x"), 1, "no cursor of messages: 'x'"),
        (("dead", "replay", "default"), 2, "name either letters by their ids, or --all, --actor or --reason"),
        (
            ("dead", "replay", "default", "1-1", "--all"),
            2,
            "name either letters by their ids, or --all, --actor or --reason",
        ),
        (
            ("dead", "purge", "default", "--all", "--older-than", "1"),
            2,
            "name either letters by their ids, or --all, or --older-than HOURS",
        ),
    ],
)
def test_what_goes_wrong_is_said_in_one_line(
    broker: RedisStreamsBroker, run: Run, words: tuple[str, ...], code: int, line: str
) -> None:
    broker.enqueue(message("work"))

    assert run(*words) == (code, f"broker: {line}\n")


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("nonsense",),
        ("dead",),
        ("dead", "replay", "q", "--all", "--rate", "0"),
        ("dead", "replay", "q", "--all", "--rate", "often"),
        ("dead", "purge", "q", "--older-than", "-1"),
    ],
)
def test_words_that_make_no_sense_end_with_2(run: Run, words: tuple[str, ...]) -> None:
    assert run(*words)[0] == 2


def test_a_server_that_is_away_is_said_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(["--url", "redis://127.0.0.1:1/0", "queues"]) == 1
    assert capsys.readouterr().err.startswith("broker: ")
    with pytest.raises(SystemExit, match="2"):
        __main__.main(["--url", "nonsense", "queues"])


def test_it_runs_as_a_module_at_a_real_terminal(broker: RedisStreamsBroker, server: Server) -> None:
    broker.enqueue(message("work"))
    command = [sys.executable, "-m", "broker", "--url", server.url, "queues"]
    elsewhere = {**os.environ, "REDIS_URL": "redis://127.0.0.1:1/0"}
    ours, theirs = pty.openpty()

    piped = subprocess.run(command, capture_output=True, env=elsewhere, check=True, timeout=30).stdout
    subprocess.run(command, stdout=theirs, env=elsewhere, check=True, timeout=30)

    assert json.loads(piped)[0]["name"] == "default"
    assert os.read(ours, 4096).startswith(b"QUEUE")
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize(
    ("ms", "shown"),
    [
        (None, "-"),
        (0, "0ms"),
        (999, "999ms"),
        (12_000, "12s"),
        (192_000, "3m12s"),
        (18_000_000, "5h0m"),
        (183_600_000, "2d3h"),
    ],
)
def test_ages_are_shown_in_their_two_greatest_units(ms: int | None, shown: str) -> None:
    assert tables.age(ms) == shown


@pytest.mark.parametrize(
    ("ms", "shown"), [(0, "-"), (1_795_438_798_266, "2026-11-23T12:59:58Z"), (10**20, "100000000000000000000")]
)
def test_moments_are_shown_in_utc(ms: int, shown: str) -> None:
    assert tables.moment(ms) == shown


def test_columns_line_up_and_wide_cells_are_cut() -> None:
    shown = tables.table(("NAME", "NUMBER"), [("a" * 80, 1), ("b\n\u202e", 1000)])

    assert shown.splitlines() == [
        "NAME" + " " * 56 + "  NUMBER",
        "a" * 59 + "…       1",
        "b\\n\\u202e" + " " * 51 + "    1000",
    ]
