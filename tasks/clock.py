"""The clock: sends the upkeep messages when they are due. Any number may run: what they start is harmless twice."""

import signal
import sys
from types import FrameType

import structlog
from apscheduler.schedulers.blocking import BlockingScheduler
from dramatiq import BrokerConnectionError, Message

from app import messages
from app.platform import Platform
from app.settings import Settings
from app.telemetry import logs
from app.telemetry.tracking import Tracking

log = structlog.get_logger(__name__)

#: How often stranded requests are looked for.
RESCUE_EVERY_S = 1
#: How often stranded comparisons are; nobody waits for one at the door.
RESUME_EVERY_S = 5
#: How often the months ahead are looked at; far more often than needed, because nothing works without them.
PARTITIONS_EVERY_H = 6
#: How often old idempotency keys are removed: none counts any more, they only take room.
FORGET_KEYS_EVERY_H = 1
#: How often comparisons that were kept long enough are removed.
FORGET_COMPARISONS_EVERY_H = 1


class Clock:
    """Sends due messages; remembers an outage so that it is logged once."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._away = False

    def send(self, message: Message[None]) -> None:
        """Send the message; while Redis is away the tick is dropped, and the next one tries again."""
        try:
            self._platform.broker.enqueue(message)
        except BrokerConnectionError as error:
            if not self._away:
                log.warning("clock.redis_away", error=str(error))
            self._away = True
        else:
            self._away = False

    def schedule(self) -> BlockingScheduler:
        """Return a scheduler that sends everything when it is due, and the partitions once at its start."""
        scheduler = BlockingScheduler(timezone="UTC")
        options = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        scheduler.add_job(lambda: self.send(messages.rescue()), "interval", seconds=RESCUE_EVERY_S, **options)
        scheduler.add_job(lambda: self.send(messages.resume()), "interval", seconds=RESUME_EVERY_S, **options)
        scheduler.add_job(
            lambda: self.send(messages.make_partitions()), "interval", hours=PARTITIONS_EVERY_H, **options
        )
        scheduler.add_job(lambda: self.send(messages.forget_keys()), "interval", hours=FORGET_KEYS_EVERY_H, **options)
        scheduler.add_job(
            lambda: self.send(messages.forget_comparisons()), "interval", hours=FORGET_COMPARISONS_EVERY_H, **options
        )
        scheduler.add_job(lambda: self.send(messages.make_partitions()))
        return scheduler


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    settings = Settings.from_env()
    logs.configure(settings)
    Tracking.open(settings, process="clock")
    platform = Platform.open(settings, name="clock")
    scheduler = Clock(platform).schedule()

    def stop(signum: int, frame: FrameType | None) -> None:
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    log.info("clock.started")
    try:
        scheduler.start()
    finally:
        platform.close()


if __name__ == "__main__":
    main()
