"""Rescue: pending requests whose message is lost, or may be, are sent again.

Any number of processes may do this at once: the rows they have taken are locked, the others skip them. Sending a
message twice is harmless, because the second delivery finds the request done.
"""

import structlog
from dramatiq import Broker

from app import messages
from app.database import Database
from app.models import requests
from app.settings import Settings

log = structlog.get_logger(__name__)

#: Rows sent in one transaction, and the most transactions in one run.
BATCH, RUNS = 500, 20
#: Age alone is a reason to send again only while the queue is as good as empty; otherwise the row is waiting its turn.
CALM_DEPTH = 100


def rescue(database: Database, broker: Broker, *, epoch: str, depth: int, settings: Settings) -> int:
    """Send every stranded request again; return how many.

    `epoch` is the present one of the queue and `depth` the number of messages in it.

    Raises:
        DatabaseAway, dramatiq.BrokerConnectionError: the present batch was left as it was.
    """
    total = 0
    for _ in range(RUNS):
        sent = send_batch(database, broker, epoch=epoch, depth=depth, settings=settings)
        total += sent
        if sent < BATCH:
            break
    if total:
        log.info("rescue.sent_again", requests=total)
    return total


def send_batch(database: Database, broker: Broker, *, epoch: str, depth: int, settings: Settings) -> int:
    """Send up to `BATCH` stranded requests again, and mark them, in one transaction; return how many."""
    with database.transaction() as session:
        stranded = requests.stranded(
            session,
            epoch=epoch,
            unsent_after_ms=settings.rescue_after_ms,
            stale_after_ms=settings.rescue_stale_after_ms if depth < CALM_DEPTH else None,
            limit=BATCH,
        )
        for request_id in stranded:
            broker.enqueue(messages.validate(request_id))
        if stranded:
            requests.mark_sent(session.connection(), stranded, epoch=epoch)
    return len(stranded)
