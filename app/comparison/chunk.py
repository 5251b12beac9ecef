"""A chunk: the requests that one step looks at, and the comparison's counters after them."""

import time
from collections.abc import Iterator, Sequence
from typing import Any, Self
from uuid import UUID

from sqlalchemy.orm import Session

from app.models import past
from app.models.comparisons import Comparison
from app.models.past import Judged
from app.rules import Finding, RuleSet
from app.rules.flips import KINDS, Mark, Tally, flip

#: A chunk has no more requests than this, and none is begun after LONGEST_S: neither a click that needs the thread, nor
#: a deploy that waits for its end, waits for long.
MOST, LONGEST_S = 500, 0.25
#: How far back a chunk looks for requests of its rule set, in rows of any.
STRETCH = 10_000
#: What is read at a time: so many requests, or so many bytes as they are stored.
BATCH, BATCH_BYTES = 100, 262_144
#: After so much work there is a rest, in which threads with clicks get the interpreter: it is taken from a busy thread
#: only every 5 ms (sys.getswitchinterval), and a click needs it a dozen times.
WORK_S, REST_S = 0.001, 0.0002

#: The finding that a rule of the draft could not be evaluated.
EVAL_ERROR = "rule.eval_error"


class Chunk:
    """Counts on where the comparison stood."""

    def __init__(self, comparison: Comparison, ruleset: RuleSet) -> None:
        self._owner = comparison.client_id
        self._ruleset = ruleset
        self._tally = Tally.of(comparison.result)
        self._flips: dict[str, int] = {kind: getattr(comparison, kind) for kind in KINDS}
        self._errors = comparison.errors
        self._cursor = comparison.cursor
        self._rested = time.monotonic()
        #: Requests looked at since the comparison began.
        self.seen = comparison.seen
        #: Whether no chunk follows.
        self.last = False

    @classmethod
    def look(cls, session: Session, comparison: Comparison, ruleset: RuleSet) -> Self:
        """Return the comparison's next chunk, its requests compared."""
        chunk = cls(comparison, ruleset)
        down_to = past.floor(session, chunk._cursor, rows=STRETCH)
        room = min(MOST, comparison.asked - chunk.seen)
        listed = past.listed(session, comparison.ruleset, before=chunk._cursor, down_to=down_to, limit=room)
        in_time = chunk._compare_all(each for batch in batches(listed) for each in past.read(session, batch))
        if in_time and len(listed) < room:  # There are no more in this stretch; the next chunk begins before it.
            chunk._cursor = down_to or chunk._cursor
            chunk.last = down_to is None
        chunk.last = chunk.last or chunk.seen >= comparison.asked
        return chunk

    def outcome(self) -> dict[str, Any]:
        """Return what the comparison's row is to hold after this chunk."""
        return {
            "cursor": self._cursor,
            "seen": self.seen,
            **self._flips,
            "errors": self._errors,
            "result": self._tally.to_json(),
        }

    def _compare_all(self, requests: Iterator[Judged]) -> bool:
        """Return whether all requests were compared before the time was over."""
        began = time.monotonic()
        for request in requests:
            self._compare(request)
            if time.monotonic() - began > LONGEST_S:
                return False
        return True

    def _compare(self, request: Judged) -> None:
        for position, item in enumerate(request.items):
            self._count(request, position, self._marks(item, fixed=request.autofix is not None))
            self._rest()
        self._tally.items += len(request.items)
        self._tally.judged_by[request.ruleset] += 1
        self._cursor = request.id
        self.seen += 1

    def _rest(self) -> None:
        if time.monotonic() - self._rested > WORK_S:
            time.sleep(REST_S)
            self._rested = time.monotonic()

    def _marks(self, item: Any, *, fixed: bool) -> list[Mark]:
        """Return what the draft finds; in an item that was to be `fixed`, after its own fixes, as in a validation."""
        fixes: Sequence[Finding] = ()
        if fixed:
            item, fixes = self._ruleset.normalised(item)
        return [Mark(each.code, each.severity, each.pointer) for each in (*fixes, *self._ruleset.check(item))]

    def _count(self, request: Judged, position: int, new: Sequence[Mark]) -> None:
        self._errors += any(mark.code == EVAL_ERROR for mark in new)
        flipped = flip(request.found.get(position, ()), new)
        if flipped is None:
            return
        self._flips[flipped.kind] += 1
        self._tally.count(flipped)
        if request.client_id == self._owner:
            self._tally.show(flipped, request_id=str(request.id), item=position)


def batches(listed: Sequence[tuple[UUID, int]]) -> Iterator[list[UUID]]:
    """Yield the ids in their order, so many at a time that what they stand for is not too much to hold."""
    batch: list[UUID] = []
    room = BATCH_BYTES
    for request_id, size in listed:
        if batch and (len(batch) == BATCH or size > room):
            yield batch
            batch, room = [], BATCH_BYTES
        batch.append(request_id)
        room -= size
    if batch:
        yield batch
