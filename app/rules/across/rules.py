"""The rules across rows of one rule set, read from its definition."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.rules.across.change import Change
from app.rules.across.conflict import Conflict
from app.rules.across.kinds import Kind
from app.rules.across.overlap import Overlap
from app.rules.across.unique import Unique
from app.rules.findings import Severity


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: which rows are compared (`fields` are their key), and by what kind."""

    id: str
    severity: Severity
    fields: tuple[str, ...]
    kind: Kind


def read(definition: Mapping[str, Any], folder: Path | None = None) -> tuple[Rule, ...]:
    """Return the rules across rows of `definition`, which is shaped as in definition.json.

    What they cannot keep in memory goes into a file in `folder`, or else where the system keeps temporary ones.
    """
    return tuple(
        Rule(rule["id"], rule["severity"], tuple(field[1:] for field in rule["key"]), _kind(rule, folder))
        for rule in definition.get("across", ())
    )


def _kind(rule: Mapping[str, Any], folder: Path | None) -> Kind:
    match rule["kind"]:
        case "unique":
            return Unique(rule)
        case "overlap":
            return Overlap(rule)
        case "conflict":
            return Conflict(rule, folder)
        case _:
            return Change(rule)
