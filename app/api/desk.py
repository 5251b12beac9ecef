"""The desk: where items are handed in and answers are picked up. Knows no Flask, for not every request is Flask's."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

import structlog

from app import turns
from app.api import answers, languages
from app.api.reader import Reader, calmly
from app.api.seats import Seating, Seats
from app.api.waits import Wait
from app.errors import DryRunTooSlow
from app.models.base import new_id
from app.models.idempotency import Key
from app.models.standings import Standing
from app.platform import Platform
from app.spans import span
from app.telemetry.metrics import Metrics
from app.validation import judge, outcome

log = structlog.get_logger(__name__)


class Told(NamedTuple):
    """What is told of a request: JSON, the HTTP status that goes with it, and headers besides those of every answer."""

    value: Mapping[str, Any]
    status: int
    headers: Mapping[str, str]


class Desk:
    """Serves clients who are known and within their limits."""

    def __init__(self, platform: Platform, metrics: Metrics, seats: Seats) -> None:
        self._platform = platform
        self._metrics = metrics
        self._seats = seats

    def submit(
        self,
        submission: Mapping[str, Any],
        items: Sequence[Any],
        *,
        client_id: UUID,
        wait: Wait,
        language: str,
        once: Key | None = None,
    ) -> Told:
        """Accept the items, and tell what became of them, or where the request is when the wait is over.

        Of a repeat that is told which came first with the same key. Without a free seat nobody waits.

        Raises UnknownRuleSet, DatabaseAway, IdempotencyKeyBusy, IdempotencyKeyReused: nothing was stored.
        """
        read = self.reader(new_id(), client_id=client_id, language=language, waits=True)
        # Registered before anybody can work on the request, so that its end cannot be missed.
        with self.seating(client_id) as seating, self._platform.hub.watch(read.request_id) as watch:
            wait = seating.preferred(wait)
            accepted = self._accept(read.request_id, submission, items, client_id, once)
            if accepted.id != read.request_id:
                return self._repeated(accepted, client_id, wait, language)
            if wait.seconds:
                with self._metrics.waiting.track_inprogress(), span("wait"):
                    answer = watch.until(calmly(read), timeout_s=wait.seconds)
                if answer is not None:
                    return Told(answer, 200, {**wait.headers, **languages.headers(language)})
        return pending(accepted, wait.headers)

    def result(self, request_id: UUID, *, client_id: UUID, wait: Wait, language: str) -> Told:
        """Tell the answer, or where the request is when the wait is over.

        Raises RequestNotFound, DatabaseAway; TooManyWaiters when there is need to wait and no free seat.
        """
        read = self.reader(request_id, client_id=client_id, language=language, waits=wait.seconds > 0)
        waiting = self._metrics.waiting.track_inprogress()
        with self.seating(client_id) as seating, self._platform.hub.watch(request_id) as watch, waiting, span("wait"):
            answer = watch.until(read, timeout_s=wait.seconds, before=seating.must_sit)
        if answer is not None:
            return Told(answer, 200, {**wait.headers, **languages.headers(language)})
        return Told(read.seen, 202, {**answers.RETRY_AFTER, **wait.headers})

    def dry_run(self, submission: Mapping[str, Any], items: Sequence[Any], *, language: str) -> Told:
        """Tell what would become of the items, judged here and now: nothing is stored, sent or waited for.

        Raises UnknownRuleSet, DatabaseAway; DryRunTooSlow when the time was up before the last item.
        """
        rulebook, database = self._platform.rulebook, self._platform.database
        ref = rulebook.named(database, submission["ruleset"])
        with database.autocommit() as session:
            ruleset = rulebook.get(session, ref)
        with span("judge", ruleset=ref, items=len(items)):
            judgement = judge(ruleset, turns.in_turns(items, within_s=turns.TIME_S), submission.get("autofix"))
        if judgement.item_count < len(items):
            detail = f"The rules take longer than {turns.TIME_S:g} s over these items."
            raise DryRunTooSlow(detail, judged=judgement.item_count)
        told = answers.verdict(outcome(judgement), ruleset.messages, language)
        return Told({"ruleset": ref, **told}, 200, languages.headers(language))

    def reader(self, request_id: UUID, *, client_id: UUID, language: str, waits: bool = False) -> Reader:
        """Return what looks for the answer to a request of this client."""
        return Reader(self._platform, request_id, client_id=client_id, language=language, waits=waits)

    def seating(self, client_id: UUID) -> Seating:
        """Return where a request of this client may wait."""
        return Seating(self._seats, client_id)

    def _repeated(self, first: Standing, client_id: UUID, wait: Wait, language: str) -> Told:
        """Tell of the request that was made when the same call came first."""
        read = self.reader(first.id, client_id=client_id, language=language)
        with self._platform.hub.watch(first.id) as watch, self._metrics.waiting.track_inprogress(), span("wait"):
            answer = watch.until(calmly(read), timeout_s=wait.seconds)
        headers = {**answers.REPLAYED, **wait.headers}
        if answer is not None:
            return Told(answer, 200, {**headers, **languages.headers(language)})
        return pending(first, headers)

    def _accept(
        self, request_id: UUID, submission: Mapping[str, Any], items: Sequence[Any], client_id: UUID, once: Key | None
    ) -> Standing:
        """Return the request, accepted and counted, or the one that came first with the same key."""
        source, intake = submission["source"], self._platform.intake
        take = intake.accept if once is None else partial(intake.accept_once, once)
        accepted = take(
            request_id,
            client_id=client_id,
            source=source,
            ruleset=submission["ruleset"],
            items=items,
            autofix=submission.get("autofix"),
        )
        if accepted.id != request_id:
            log.info("validation.repeated", validation=str(accepted.id))
            return accepted
        self._platform.hub.accepted(accepted)
        self._metrics.taken(source, len(items))
        log.info("validation.accepted", validation=str(request_id), ruleset=accepted.ruleset, items=len(items))
        return accepted


def pending(standing: Standing, headers: Mapping[str, str]) -> Told:
    """Tell where a request is that has just been accepted, or was when the call came first."""
    location = answers.URL.format(id=standing.id)
    return Told(answers.state(standing), 202, {**answers.RETRY_AFTER, "Location": location, **headers})
