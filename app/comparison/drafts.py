"""Drafts as comparisons have frozen them, compiled once in each process: a comparison has hundreds of steps.

Reference tables are frozen, too, by their version: a table that is loaded meanwhile would make two halves of a result.
"""

from sqlalchemy.orm import Session

from app.compiling import compiled
from app.models import comparisons
from app.models.comparisons import Comparison
from app.rules import RuleSet
from app.shelf import Shelf

#: Compiled drafts that a process keeps.
KEPT = 8


class Drafts:
    """Compiled drafts, by content and table versions. Safe for threads."""

    def __init__(self) -> None:
        self._compiled: Shelf[tuple[bytes, frozenset[tuple[str, int]]], RuleSet] = Shelf(KEPT)

    def get(self, session: Session, comparison: Comparison) -> RuleSet:
        """Return the comparison's draft, compiled. Raises RuleSetError."""
        return self._compiled.get(
            (comparison.content_hash, frozenset(comparison.tables.items())),
            lambda: compiled(session, comparisons.definition(session, comparison.id), comparison.tables),
        )
