"""Repeatable chance: the same seed gives the same sheets on every Python, so a committed file can be made again.

Only `Random.random` is used: its sequence is the one thing that Python promises to keep between versions.
"""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """A seeded source of choices."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed).random

    def pick(self, options: Sequence[T]) -> T:
        """Return one of `options`."""
        return options[self.below(len(options))]

    def below(self, limit: int) -> int:
        """Return an integer from 0 up to and without `limit`."""
        return int(self._random() * limit)

    def between(self, low: int, high: int) -> int:
        """Return an integer from `low` to `high`, both included."""
        return low + self.below(high - low + 1)
