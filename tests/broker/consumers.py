"""What tests have a consumer do, in place of a worker."""

from typing import Any

from dramatiq.broker import Consumer

from tests.broker.servers import wait_for


def fetch(consumer: Consumer) -> Any:
    """Return the consumer's next message, which must come."""
    return fetch_many(consumer, 1)[0]


def fetch_many(consumer: Consumer, number: int) -> list[Any]:
    """Return the consumer's next messages, which must come."""
    found: list[Any] = []

    def came() -> bool:
        while len(found) < number and (message := next(consumer)) is not None:
            found.append(message)
        return len(found) == number

    wait_for(came, what=f"{number} messages")
    return found
