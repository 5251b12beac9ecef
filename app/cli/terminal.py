"""What every command has: the application that it was called on, and errors told in one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import click
from flask import current_app

from app.errors import AppError
from app.platform import Platform


def platform() -> Platform:
    """Return the platform of the application that the command was called on."""
    return cast(Platform, current_app.extensions["platform"])


@contextmanager
def plainly() -> Iterator[None]:
    """Have an error that a person can act on end the command with its sentence, not with a traceback."""
    try:
        yield
    except AppError as error:
        raise click.ClickException(error.detail) from error
