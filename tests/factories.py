"""Rows that tests need, made by plain functions."""

from collections.abc import Sequence
from datetime import datetime

from app.auth import tokens
from app.auth.scopes import Scope
from app.database import Database
from app.models import access


def issue_token(
    database: Database,
    *,
    client: str = "test",
    scopes: Sequence[str] = (Scope.VALIDATIONS_WRITE, Scope.VALIDATIONS_READ),
    expires_at: datetime | None = None,
) -> str:
    """Return a new token of the client, which is made when there is none of that name."""
    token = tokens.make()
    with database.transaction() as session:
        access.add_token(
            session,
            client_id=access.client(session, client),
            name="test",
            digest=tokens.digest(token),
            ending=token[-4:],
            scopes=scopes,
            expires_at=expires_at,
        )
    return token
