"""Access: clients, and what speaks for them: tokens, and OAuth clients with their JWTs.

Of tokens and secrets only the SHA-256 is ever stored.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import DateTime, ForeignKey, LargeBinary, Text, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.models.base import Base, new_id

#: The last use of a token is written down at most this often.
USED_EVERY = timedelta(minutes=1)


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
    #: To the minute, see USED_EVERY.
    last_used_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class OAuthClient(Base):
    """Whoever is named in the `sub` of a JWT (RFC 9068): a program that acts for a client, within its scopes."""

    __tablename__ = "oauth_clients"

    #: Ours is a UUID; one whose tokens another issuer makes has the name that it has there.
    id: Mapped[str] = mapped_column(Text, primary_key=True)
    client_id: Mapped[UUID] = mapped_column(ForeignKey(Client.id), index=True)
    #: SHA-256 of the secret that gets a token here; none for one whose tokens another issuer makes.
    secret_digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    #: The most that a token of its may do.
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=text("clock_timestamp()"))
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
    token_id: UUID | None = None,
) -> Token:
    """Return the new token's row. `token_id` is its id where that has been given out already."""
    token = Token(
        id=token_id or new_id(),
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


def tokens_of(session: Session, client_id: UUID, *, before: UUID | None, limit: int) -> Sequence[Token]:
    """Return at most `limit` tokens of the client, newest first, those made before the token `before`."""
    older = [] if before is None else [Token.id < before]
    found = select(Token).where(Token.client_id == client_id, *older)
    return session.scalars(found.order_by(Token.id.desc()).limit(limit)).all()


def token_of(session: Session, client_id: UUID, token_id: UUID) -> Token | None:
    """Return the token with this id if it is the client's, else None."""
    return session.scalar(select(Token).where(Token.id == token_id, Token.client_id == client_id))


def used(session: Session, token_ids: Collection[UUID]) -> None:
    """Have the tokens' last use written down as now, where what is written is older than USED_EVERY.

    A token that another process is writing down at this moment is passed over.
    """
    stale = or_(Token.last_used_at.is_(None), Token.last_used_at < func.clock_timestamp() - USED_EVERY)
    due = select(Token.id).where(Token.id.in_(token_ids), stale).with_for_update(skip_locked=True)
    session.execute(
        update(Token).where(Token.id.in_(due)).values(last_used_at=func.clock_timestamp()),
        execution_options={"synchronize_session": False},
    )


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


def add_oauth_client(
    session: Session, *, id: str, client_id: UUID, secret_digest: bytes | None, scopes: Sequence[str]
) -> OAuthClient | None:
    """Return the new OAuth client's row, or None when there is one of this id."""
    return session.scalar(
        insert(OAuthClient)
        .values(id=id, client_id=client_id, secret_digest=secret_digest, scopes=sorted(set(scopes)))
        .on_conflict_do_nothing(index_elements=["id"])
        .returning(OAuthClient)
    )


def oauth_client(session: Session, id: str) -> OAuthClient | None:
    """Return the OAuth client of this id if it is not revoked, else None."""
    return session.scalar(select(OAuthClient).where(OAuthClient.id == id, OAuthClient.revoked_at.is_(None)))


def oauth_clients(session: Session) -> Sequence[tuple[OAuthClient, str]]:
    """Return every OAuth client with its client's name, oldest first."""
    rows = session.execute(
        select(OAuthClient, Client.name)
        .join(Client, Client.id == OAuthClient.client_id)
        .order_by(OAuthClient.created_at, OAuthClient.id)
    )
    return [(oauth_client, name) for oauth_client, name in rows]


def revoke_oauth_client(session: Session, id: str) -> bool:
    """Return whether the OAuth client was good until now; from now on it gets no token, and none of its is taken."""
    revoked = session.execute(
        update(OAuthClient)
        .where(OAuthClient.id == id, OAuthClient.revoked_at.is_(None))
        .values(revoked_at=func.clock_timestamp())
        .returning(OAuthClient.id),
        execution_options={"synchronize_session": False},
    )
    return revoked.first() is not None
