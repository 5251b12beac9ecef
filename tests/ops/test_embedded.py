"""The embedded servers: real ones, whose data outlives them and which do not outlive their parent."""

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from ops import embedded
from ops.embedded import PostgresServer, RedisServer, ServerFailed
from tests.ops.gone import is_gone
from tests.processes import ROOT, wait_for

STARTS_BOTH = """
import signal, sys
from pathlib import Path
from ops.embedded import PostgresServer, RedisServer
servers = [PostgresServer(Path(sys.argv[1]) / "postgres"), RedisServer(Path(sys.argv[1]) / "redis")]
for server in servers:
    server.start()
print(*(server.pid for server in servers), flush=True)
signal.pause()
"""


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A durable Postgres for this file."""
    with PostgresServer(tmp_path_factory.mktemp("embedded") / "postgres") as server:
        yield server


def number(server: PostgresServer) -> int | None:
    with psycopg.connect(server.url) as connection:
        row = connection.execute("SELECT max(number) FROM kept").fetchone()
    assert row is not None
    found: int | None = row[0]
    return found


def test_postgres_keeps_what_was_committed_over_a_kill_and_a_restart(postgres: PostgresServer) -> None:
    with psycopg.connect(postgres.url) as connection:
        connection.execute("CREATE TABLE kept (number int)")
        connection.execute("INSERT INTO kept VALUES (7)")
    url = postgres.url

    postgres.kill()
    postgres.start()

    assert number(postgres) == 7
    postgres.restart()
    assert number(postgres) == 7
    assert postgres.url == url


def test_postgres_is_version_18_and_wants_its_password(postgres: PostgresServer) -> None:
    with psycopg.connect(postgres.url) as connection:
        assert connection.info.server_version // 10_000 == 18
        password = connection.info.password

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres.url.replace(password, "guessed"))

    assert stat.S_IMODE((postgres.data / "password").stat().st_mode) == 0o600


def test_postgres_does_not_run_as_root(postgres: PostgresServer) -> None:
    status = Path(f"/proc/{postgres.pid}/status").read_text()

    capabilities = next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff"))

    assert int(capabilities, 16) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to give up")
def test_root_gets_postgres_running_in_the_private_folder_of_somebody_else(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    os.chown(private, 1234, 1234)

    with PostgresServer(private / "postgres") as server, psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert Path(f"/proc/{server.pid}").stat().st_uid != 0


def test_an_initdb_that_was_cut_off_is_done_again(tmp_path: Path) -> None:
    unfinished = tmp_path / "postgres" / "cluster.new"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")

    with PostgresServer(tmp_path / "postgres") as server, psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, args=["--no-such-setting", "1"])

    with pytest.raises(ServerFailed, match="no-such-setting"):
        server.start()

    assert server.pid is None


def test_redis_keeps_what_it_has_and_evicts_nothing(own_redis: RedisServer) -> None:
    client = redis.Redis.from_url(own_redis.url, decode_responses=True)
    client.set("kept", "7")

    own_redis.kill()
    own_redis.start()

    assert client.get("kept") == "7"
    assert client.config_get("appendonly") == {"appendonly": "yes"}
    assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert client.config_get("bind") == {"bind": "127.0.0.1"}


def test_arguments_of_the_caller_win(tmp_path: Path) -> None:
    with RedisServer(tmp_path, args=["--appendonly", "no"]) as server:
        client = redis.Redis.from_url(server.url, decode_responses=True)

        assert client.config_get("appendonly") == {"appendonly": "no"}


def test_a_port_that_somebody_took_first_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, *_ = embedded.free_ports()
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        taken = stranger.getsockname()[1]
        monkeypatch.setattr(embedded, "free_ports", lambda: iter([taken, first, second]))

        with RedisServer(tmp_path / "redis") as cache, PostgresServer(tmp_path / "postgres") as database:
            assert (cache.port, database.port) == (first, second)


def test_a_data_folder_belongs_to_one_server_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    second = RedisServer(tmp_path)
    with RedisServer(tmp_path):
        monkeypatch.setattr(embedded, "START_TIMEOUT_S", 0.2)

        with pytest.raises(ServerFailed, match="another server"):
            second.start()

    monkeypatch.undo()
    with second:
        assert second.pid


def test_stopping_twice_is_harmless(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    server.start()

    server.stop()
    server.stop()

    assert server.pid is None


def test_servers_end_when_the_program_that_started_them_is_killed(tmp_path: Path) -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", STARTS_BOTH, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert program.stdout
    pids = [int(word) for word in program.stdout.readline().split()]
    assert len(pids) == 2
    assert not any(map(is_gone, pids))

    program.send_signal(signal.SIGKILL)
    program.wait()
    program.stdout.close()

    wait_for(lambda: all(map(is_gone, pids)), what="the end of the servers")
