"""The clock: sends what is due, and waits out an outage without a flood of words."""

from dataclasses import replace

from apscheduler.triggers.interval import IntervalTrigger
from structlog.testing import capture_logs

from app import messages
from app.platform import Platform
from app.settings import Settings
from ops.embedded import free_ports
from tasks.clock import RESCUE_EVERY_S, Clock


def test_a_tick_is_sent(platform: Platform) -> None:
    Clock(platform).send(messages.rescue())

    assert platform.broker.client.xlen(platform.broker.keys(messages.UPKEEP).stream) == 1


def test_an_outage_is_told_once_and_survived(settings: Settings) -> None:
    platform = Platform.open(replace(settings, redis_url=f"redis://127.0.0.1:{next(free_ports())}/0"), name="test")
    clock = Clock(platform)

    with capture_logs() as told:
        for _ in range(3):
            clock.send(messages.rescue())

    assert [line["event"] for line in told] == ["clock.redis_away"]
    platform.close()


def test_rescue_is_due_every_second_and_partitions_at_once(platform: Platform) -> None:
    jobs = Clock(platform).schedule().get_jobs()

    intervals = [job.trigger.interval.total_seconds() for job in jobs if isinstance(job.trigger, IntervalTrigger)]
    assert sorted(intervals)[0] == RESCUE_EVERY_S
    assert len(jobs) == len(intervals) + 1


def test_a_tick_that_nobody_took_is_worth_nothing_soon() -> None:
    assert messages.rescue().options["max_age"] == messages.TICK_AGE_MS
