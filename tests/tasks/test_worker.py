"""The worker's process: what it is made of."""

import os
import subprocess
import sys

from tests.test_wsgi import NOWHERE

BOOTED = """
import gc, tasks.worker
tasks.worker.boot()
print(gc.get_freeze_count())
"""
LOADED = """
import sys, tasks.worker
print([name for name in ("flask", "alembic", "gunicorn") if name in sys.modules])
"""


def test_a_worker_loads_neither_the_web_nor_the_migrations() -> None:
    # Each costs every worker time and memory, and Alembic tells of itself before our logs are set up.
    loaded = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, timeout=120, check=True)

    assert loaded.stdout.strip() == "[]"


def test_what_a_worker_is_made_of_is_not_collected_again_and_again() -> None:
    # A full collection stops every thread, for a tenth of a second here.
    env = {**os.environ, **NOWHERE}
    booted = subprocess.run(
        [sys.executable, "-c", BOOTED], capture_output=True, text=True, timeout=120, check=True, env=env
    )

    assert int(booted.stdout) > 50_000
