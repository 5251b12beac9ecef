"""`flask rulesets …`: try a rule set on its own examples, publish it, and see what is published.

`test` needs neither servers nor settings.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import click
import orjson
from flask.cli import AppGroup

from app import authoring, json, reference
from app.cli.terminal import plainly, platform, show
from app.errors import InvalidTable, RuleSetInvalid
from app.models import rulesets
from app.models.rulesets import Overview
from app.rulebook import is_version
from app.rules import RuleSet, RuleSetError, compile_rules
from app.rules.kit import Failure, Trial, trial

group = AppGroup("rulesets", help="Try rule sets, publish them, and see what is published.")

#: Who publishes, in the audit trail.
BY = "cli"
#: How many rule sets are read from the database at a time.
PAGE = 100


class Unusable(click.ClickException):
    """The file is no rule set. The exit code tells this from examples that fail."""

    exit_code = 2


def table(_context: click.Context, _option: click.Parameter, words: tuple[str, ...]) -> dict[str, frozenset[str]]:
    """Return the codes in the file of each `NAME=FILE`, by the name."""
    tables = {}
    for word in words:
        name, separator, path = word.partition("=")
        if not separator:
            raise click.BadParameter(f"{word} is not of the form NAME=FILE.")
        tables[name] = codes(Path(path))
    return tables


@group.command("test", with_appcontext=False)
@click.argument("file", type=click.File("rb"))
@click.option(
    "tables",
    "--table",
    multiple=True,
    metavar="NAME=FILE",
    callback=table,
    help="Codes, as CSV or JSON, of a reference table that the rule set names. Repeat for more than one.",
)
def test(file: BinaryIO, tables: Mapping[str, frozenset[str]]) -> None:
    """Run the examples in FILE, a rule set as JSON: do they bring the findings that they name?

    Ends with 1 when one does not, with 2 when FILE is no rule set. Needs no database.
    """
    definition = read(file)
    ruleset = compiled(file.name, definition, tables)
    try:
        outcome = trial(ruleset, definition)
    except RuleSetError as error:
        raise Unusable(f"{file.name}: {told(error)}") from None
    for line in report(ruleset, outcome):
        click.echo(line)
    if not outcome.passed:
        raise click.exceptions.Exit(1)


@group.command("publish")
@click.argument("file", type=click.File("rb"))
@click.option("--note", help="Why, in words, for those who come later.")
def publish(file: BinaryIO, note: str | None) -> None:
    """Publish FILE, a rule set as JSON, as the newest version of its name.

    Its examples are run before; if one fails, nothing is published. The version in the file is passed over.
    """
    definition = read(file)
    with plainly():
        try:
            outcome = authoring.publish(platform().database, definition, by=BY, note=note)
        except RuleSetInvalid as error:
            faults = (f"{each['pointer'] or 'definition'}: {each['detail']}" for each in error.params["errors"])
            raise click.ClickException("\n  ".join((error.detail, *faults))) from None
    click.echo(f"{outcome.published.ref} {'is published' if outcome.new else 'has this content already'}.")


@group.command("list")
def show_all() -> None:
    """List every rule set: its newest version, when it was published and by whom, its title."""
    show(lambda session, after: rulesets.overview(session, after=after, limit=PAGE), line)


@group.command("show")
@click.argument("ref", metavar="NAME[@N]")
def show_one(ref: str) -> None:
    """Print a published rule set, its newest version or the one named, as JSON to edit."""
    name, separator, number = ref.partition("@")
    if separator and not is_version(number):
        raise click.UsageError(f"{ref} is not of the form NAME or NAME@N.")
    with plainly(), platform().database.transaction() as session:
        found = rulesets.resolve(session, name, int(number) if number else None)
        if found is None:
            raise click.ClickException(f"There is no rule set {ref}.")
        click.echo(orjson.dumps(found.definition, option=orjson.OPT_INDENT_2).decode())


def read(file: BinaryIO) -> dict[str, Any]:
    """Return the JSON object in a file. Raises Unusable with line and column."""
    try:
        definition = json.loads(file.read())
    except orjson.JSONDecodeError as error:
        raise Unusable(f"{file.name}: line {error.lineno}, column {error.colno}: no JSON: {error.msg}") from None
    if not isinstance(definition, dict):
        raise Unusable(f"{file.name}: a rule set is a JSON object")
    return definition


def compiled(name: str, definition: Mapping[str, Any], tables: Mapping[str, frozenset[str]]) -> RuleSet:
    """Return the rule set that a file describes. Raises Unusable with what is wrong with it, and where."""
    try:
        return compile_rules(definition, tables)
    except RuleSetError as error:
        raise Unusable(f"{name}: {told(error)}") from None


def told(error: RuleSetError) -> str:
    """Return what is wrong, beginning with where in the definition, unless the text says so itself."""
    text = str(error)
    return text if error.pointer in text else f"{error.pointer}: {text}"


def codes(path: Path) -> frozenset[str]:
    """Return the codes in a file, as CSV or JSON. Raises click.BadParameter."""
    form = reference.Format.JSON if path.suffix.lower() == ".json" else reference.Format.CSV
    try:
        return frozenset(code for code, _ in reference.read(path.read_bytes(), form).rows)
    except OSError as error:
        raise click.BadParameter(f"{path}: {error.strerror}.") from None
    except InvalidTable as error:
        raise click.BadParameter(f"{path}: {error.detail}") from None


def line(each: Overview) -> str:
    """Return what is told of a rule set in one line."""
    if each.version is None or each.published_at is None:
        return f"{each.name}  draft only  {each.title or ''}".rstrip()
    when = f"{each.published_at:%Y-%m-%d %H:%M} by {each.published_by}"
    return "  ".join((f"{each.name}@{each.version}", when, str(each.title)))


def report(ruleset: RuleSet, outcome: Trial) -> Iterator[str]:
    """Yield the lines that an author reads: what failed, which rules no example breaks, and the counts."""
    for failure in outcome.failures:
        yield from complaint(failure)
    if outcome.never_hit:
        yield "Rules that no example breaks:"
        yield from (f"  {rule}" for rule in outcome.never_hit)
        yield ""
    # A file that is not published yet need not name a version.
    name = ruleset.ref if ruleset.version else ruleset.name
    failed, hit = len(outcome.failures), outcome.rules - len(outcome.never_hit)
    yield (
        f"{name}: {outcome.examples} examples, {outcome.examples - failed} passed, {failed} failed; "
        f"{hit} of {outcome.rules} rules broken by an example"
    )


def complaint(failure: Failure) -> Iterator[str]:
    """Yield the lines about one example that failed: a row for each finding too few or too many."""
    rows = [("not found", *each) for each in failure.missing]
    rows += [("not expected", *each) for each in failure.unexpected]
    widest = max(len(code) for _, code, _ in rows)
    yield f"FAILED  {failure.title}"
    yield from (f"  {what:12}  {code:{widest}}  {pointer or '(the item)'}" for what, code, pointer in rows)
    yield ""
