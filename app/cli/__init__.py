"""Commands of the command line: `flask --app wsgi release`, `flask --app wsgi tokens …` and their neighbours.

One file a noun. What a command has to tell goes to standard output, log lines to standard error.
"""

from flask import Flask

from app.cli import keys, oauth, reference, release, rulesets, tokens


def install(app: Flask) -> None:
    """Give `app` its commands."""
    app.cli.add_command(release.release)
    app.cli.add_command(tokens.group)
    app.cli.add_command(oauth.group)
    app.cli.add_command(keys.group)
    app.cli.add_command(reference.group)
    app.cli.add_command(rulesets.group)
