"""Publishing: a definition becomes the next version of its rule set, once it compiles and its examples are judged as
its author says.

Compiling and trying the examples take their time, so they come before the transaction; versions of one name are given
out one at a time, under a lock.
"""

import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from app import json
from app.authoring import drafts
from app.authoring.drafts import fault
from app.compiling import compiled, pinned
from app.database import Database
from app.errors import DraftConflict, RuleSetInvalid, RuleSetNotFound
from app.models import audit, rulesets
from app.models.rulesets import PublishedRuleSet
from app.rules import RuleSet, RuleSetError, kit
from app.shelf import Shelf

#: Nesting of a definition that does not come in the body of a request; more than any that compiles.
DEEPEST = 64

NOT_COMPILED = "The definition does not compile."
#: Trying all examples may take this long: somebody waits, and behind most platforms' routers for 30 s at most.
TIME_S = 10.0

#: What was compiled of a content and of versions of tables: authors try one draft again and again, then check it and
#: publish it, and 19 rules take some 30 ms to compile, in which a web process does nothing else.
_KEPT: Shelf[tuple[bytes, frozenset[tuple[str, int]]], RuleSet] = Shelf(8)


@dataclass(frozen=True)
class Check:
    """What there is to say of a definition: `problems` as in RuleSetInvalid, and how its examples went.

    `trial` is None when it does not compile.
    """

    problems: tuple[dict[str, Any], ...]
    trial: kit.Trial | None


@dataclass(frozen=True)
class Outcome:
    """The newest version, and whether it was published now; if not, it had this very content already."""

    published: PublishedRuleSet
    new: bool


def check(session: Session, definition: Mapping[str, Any]) -> Check:
    """Return what would stand in the way of publishing the definition."""
    try:
        trial = kit.trial(_compiled(session, definition), definition, turn=_turns())
    except RuleSetError as error:
        return Check((problem(error),), None)
    return Check(tuple(_failures(trial)), trial)


def usable(session: Session, definition: Mapping[str, Any]) -> RuleSet:
    """Return the rule set that the definition describes, whatever its examples say. Raises RuleSetInvalid."""
    try:
        return _compiled(session, definition)
    except RuleSetError as error:
        raise RuleSetInvalid(NOT_COMPILED, errors=[problem(error)]) from None


def publish_draft(
    database: Database, name: str, *, by: str, expected: Container[str] | None = None, note: str | None = None
) -> Outcome:
    """Return the version that the draft has become; the draft is gone.

    Raises:
        DraftNotFound: there is no draft.
        DraftChanged: its revision is not one of `expected`, where that is given.
        DraftConflict: somebody else has changed, published or discarded it while it was being checked.
        RuleSetInvalid: it does not compile, or an example fails.
    """
    with database.autocommit() as session:
        draft = drafts.find(session, name)
        if expected is not None:
            drafts.require(draft, expected)
        prove(session, draft.definition)
    with database.transaction() as session:
        rulesets.hold(session, name)
        if not rulesets.drop_draft(session, name, revision=draft.revision):
            raise DraftConflict(f"The draft of {name} was changed or published by somebody else just now.")
        outcome = _add(session, draft.definition, by=by, note=note)
        if not outcome.new:
            drafts.note(session, draft, by, "discard")
        return outcome


def publish(database: Database, definition: Mapping[str, Any], *, by: str, note: str | None = None) -> Outcome:
    """Return the version that the definition has become; a draft of that name is left alone.

    Raises RuleSetInvalid, and BadRequest for what PostgreSQL cannot store.
    """
    json.inspect(dict(definition), DEEPEST)
    with database.autocommit() as session:
        content = drafts.content(str(definition.get("name")), rulesets.settled(session, definition))
        prove(session, content)
    with database.transaction() as session:
        rulesets.hold(session, content["name"])
        return _add(session, content, by=by, note=note)


def restore(database: Database, name: str, version: int, *, by: str, note: str | None = None) -> Outcome:
    """Return the newest version, with the content that `version` has.

    Raises:
        RuleSetNotFound: there is no such version.
        RuleSetInvalid: it does not compile any more, or an example fails: perhaps a table has changed.
    """
    with database.autocommit() as session:
        old = find(session, name, version)
        prove(session, old.definition)
    with database.transaction() as session:
        rulesets.hold(session, name)
        return _add(session, old.definition, by=by, note=note, restores=version)


def find(session: Session, name: str, version: int | None = None) -> PublishedRuleSet:
    """Return that version, the newest when `version` is None. Raises RuleSetNotFound."""
    found = rulesets.resolve(session, name, version)
    if found is None:
        raise RuleSetNotFound(f"There is no published rule set {name}{'' if version is None else f'@{version}'}.")
    return found


def prove(session: Session, definition: Mapping[str, Any]) -> None:
    """Return only if nothing stands in the way of publishing the definition. Raises RuleSetInvalid."""
    found = check(session, definition)
    if found.trial is None:
        raise RuleSetInvalid(NOT_COMPILED, errors=found.problems)
    if found.problems:
        amount = len(found.trial.failures)
        detail = f"{amount} of {found.trial.examples} examples {'is' if amount == 1 else 'are'} judged otherwise."
        raise RuleSetInvalid(detail, errors=found.problems)


def problem(error: RuleSetError) -> dict[str, Any]:
    """Return what is wrong with the definition, with line and column where an expression is at fault."""
    place = {"line": error.line, "column": error.column}
    return fault(error.pointer, "does_not_compile", str(error), **{key: at for key, at in place.items() if at})


def _compiled(session: Session, definition: Mapping[str, Any]) -> RuleSet:
    """Return the rule set that the definition describes, with the tables as they are now. Raises RuleSetError."""
    pins = pinned(session, definition)
    key = rulesets.content_hash(definition), frozenset(pins.items())
    return _KEPT.get(key, lambda: compiled(session, definition, pins))


def _turns() -> Callable[[], None]:
    """Return what gives others their turn each time that it is called, until the time for all examples is up."""
    deadline = time.monotonic() + TIME_S

    def turn() -> None:
        time.sleep(0)  # In a web process others wait, and only somebody who sleeps gives way to them (gevent).
        if time.monotonic() > deadline:
            raise RuleSetError(f"the examples together take longer than {TIME_S:g} s", pointer="/examples")

    return turn


def _failures(trial: kit.Trial) -> Iterator[dict[str, Any]]:
    for failure in trial.failures:
        detail = f"The example {failure.title!r} is judged otherwise than it says."
        params = {name: _told(getattr(failure, name)) for name in ("expected", "got", "missing", "unexpected")}
        yield fault(f"/examples/{failure.index}", "example_failed", detail, title=failure.title, **params)


def _told(findings: Iterable[kit.Found]) -> list[dict[str, str]]:
    return [{"code": code, "pointer": pointer} for code, pointer in findings]


def _add(
    session: Session, definition: Mapping[str, Any], *, by: str, note: str | None, restores: int | None = None
) -> Outcome:
    """Return the newest version, which has the content of the definition. The name is held."""
    name = definition["name"]
    newest = rulesets.resolve(session, name, None)
    version = newest.version if newest else 0
    if newest and rulesets.content_hash({**definition, "version": version}) == newest.content_hash:
        return Outcome(newest, new=False)
    rulesets.publish(session, {**definition, "version": version + 1}, by=by, note=note, restores=restores)
    published = find(session, name, version + 1)
    details = {"version": published.version, "sha256": published.content_hash.hex(), "note": note, "restores": restores}
    audit.note(session, actor=by, action="ruleset.publish", subject=f"ruleset:{name}", details=details)
    return Outcome(published, new=True)
