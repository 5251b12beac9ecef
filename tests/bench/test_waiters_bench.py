"""Long polls at scale: a thousand who wait in one real web process are answered, also when it is told to end."""

import os
import signal
from pathlib import Path

import httpx

from app.database import Database
from app.redis import connect
from app.settings import Settings
from ops.bench.line import Line
from tests.api.calls import GOOD_RATE, VALIDATE
from tests.factories import issue_token
from tests.processes import Web, Worker, environment, wait_for

WAITERS = 1_000
#: Longer than this test takes on any machine.
WAIT_S = 600


def pending(web: Web, token: str) -> str:
    """Return where to wait for a request that nobody judges yet."""
    body = {"ruleset": "fx_rate", "item": GOOD_RATE}
    reply = httpx.post(f"{web.url}{VALIDATE}", json=body, headers={"Authorization": f"Bearer {token}"}, timeout=60)
    return f"{reply.json()['links']['result']}?wait={WAIT_S}"


def waiters(web: Web, token: str) -> int:
    """Return how many wait in the process."""
    reply = httpx.get(f"{web.url}/statusz", headers={"Authorization": f"Bearer {token}"}, timeout=60)
    return int(reply.json()["waiters"])


def test_a_thousand_who_wait_are_all_answered(settings: Settings, database: Database, tmp_path: Path) -> None:
    token = issue_token(database, scopes=["validations:write", "validations:read", "status:read"])
    env = environment(settings, RATE_MAX_WAIT_S=str(WAIT_S))
    client = connect(settings.redis_url, read_timeout_s=5)
    with Web(env, tmp_path) as web:
        before = client.info("clients")["connected_clients"]
        paths = [pending(web, token) for _ in range(10)]

        with Line(web.port, token, paths * (WAITERS // 10)) as line:
            wait_for(lambda: waiters(web, token) == WAITERS, timeout_s=120, what="all of them")
            used = client.info("clients")["connected_clients"] - before
            with Worker(env, tmp_path):
                woken = line.answers()
        with Line(web.port, token, [pending(web, token)] * WAITERS) as line:
            wait_for(lambda: waiters(web, token) == WAITERS, timeout_s=120, what="all of them again")
            os.killpg(web.pid, signal.SIGTERM)
            sent_home = line.answers()

    assert [answer.status for answer in woken] == [200] * WAITERS
    assert {answer.body["verdict"] for answer in woken} == {"valid"}
    assert used <= 25
    assert [answer.status for answer in sent_home] == [202] * WAITERS
    assert {answer.body["state"] for answer in sent_home} == {"pending"}
