"""The ledger as it is asked: where a request stands, read from Postgres for all who ask at the same time at once."""

from collections.abc import Sequence
from uuid import UUID

from app.database import Database
from app.errors import DatabaseAway
from app.groups import Groups
from app.models import standings
from app.models.standings import Standing


class Ledger:
    """Reads where requests stand."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reads: Groups[UUID, Standing | None] = Groups("ledger", self._read, shared=(DatabaseAway,))

    def read(self, request_id: UUID) -> Standing | None:
        """Return where the request stands, or None when there is none of this id. Raises DatabaseAway."""
        return self._reads.do(request_id)

    def _read(self, request_ids: Sequence[UUID]) -> Sequence[Standing | None]:
        with self._database.connection() as connection:
            found = standings.read(connection, request_ids)
        return [found.get(request_id) for request_id in request_ids]
