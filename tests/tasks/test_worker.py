"""The worker's process: what it is made of."""

import subprocess
import sys

LOADED = """
import sys, tasks.worker
print([name for name in ("flask", "alembic", "gunicorn") if name in sys.modules])
"""


def test_a_worker_loads_neither_the_web_nor_the_migrations() -> None:
    # Each costs every worker time and memory, and Alembic tells of itself before our logs are set up.
    loaded = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, timeout=120, check=True)

    assert loaded.stdout.strip() == "[]"
