"""The platform as one process holds it: settings, database, broker, and what is built on them.

Opening it connects nothing, so it may be opened before a fork; `start` makes the threads and belongs after one.
"""

from dataclasses import dataclass

from app import messages, spans
from app.database import Database
from app.epoch import Epoch
from app.intake import Intake
from app.ledger import Ledger
from app.notices import Notices
from app.outbox import Outbox
from app.redis import connect, stream_key
from app.results import BLOCK_MS, Hub
from app.rulebook import Rulebook
from app.settings import Settings
from broker import RedisStreamsBroker, TraceContext

#: A Redis command that takes longer than this counts as an outage: the ledger goes on without Redis.
REDIS_TIMEOUT_S = 2.0


@dataclass(frozen=True)
class Platform:
    """What the doors (web, worker, clock, command line) open and hold."""

    settings: Settings
    database: Database
    broker: RedisStreamsBroker
    epoch: Epoch
    rulebook: Rulebook
    outbox: Outbox
    intake: Intake
    ledger: Ledger
    hub: Hub
    notices: Notices

    @classmethod
    def open(cls, settings: Settings, *, name: str) -> "Platform":
        """Return a platform that has connected to nothing yet. `name` says which door it is, for logs and servers."""
        database = Database.from_settings(settings, name=name)
        broker = RedisStreamsBroker(
            url=settings.redis_url, namespace=settings.redis_namespace, lease_ms=settings.lease_ms
        )
        broker.add_middleware(TraceContext(spans.headers))
        for queue in messages.QUEUES:
            broker.declare_queue(queue)
        client = connect(settings.redis_url, read_timeout_s=REDIS_TIMEOUT_S)
        epoch = Epoch(client, namespace=settings.redis_namespace, queue=messages.VALIDATION_REQUESTS)
        responses = stream_key(settings.redis_namespace, messages.EXTENSION_RESPONSES)
        rulebook = Rulebook()
        outbox = Outbox(database, epoch)
        intake = Intake(database, broker, outbox, rulebook)
        return cls(
            settings=settings,
            database=database,
            broker=broker,
            epoch=epoch,
            rulebook=rulebook,
            outbox=outbox,
            intake=intake,
            ledger=Ledger(database),
            hub=Hub(
                lambda: connect(settings.redis_url, read_timeout_s=BLOCK_MS / 1000 + REDIS_TIMEOUT_S),
                [responses],
                heard=intake.heard,
            ),
            notices=Notices(client, responses),
        )

    def start(self) -> None:
        """Have the hub and the outbox running in this very process; further calls change nothing."""
        self.hub.start()
        self.outbox.start()

    def close(self) -> None:
        """Send waiters home, write down what was sent, and let go of every connection."""
        self.hub.drain()
        self.hub.close()
        self.outbox.close()
        self.broker.close()
        self.database.close()
