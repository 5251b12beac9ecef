"""Commands of the command line: `flask --app wsgi release`, `flask --app wsgi tokens …` and their neighbours.

One file a noun. What a command has to tell goes to standard output, log lines to standard error.
"""

import click
from flask import Flask

from app.cli import keys, oauth, reference, release, rulesets, terminal, tokens
from app.settings import SettingsError


def install(app: Flask) -> None:
    """Give `app` its commands."""
    app.cli.add_command(release.release)
    app.cli.add_command(tokens.group)
    app.cli.add_command(oauth.group)
    app.cli.add_command(keys.group)
    app.cli.add_command(reference.group)
    app.cli.add_command(rulesets.group)


def alone(error: SettingsError) -> Flask:
    """Return an application that has the commands and nothing else; those that need a platform tell the error."""
    app = Flask("app", static_folder=None)
    app.extensions[terminal.UNUSABLE] = error
    install(app)
    return app


def is_choosing() -> bool:
    """Return whether this process is the `flask` command, which loads the application to learn its commands.

    `flask run` and its like are commands of Flask's own: they load it to serve it.
    """
    context = click.get_current_context(silent=True)
    return context is not None and isinstance(context.command, click.Group)
