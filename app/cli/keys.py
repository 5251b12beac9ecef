"""`flask keys …`: make the keys that sign JWTs."""

import os
from pathlib import Path

import click
from flask.cli import AppGroup

from app.auth import keys

group = AppGroup("keys", help="Make the keys that sign JWTs.")


@group.command("create", with_appcontext=False)
@click.option(
    "--algorithm",
    type=click.Choice(sorted(keys.ALGORITHMS.values())),
    default="EdDSA",
    show_default=True,
    help="What it signs with: EdDSA (Ed25519) is shorter, RS256 is known everywhere.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Write it to this new file, for its owner's eyes only.")
def create(algorithm: str, out: Path | None) -> None:
    """Make a private key and print it as PEM, for RATE_JWT_SIGNING_KEYS.

    Nothing is kept. To exchange a key, add the new one at the end of the setting, put it first once all processes know
    it, and take the old one away ten minutes after.
    """
    key = keys.generate(algorithm)
    pem = key.as_pem(private=True).decode()
    if out is None:
        click.echo(pem, nl=False)
    else:
        write(out, pem)
    click.echo(f"Keep it safe. Its id is {key.thumbprint()}.", err=True)


def write(path: Path, text: str) -> None:
    """Have the text in a new file that nobody else may read. Raises click.ClickException."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}.") from None
