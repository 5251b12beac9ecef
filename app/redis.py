"""The app's own keys in Redis, next to the broker's: the response streams and the epoch of a queue."""

from broker import connect

__all__ = ["connect", "epoch_key", "stream_key"]


def stream_key(namespace: str, stream: str) -> str:
    """Return the key of a response stream (stream, trimmed by age)."""
    return f"{namespace}:{stream}" if namespace else stream


def epoch_key(namespace: str, queue: str) -> str:
    """Return the key of a queue's epoch (string, immortal).

    The hash tag is the queue's own key, so that on a cluster the epoch dies with the very shard that held the queue.
    """
    return f"{{{stream_key(namespace, queue)}}}:epoch"
