"""Drafts: what rule sets may become. One a name; whoever changes one says which state the change is made for."""

import re
from collections.abc import Container, Mapping
from typing import Any

from sqlalchemy.orm import Session

from app.errors import DraftChanged, DraftExists, DraftNotFound, RuleSetInvalid
from app.models import audit, rulesets
from app.models.rulesets import Draft

#: How a rule set can be called; as in a definition.
NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def find(session: Session, name: str) -> Draft:
    """Return the draft of that name. Raises DraftNotFound."""
    draft = rulesets.draft(session, name)
    if draft is None:
        raise DraftNotFound(f"The rule set {name} has no draft.")
    return draft


def create(session: Session, name: str, definition: Mapping[str, Any], *, by: str) -> Draft:
    """Return the new draft. It may be wrong in any way, as long as nobody publishes it.

    A version in the definition says which one its author began with, and is left out: the draft has none.

    Raises:
        RuleSetInvalid: the name cannot be one, or is another than the one in the definition.
        DraftExists: there is a draft of that name.
    """
    stored = content(name, definition)
    draft = rulesets.add_draft(session, name, stored, by=by, based_on=_origin(session, name, definition))
    if draft is None:
        raise DraftExists(f"The rule set {name} has a draft already.")
    note(session, draft, by, "create")
    return draft


def replace(session: Session, name: str, definition: Mapping[str, Any], *, by: str, expected: Container[str]) -> Draft:
    """Return the draft with its new definition.

    Raises:
        RuleSetInvalid: as in `create`.
        DraftChanged: its revision is not one of `expected` any more, or it is gone.
    """
    stored = content(name, definition)
    there = rulesets.draft(session, name)
    if there is None:
        raise DraftChanged(f"The draft of {name} is gone: it was published or discarded.")
    require(there, expected)
    changed = rulesets.change_draft(session, name, stored, by=by, revision=there.revision)
    if changed is None:  # Somebody else did so since the look above.
        raise _changed(there)
    note(session, changed, by, "change")
    return changed


def discard(session: Session, name: str, *, by: str, expected: Container[str]) -> None:
    """Return once the draft is gone. Raises DraftNotFound, and DraftChanged as in `replace`."""
    there = find(session, name)
    require(there, expected)
    if not rulesets.drop_draft(session, name, revision=there.revision):
        raise _changed(there)
    note(session, there, by, "discard")


def require(draft: Draft, expected: Container[str]) -> None:
    """Return only if the draft's revision is one of `expected`. Raises DraftChanged."""
    if str(draft.revision) not in expected:
        raise _changed(draft)


def _changed(draft: Draft) -> DraftChanged:
    return DraftChanged(f"The draft of {draft.name} has changed since; read it again.")


def content(name: str, definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is stored of a definition: its name, and no version. Raises RuleSetInvalid."""
    if not NAME.fullmatch(name):
        detail = "A rule set's name has small letters, digits and _, begins with a letter, and is 63 long at most."
        raise RuleSetInvalid(detail, errors=[fault("/name", "invalid_name", detail)])
    if definition.get("name", name) != name:
        detail = f"The definition is of another name than {name}."
        raise RuleSetInvalid(detail, errors=[fault("/name", "wrong_name", detail)])
    return {"name": name} | {member: value for member, value in definition.items() if member != "version"}


def fault(pointer: str, code: str, detail: str, **params: Any) -> dict[str, Any]:
    """Return one thing that is wrong with a definition, for `RuleSetInvalid`."""
    return {"pointer": pointer, "code": code, "detail": detail, "params": params}


def _origin(session: Session, name: str, definition: Mapping[str, Any]) -> int | None:
    """Return the version that the author began with: the one in the definition if there is one, or the newest."""
    said = definition.get("version")
    known = type(said) is int and 0 < said < 10**9 and rulesets.resolve(session, name, said)
    published = known or rulesets.resolve(session, name, None)
    return published.version if published else None


def note(session: Session, draft: Draft, by: str, act: str) -> None:
    """Have it written down that the draft was changed, by this `act`."""
    details = {"revision": str(draft.revision), "based_on": draft.based_on}
    audit.note(session, actor=by, action=f"ruleset.draft.{act}", subject=f"ruleset:{draft.name}", details=details)
