"""The reader: looks for the answer to one request, for its client's eyes only. Knows no Flask."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from app.api import answers
from app.errors import DatabaseAway, RequestNotFound
from app.models.requests import State
from app.models.standings import Standing
from app.platform import Platform
from app.rules.catalogue import Texts


class Reader:
    """Looks for the answer, its messages in `language`.

    One who `waits` begins with that, if an answer cannot be missed.
    """

    def __init__(
        self, platform: Platform, request_id: UUID, *, client_id: UUID, language: str, waits: bool = False
    ) -> None:
        self.request_id = request_id
        self.language = language
        self._platform = platform
        self._client_id = client_id
        self._waits = waits
        self._seen: Standing | None = None

    @property
    def seen(self) -> dict[str, Any]:
        """Where the request was at the last look without an answer; nothing if there was none."""
        return answers.state(self._seen) if self._seen else {}

    def __call__(self) -> dict[str, Any] | None:
        """Return the answer, or None while there is none. Raises RequestNotFound, DatabaseAway."""
        standing = self._first_look() or self.look()
        if standing.state == State.PENDING:
            self._seen = standing
            return None
        texts: Texts = {}
        if standing.outcome and standing.outcome.found:
            texts = self._platform.rulebook.texts(self._platform.database, standing.ruleset)
        return answers.answer(standing, texts, self.language)

    def look(self) -> Standing:
        """Return where the request stands. Raises RequestNotFound, also when it is another client's; DatabaseAway."""
        return self._own(self._platform.hub.ended(self.request_id) or self._platform.ledger.read(self.request_id))

    def _first_look(self) -> Standing | None:
        waits, self._waits = self._waits, False
        expected = self._platform.hub.expected(self.request_id) if waits else None
        return expected and self._own(expected)

    def _own(self, standing: Standing | None) -> Standing:
        if standing is None or standing.client_id != self._client_id:
            raise RequestNotFound("There is no such request.")
        return standing


def calmly(read: Callable[[], dict[str, Any] | None]) -> Callable[[], dict[str, Any] | None]:
    """Return a `read` that has nothing to say while the database is away.

    For a request that was accepted in this very call: an error now would make the client send it again.
    """

    def look() -> dict[str, Any] | None:
        try:
            return read()
        except DatabaseAway:
            return None

    return look


def key(text: str) -> UUID:
    """Return the id that a path names. Raises RequestNotFound when no request can have it."""
    try:
        request_id = UUID(text)
    except ValueError:
        raise RequestNotFound("There is no such request.") from None
    if request_id.version != 7 or str(request_id) != text.lower():
        raise RequestNotFound("There is no such request.")
    return request_id
