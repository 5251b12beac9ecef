"""`flask release`: what the release process runs before the new code serves."""

import click
from flask.cli import with_appcontext

from app import release as releases
from app.cli.terminal import plainly, platform


@click.command
@with_appcontext
def release() -> None:
    """Make the database ready for this release. Safe to repeat."""
    with plainly():
        for line in releases.run(platform().settings, platform().database):
            click.echo(line)
