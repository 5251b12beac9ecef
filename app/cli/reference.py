"""`flask reference …`: load reference tables out of files, list them, show their rows."""

from pathlib import Path

import click
from flask.cli import AppGroup

from app import json
from app import reference as tables
from app.cli.terminal import plainly, platform, show
from app.reference import MOST_BYTES, Format, Table

#: Who loads, in the audit trail.
BY = "cli"
#: Rows read at a time.
PAGE = 1_000

group = AppGroup("reference", help="Load, list and show reference tables.")


@group.command("load")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", required=True, help="The table: small letters, digits and underscores.")
@click.option("--source", help="Where the content is from, in words. Without: the name of the file.")
def load(file: Path, name: str, source: str | None) -> None:
    """Load FILE, a .csv with a column code or a .json list, as the newest version of a table."""
    suffix = file.suffix.lower().removeprefix(".")
    if suffix not in list(Format):
        raise click.ClickException(f"{file} is neither .csv nor .json.")
    with file.open("rb") as opened:
        # One byte more than allowed is enough to know.
        content = opened.read(MOST_BYTES + 1)
    with plainly():
        tables.check_name(name)
        rows = tables.read(content, Format(suffix))
        with platform().database.transaction() as session:
            loaded = tables.load(session, name, rows, source=file.name if source is None else source, by=BY)
    click.echo(f"{loaded.table.ref} {'loaded' if loaded.new else 'has this content already'}: {size(loaded.table)}.")


@group.command("list")
def show_all() -> None:
    """List every table in its newest version: name, rows, when, by whom, source."""
    show(lambda session, after: tables.tables(session, after=after, limit=PAGE), line)


@group.command("show")
@click.argument("table", metavar="NAME[@N]")
def show_one(table: str) -> None:
    """Show a table, in its newest version or in the one that is named: what it is, then a line for each row."""
    with plainly(), platform().database.transaction() as session:
        found = tables.named(session, table)
        click.echo(line(found))
        for start in range(0, found.row_count, PAGE):
            for code, attributes in tables.rows(session, found, start=start, limit=PAGE):
                click.echo(f"{code}  {json.text(attributes)}" if attributes else code)


def line(table: Table) -> str:
    """Return what is told of a table in one line."""
    when = "built in" if table.created_at is None else f"{table.created_at:%Y-%m-%d %H:%M} by {table.created_by}"
    return "  ".join((table.ref, size(table), when, table.source))


def size(table: Table) -> str:
    """Return how many rows a table has, in words."""
    return f"{table.row_count:,} row{'' if table.row_count == 1 else 's'}"
