"""The upkeep actors: rescue of stranded requests and comparisons, months ahead, end of old keys and comparisons."""

from datetime import timedelta

import dramatiq
import structlog

from app import comparison, messages, release
from app.models import idempotency
from app.platform import Platform
from app.rescue import rescue
from tasks.outages import patient

log = structlog.get_logger(__name__)


def declare(platform: Platform) -> None:
    """Make the actors known to the platform's broker. The clock sends them; a tick that fails is not retried."""

    @dramatiq.actor(
        broker=platform.broker, actor_name=messages.RESCUE, queue_name=messages.UPKEEP, max_retries=0, priority=-1
    )
    def rescue_stranded() -> None:
        rescue(
            platform.database,
            platform.broker,
            epoch=platform.epoch.read(),
            depth=platform.epoch.depth(),
            settings=platform.settings,
        )

    @dramatiq.actor(
        broker=platform.broker, actor_name=messages.RESUME, queue_name=messages.UPKEEP, max_retries=0, priority=-1
    )
    def resume_comparisons() -> None:
        after_ms = platform.settings.rescue_after_ms
        if resumed := comparison.resume(platform.database, platform.broker, after_ms=after_ms):
            log.info("comparison.sent_again", comparisons=resumed)

    @dramatiq.actor(
        broker=platform.broker, actor_name=messages.MAKE_PARTITIONS, queue_name=messages.UPKEEP, priority=-1
    )
    def make_partitions() -> None:
        with patient(), platform.database.transaction() as session:
            for name in release.make_partitions(session.connection(), platform.settings):
                log.info("partition.made", partition=name)

    @dramatiq.actor(broker=platform.broker, actor_name=messages.FORGET_KEYS, queue_name=messages.UPKEEP, priority=-1)
    def forget_keys() -> None:
        kept = timedelta(hours=platform.settings.idempotency_keys_kept_h)
        with patient(), platform.database.autocommit() as session:
            while forgotten := idempotency.forget(session, kept=kept):
                log.info("idempotency_keys.forgotten", keys=forgotten)

    @dramatiq.actor(
        broker=platform.broker,
        actor_name=messages.FORGET_COMPARISONS,
        queue_name=messages.UPKEEP,
        max_retries=0,
        priority=-1,
    )
    def forget_comparisons() -> None:
        if gone := comparison.forget(platform.database, days=platform.settings.comparison_days):
            log.info("comparison.forgotten", comparisons=gone)
