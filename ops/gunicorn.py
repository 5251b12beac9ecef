"""How gunicorn serves the web process: `gunicorn --config ops/gunicorn.py wsgi:app`.

gevent patches a worker after the fork and before the app is imported, and never the master: so nothing here imports the
app, and `preload_app` stays off. Address and number of workers are gunicorn's own $PORT and $WEB_CONCURRENCY.
"""

import gc
import os
import shutil
import signal
import tempfile
from pathlib import Path
from types import FrameType

import gevent
from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker

#: Where the processes of one gunicorn add up their metrics; prometheus_client reads it.
METRICS = "PROMETHEUS_MULTIPROC_DIR"

worker_class = "ops.serving.worker.Worker"
#: Each long poll holds one.
worker_connections = 10_000

# A long poll (25 s at most) is answered at once when the process is to stop; what else runs has this long. Platforms
# kill after 30 s.
graceful_timeout = 25
#: A worker whose loop has stood still for so long is killed.
timeout = 30
#: Longer than a balancer keeps an idle connection (Heroku's router: 90 s), so that the balancer is who closes it.
keepalive = 100

limit_request_line = 4094
limit_request_fields = 64
limit_request_field_size = 8190

# The heartbeat file must not wait for a disk.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None
# The app logs each request itself, with its id and without its query.
accesslog = None
# One fixed path in the home folder: a second instance on the machine would take it over.
control_socket_disable = True

_own_folder: str | None = None


def on_starting(server: Arbiter) -> None:
    """The metrics folder exists and is empty: counts of processes that are gone would be added to ours."""
    global _own_folder
    if "GUNICORN_PID" in os.environ:
        return  # An upgrade by SIGUSR2: the workers of the old master still write there.
    if METRICS not in os.environ:
        os.environ[METRICS] = _own_folder = tempfile.mkdtemp(prefix="rate-platform-metrics-")
    folder = Path(os.environ[METRICS])
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("*.db"):
        file.unlink()


def post_worker_init(worker: Worker) -> None:
    """The platform's threads run in this worker, and long polls are answered as soon as it is told to stop."""
    platform = worker.wsgi.extensions["platform"]
    platform.start()
    stop = signal.getsignal(signal.SIGTERM)

    def drain(number: int, frame: FrameType | None) -> None:
        gevent.spawn(platform.hub.drain)  # a signal handler must not wait for a lock
        if callable(stop):
            stop(number, frame)

    signal.signal(signal.SIGTERM, drain)
    # What is there by now stays: it need not be looked through by each full collection, for which all requests wait.
    gc.collect()
    gc.freeze()


def worker_exit(server: Arbiter, worker: Worker) -> None:
    """What the worker still had to write is written."""
    if worker.booted:
        worker.wsgi.extensions["platform"].close()


def child_exit(server: Arbiter, worker: Worker) -> None:
    """Gauges of a process that has ended do not count any more."""
    from prometheus_client import multiprocess  # reads METRICS when it is imported

    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]  # it has no types


def on_exit(server: Arbiter) -> None:
    """The metrics folder is gone, unless somebody else named it or an upgraded master goes on with it."""
    if _own_folder and not server.reexec_pid:
        shutil.rmtree(_own_folder, ignore_errors=True)
