"""`flask oauth clients …`: make, list and revoke the OAuth clients that get JWTs."""

import click
from flask.cli import AppGroup

from app import json
from app.auth import tokens
from app.auth.oauth import LONGEST_ID
from app.auth.scopes import Scope
from app.cli.terminal import plainly, platform
from app.models import access, audit
from app.models.base import new_id

group = AppGroup("oauth", help="JWTs for programs.")
clients = AppGroup("clients", help="Make, list and revoke the OAuth clients that get JWTs.")
group.add_command(clients)

#: Who acts, in the audit trail.
BY = "cli"


@clients.command("create")
@click.option("--client", required=True, help="Whose it is; the client is made if there is none of this name.")
@click.option(
    "scopes",
    "--scope",
    required=True,
    multiple=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="What its tokens may do at most. Repeat for more than one.",
)
@click.option(
    "--subject", help="Its name (`sub`) at the trusted issuer, which makes its tokens. Without: they are made here."
)
@click.option("as_json", "--json", is_flag=True, help="Print one line of JSON, for programs.")
def create(client: str, scopes: tuple[str, ...], subject: str | None, as_json: bool) -> None:
    """Make an OAuth client and print its id, and its secret this one time: only its hash is kept."""
    if subject is not None and not (0 < len(subject) <= LONGEST_ID and subject.isprintable()):
        raise click.BadParameter(f"--subject must be a name of at most {LONGEST_ID} characters.")
    secret = tokens.make(tokens.SECRET_PREFIX) if subject is None else None
    with plainly(), platform().database.transaction() as session:
        row = access.add_oauth_client(
            session,
            id=subject or str(new_id()),
            client_id=access.client(session, client),
            secret_digest=tokens.digest(secret) if secret else None,
            scopes=scopes,
        )
        if row is None:
            raise click.ClickException(f"There is an OAuth client {subject} already.")
        audit.note(
            session, actor=BY, action="oauth.create", subject=f"oauth:{row.id}", details={"scopes": list(row.scopes)}
        )
    if as_json:
        click.echo(json.text({"id": row.id, "client": client, "scopes": row.scopes, "secret": secret}))
    elif secret is None:
        click.echo(row.id)
    else:
        click.echo(f"{row.id}\n{secret}")
        click.echo("Its id and its secret. Keep the secret safe: it cannot be shown again.", err=True)


@clients.command("list")
def show() -> None:
    """List every OAuth client: id, client, who makes its tokens, state, scopes."""
    with plainly(), platform().database.transaction() as session:
        for row, client in access.oauth_clients(session):
            issuer = "own" if row.secret_digest is not None else "trusted issuer"
            state = "valid" if row.revoked_at is None else "revoked"
            click.echo("  ".join((row.id, client, issuer, state, " ".join(row.scopes))))


@clients.command("revoke")
@click.argument("oauth_client_id", metavar="ID")
def revoke(oauth_client_id: str) -> None:
    """Give no more tokens to an OAuth client, and refuse, within two seconds, those that it has."""
    with plainly(), platform().database.transaction() as session:
        revoked = access.revoke_oauth_client(session, oauth_client_id)
        if revoked:
            audit.note(session, actor=BY, action="oauth.revoke", subject=f"oauth:{oauth_client_id}", details={})
    if not revoked:
        raise click.ClickException(f"There is no OAuth client {oauth_client_id} that could be revoked.")
    click.echo(f"{oauth_client_id} is revoked.")
