import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
#: Nothing listens there.
NOWHERE = {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing", "REDIS_URL": "redis://127.0.0.1:1/0"}


def run(*command: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Return how a command ended in an environment of these settings alone."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("RATE_", "DATABASE_", "REDIS_"))}
    return subprocess.run(command, cwd=ROOT, env={**bare, **env}, capture_output=True, text=True, timeout=60)


def load(**env: str) -> subprocess.CompletedProcess[str]:
    """Return how a process ended that only imports the web door."""
    return run(sys.executable, "-c", "import wsgi; print(wsgi.app.name)", **env)


def test_the_door_opens_without_connecting_to_anything() -> None:
    done = load(**NOWHERE)

    assert (done.returncode, done.stdout, done.stderr) == (0, "app\n", "")


def test_wrong_settings_end_the_process_with_a_line_each_and_no_traceback() -> None:
    done = load(REDIS_URL=NOWHERE["REDIS_URL"], RATE_MAX_WAITS="1", RATE_MAX_ITEMS="many")

    assert done.returncode == 3
    assert done.stderr.splitlines() == [
        "RATE_MAX_WAITS is not a setting. Did you mean RATE_MAX_WAIT_S?",
        "DATABASE_URL is not set.",
        "RATE_MAX_ITEMS must be a whole number, not 'many'.",
    ]


def test_gunicorn_gives_up_on_wrong_settings_and_does_not_try_again_and_again() -> None:
    gunicorn = str(Path(sys.executable).with_name("gunicorn"))

    done = run(
        gunicorn, "--config", "ops/gunicorn.py", "--bind", "127.0.0.1:0", "wsgi:app", **NOWHERE, RATE_MAX_ITEMS="many"
    )

    assert done.returncode == 3
    assert done.stderr.count("RATE_MAX_ITEMS must be a whole number, not 'many'.") == 1


STARTED = """
import gc, types
import ops.gunicorn, wsgi
ops.gunicorn.post_worker_init(types.SimpleNamespace(wsgi=wsgi.app))
print(gc.get_freeze_count())
"""


def test_what_the_app_is_made_of_is_not_collected_again_and_again() -> None:
    # A full collection stops every request, for a tenth of a second here.
    done = run(sys.executable, "-c", STARTED, **NOWHERE)

    assert int(done.stdout) > 50_000
