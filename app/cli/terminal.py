"""What every command has: the application that it was called on, and errors told in one sentence."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any, Protocol, TypeVar, cast

import click
from flask import current_app
from sqlalchemy.orm import Session

from app.errors import AppError, DatabaseAway
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


class Named(Protocol):
    """What is listed by name."""

    @property
    def name(self) -> str:
        """By which it is found."""


Each = TypeVar("Each", bound=Named)


def show(read: Callable[[Session, str], Sequence[Each]], line: Callable[[Each], str]) -> None:
    """Print a line for everything there is; `read` returns some of what comes after a name, by name."""
    after = ""
    with plainly(), platform().database.transaction() as session:
        while page := read(session, after):
            for each in page:
                click.echo(line(each))
            after = page[-1].name


@contextmanager
def plainly() -> Iterator[None]:
    """Have an error that a person can act on end the command with its sentence, not with a traceback."""
    try:
        yield
    except DatabaseAway as error:
        raise click.ClickException(reason(error)) from error
    except AppError as error:
        raise click.ClickException(error.detail) from error


def reason(error: DatabaseAway) -> str:
    """Return the error's sentence and what PostgreSQL's driver said: the server and the user, never the password."""
    said = str(getattr(error.__cause__, "orig", None) or "").partition("\n")[0]
    return f"{error.detail.rstrip('.')}: {said}" if said else error.detail
