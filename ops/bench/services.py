"""The services under measurement: how each is set up, and the command lines of its two processes.

Ours runs as the Procfile says. All offer the same two routes, so that the same clients can visit them.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ops import formation, up
from ops.bench import environment
from ops.bench.contenders import ROOT
from ops.bench.floor import ledger
from ops.bench.freight import RULESET
from ops.bench.load import Way


@dataclass(frozen=True, slots=True)
class Place:
    """Where a service lives: its folder, and its part of the servers."""

    folder: Path
    database_url: str
    #: Without the number of a database.
    redis_url: str
    port: int


#: What a service's processes see, and its clients' token.
Prepared = tuple[dict[str, str], str]


@dataclass(frozen=True, slots=True)
class Service:
    """How a service is set up and started."""

    name: str
    ways: tuple[Way, ...]
    web: str
    worker: str
    #: Sets up the database.
    prepare: Callable[[Place], Prepared]
    #: Asks the database how many verdicts there are.
    verdicts: str = "SELECT count(*) FROM requests WHERE state = 'done'"


def _ours(place: Place) -> Prepared:
    settings = {
        "DATABASE_URL": place.database_url,
        "REDIS_URL": f"{place.redis_url}/0",
        "WEB_CONCURRENCY": "1",
        "GUNICORN_CMD_ARGS": f"--bind 127.0.0.1:{place.port}",
    }
    env = up.environment(place.port) | settings
    up.release(_PROCFILE["release"], env)
    rules = place.folder / "rules.json"
    rules.write_text(json.dumps(RULESET))
    up.run_quietly([sys.executable, "-m", "flask", "--app", "wsgi", "rulesets", "publish", str(rules)], env)
    token = up.development_token(env)
    # A killed gunicorn leaves its folder of metrics behind, so it lies in ours.
    return env | {"PROMETHEUS_MULTIPROC_DIR": str(place.folder / "metrics")}, token


def _by_hand(place: Place, redis_database: int) -> Prepared:
    token = secrets.token_hex()
    settings = {
        ledger.DATABASE: place.database_url,
        ledger.REDIS: f"{place.redis_url}/{redis_database}",
        "BENCH_RESULTS_URL": f"{place.redis_url}/{redis_database + 1}",
        ledger.TOKEN: token,
        "PORT": str(place.port),
    }
    return {**os.environ, **settings}, token


_PROCFILE = formation.read(ROOT / "Procfile")
_GUNICORN = "-m gunicorn --worker-class gevent --workers 1 --keep-alive 100 --no-control-socket --bind 127.0.0.1:$PORT"

OURS = Service(
    "ours",
    (Way.WAIT, Way.LONG_POLL),
    _PROCFILE["web"],
    _PROCFILE["worker"],
    _ours,
    "SELECT count(*) FROM validation_responses",
)
FLOOR = Service(
    "floor",
    (Way.WAIT, Way.LONG_POLL),
    f"exec {sys.executable} {_GUNICORN} 'ops.bench.floor.web:make()'",
    f"exec {sys.executable} -m ops.bench.floor.worker",
    lambda place: _by_hand(place, 2),
)
PEER = Service(
    "Flask + Celery",
    (Way.POLL,),
    f"exec {environment.PYTHON} {_GUNICORN} 'ops.bench.peers.flask_celery:make()'",
    f"exec {environment.PYTHON} -m celery --app ops.bench.peers.flask_celery worker"
    " --pool threads --concurrency 8 --loglevel WARNING",
    lambda place: _by_hand(place, 4),
)
