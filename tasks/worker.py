"""The worker's door: `dramatiq tasks.worker:boot`."""

import gc
import sys

import dramatiq

from app.platform import Platform
from app.settings import Settings
from app.telemetry import logs
from app.telemetry.tracking import Tracking
from broker import SignalGrace
from broker.monitor import Monitor
from tasks import comparison, orphans, tracking, upkeep, validation
from tasks.failures import Failures
from tasks.trace import Trace


def boot() -> None:
    """Set up this process and hand Dramatiq the broker that knows all actors."""
    settings = Settings.from_env()
    # Dramatiq has its first process read all lines and write them again, which costs more than to make them.
    sys.stderr = sys.__stderr__
    logs.configure(settings)
    orphans.end_with_parent()
    platform = Platform.open(settings, name="worker")
    declare(platform)
    tracking.install(platform.broker, Tracking.open(settings, process="worker"))
    dramatiq.set_broker(platform.broker)
    # What is there by now stays: it need not be looked through by each full collection, for which all threads wait.
    gc.collect()
    gc.freeze()


def declare(platform: Platform) -> None:
    """Make every actor, and the middleware they need, known to the platform's broker."""
    platform.broker.add_middleware(Trace(), before=type(platform.broker.middleware[0]))
    platform.broker.add_middleware(SignalGrace())
    platform.broker.add_middleware(Failures(platform))
    platform.broker.add_middleware(Monitor())
    validation.declare(platform)
    comparison.declare(platform)
    upkeep.declare(platform)
