"""Runs side by side: no folder and no port is anybody else's."""

import socket
from pathlib import Path

import pytest

from ops import run


def test_a_run_takes_the_first_folder_that_no_other_run_holds(tmp_path: Path) -> None:
    with run.folder(tmp_path) as first, run.folder(tmp_path) as second:
        assert first.name == "run-1"
        assert second.name == "run-2"

    with run.folder(tmp_path) as again:
        assert again == first


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "local").write_text("a file in the way")

    with pytest.raises(run.NoPlace, match="run-1"), run.folder(tmp_path / "local"):
        pass


def test_runs_that_start_at_the_same_time_take_different_ports() -> None:
    # Neither of them listens yet.
    with run.port(None) as first, run.port(None) as second:
        assert first != second


def test_a_port_where_somebody_listens_is_passed_over() -> None:
    with run.port(None) as free:
        pass

    with socket.create_server(("127.0.0.1", free)), run.port(None) as port:
        assert port != free


def test_a_wanted_port_is_taken_or_refused_but_not_replaced() -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        taken = stranger.getsockname()[1]

        with pytest.raises(run.NoPlace, match=str(taken)), run.port(taken):
            pass

    with run.port(taken) as port:
        assert port == taken
