"""`flask tokens …`: make, list and revoke the tokens of clients."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import click
from flask.cli import AppGroup

from app import json
from app.auth import tokens
from app.auth.scopes import Scope
from app.cli.terminal import plainly, platform
from app.models import access, audit

group = AppGroup("tokens", help="Make, list and revoke the tokens of clients.")

#: Who acts, in the audit trail.
BY = "cli"


@group.command("create")
@click.option("--client", required=True, help="Whose token it is; the client is made if there is none of this name.")
@click.option("--name", required=True, help="What it is for, to tell it from the client's others.")
@click.option(
    "scopes",
    "--scope",
    required=True,
    multiple=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="What it may do. Repeat for more than one.",
)
@click.option("--expires-days", type=click.IntRange(min=1), help="Days that it is good for. Without: until revoked.")
@click.option("as_json", "--json", is_flag=True, help="Print one line of JSON, for programs.")
def create(client: str, name: str, scopes: tuple[str, ...], expires_days: int | None, as_json: bool) -> None:
    """Make a token and print it, this one time: only its hash is kept."""
    token = tokens.make()
    expires_at = datetime.now(UTC) + timedelta(days=expires_days) if expires_days else None
    with plainly(), platform().database.transaction() as session:
        row = access.add_token(
            session,
            client_id=access.client(session, client),
            name=name,
            digest=tokens.digest(token),
            ending=token[-4:],
            scopes=sorted(set(scopes)),
            expires_at=expires_at,
        )
        audit.note(session, actor=BY, action="token.create", subject=f"token:{row.id}", details={"scopes": row.scopes})
    if as_json:
        told = {"id": row.id, "client": client, "name": name, "scopes": row.scopes, "expires_at": expires_at}
        click.echo(json.text({**told, "token": token}))
    else:
        click.echo(token)
        click.echo(f"Keep it safe: it cannot be shown again. Its id is {row.id}.", err=True)


@group.command("list")
def show() -> None:
    """List every token: id, client, name, last four characters, state, scopes."""
    now = datetime.now(UTC)
    with plainly(), platform().database.transaction() as session:
        for token, client in access.tokens(session):
            fields = (token.id, client, token.name, f"…{token.ending}", state(token, now), " ".join(token.scopes))
            click.echo("  ".join(map(str, fields)))


@group.command("revoke")
@click.argument("token_id", metavar="ID", type=click.UUID)
def revoke(token_id: UUID) -> None:
    """Refuse a token from now on."""
    with plainly(), platform().database.transaction() as session:
        revoked = access.revoke(session, token_id)
        if revoked:
            audit.note(session, actor=BY, action="token.revoke", subject=f"token:{token_id}", details={})
    if not revoked:
        raise click.ClickException(f"There is no token {token_id} that could be revoked.")
    click.echo(f"{token_id} is revoked.")


def state(token: access.Token, now: datetime) -> str:
    """Return what became of a token: `valid`, `revoked` or `expired`."""
    if token.revoked_at is not None:
        return "revoked"
    return "expired" if token.expires_at is not None and token.expires_at <= now else "valid"
