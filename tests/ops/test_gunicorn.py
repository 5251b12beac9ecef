"""How gunicorn stops and counts: no long poll is cut short, and no count of an earlier process is added."""

import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from app.database import Database
from app.settings import Settings
from ops import gunicorn
from tests.factories import issue_token
from tests.processes import Web, environment, wait_for

ITEM = {"date": "2026-11-20", "base": "EUR", "quote": "USD", "rate": "1.0842", "source": "ECB"}


def test_a_long_poll_is_answered_when_the_web_process_is_told_to_stop(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    replies: list[httpx.Response] = []
    headers = {"X-API-Key": issue_token(database), "Prefer": "wait=25", "Connection": "close"}
    with Web(environment(settings), tmp_path) as web:
        # No worker runs, so the answer would take all of the 25 seconds.
        url = f"{web.url}/api/validation/validate"
        body = {"ruleset": "fx_rate", "item": ITEM}
        poll = threading.Thread(target=lambda: replies.append(httpx.post(url, json=body, headers=headers, timeout=40)))
        poll.start()
        wait_for(lambda: web.says("validation.accepted"), what="the request")
        told = time.monotonic()

        code = web.stop()

        poll.join(40)
        took = time.monotonic() - told
    assert code == 0
    assert replies[0].status_code == 202
    assert replies[0].json()["state"] == "pending"
    assert took < 20


def test_counts_of_processes_that_are_gone_are_thrown_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(gunicorn.METRICS, str(tmp_path))
    (tmp_path / "counter_17.db").touch()

    gunicorn.on_starting(SimpleNamespace())

    assert list(tmp_path.iterdir()) == []


def test_counts_are_kept_while_a_new_master_takes_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(gunicorn.METRICS, str(tmp_path))
    monkeypatch.setenv("GUNICORN_PID", "17")
    (tmp_path / "counter_17.db").touch()

    gunicorn.on_starting(SimpleNamespace())

    assert (tmp_path / "counter_17.db").exists()


def test_a_metrics_folder_of_our_own_goes_with_us(monkeypatch: pytest.MonkeyPatch) -> None:
    # First set, so that what on_starting sets is undone afterwards.
    monkeypatch.setenv(gunicorn.METRICS, "")
    monkeypatch.delenv(gunicorn.METRICS)
    monkeypatch.setattr(gunicorn, "_own_folder", None)

    gunicorn.on_starting(SimpleNamespace())
    folder = Path(os.environ[gunicorn.METRICS])

    assert folder.is_dir()
    gunicorn.on_exit(SimpleNamespace(reexec_pid=0))
    assert not folder.exists()
