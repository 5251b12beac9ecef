"""What every command has: the application that it was called on, and errors told in one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, cast

import click
from flask import current_app

from app.errors import AppError
from app.platform import Platform

#: Where an application without a platform keeps why it has none.
UNUSABLE = "settings_error"


class Unset(click.ClickException):
    """The settings cannot be used. The exit code is that of a web process without them."""

    exit_code = 3

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the error, a line for each setting."""
        click.echo(self.message, file=file, err=True)


def platform() -> Platform:
    """Return the platform of the application that the command was called on. Raises Unset."""
    if UNUSABLE in current_app.extensions:
        raise Unset(str(current_app.extensions[UNUSABLE]))
    return cast(Platform, current_app.extensions["platform"])


@contextmanager
def plainly() -> Iterator[None]:
    """Have an error that a person can act on end the command with its sentence, not with a traceback."""
    try:
        yield
    except AppError as error:
        raise click.ClickException(error.detail) from error
