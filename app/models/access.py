"""Access: clients, and the tokens that speak for them. Only a token's SHA-256 is ever stored."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, ForeignKey, LargeBinary, Text, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.models.base import Base, new_id


class Client(Base):
    """Somebody who sends rates. What one client sends, no other client ever sees."""

    __tablename__ = "clients"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text, unique=True)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("clock_timestamp()"))


class Token(Base):
    """A secret that a client shows, with what it may do."""

    __tablename__ = "tokens"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    client_id: Mapped[UUID] = mapped_column(ForeignKey(Client.id), index=True)
    name: Mapped[str] = mapped_column(Text)
    #: SHA-256 of the token. It has 178 random bits, so no slow hash is needed.
    digest: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    #: The token's last four characters, for people who have to tell two apart.
    ending: Mapped[str] = mapped_column(Text)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("clock_timestamp()"))
    expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


def client(session: Session, name: str) -> UUID:
    """Return the id of the client of this name, made if there was none."""
    session.execute(insert(Client).values(id=new_id(), name=name).on_conflict_do_nothing(index_elements=["name"]))
    return session.execute(select(Client.id).where(Client.name == name)).scalar_one()


def add_token(
    session: Session,
    *,
    client_id: UUID,
    name: str,
    digest: bytes,
    ending: str,
    scopes: Sequence[str],
    expires_at: datetime | None,
) -> Token:
    """Return the new token's row."""
    token = Token(
        id=new_id(),
        client_id=client_id,
        name=name,
        digest=digest,
        ending=ending,
        scopes=sorted(scopes),
        expires_at=expires_at,
    )
    session.add(token)
    session.flush()
    return token


def valid_token(session: Session, digest: bytes) -> Token | None:
    """Return the token with this digest if it is neither expired nor revoked, else None."""
    return session.scalar(
        select(Token).where(
            Token.digest == digest,
            Token.revoked_at.is_(None),
            or_(Token.expires_at.is_(None), Token.expires_at > func.clock_timestamp()),
        )
    )


def tokens(session: Session) -> Sequence[tuple[Token, str]]:
    """Return every token with its client's name, oldest first."""
    rows = session.execute(select(Token, Client.name).join(Client, Client.id == Token.client_id).order_by(Token.id))
    return [(token, name) for token, name in rows]


def revoke(session: Session, token_id: UUID) -> bool:
    """Return whether the token was good until now; from now on it is refused."""
    revoked = session.execute(
        update(Token)
        .where(Token.id == token_id, Token.revoked_at.is_(None))
        .values(revoked_at=func.clock_timestamp())
        .returning(Token.id),
        execution_options={"synchronize_session": False},
    )
    return revoked.first() is not None
