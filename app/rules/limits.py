"""How large a rule set may be. Anybody may write one, so its cost is known before it judges its first item."""

from collections.abc import Mapping
from typing import Any

from app.rules import schema_cost
from app.rules.errors import RuleSetError
from app.rules.legible import illegible

#: Bytes of JSON, examples and code lists included.
LARGEST = 1_048_576
#: Characters of all expressions of all rules.
LONGEST_EXPRESSIONS = 50_000


def hold_size(definition: Mapping[str, Any]) -> None:
    """Return only if the definition can be looked at. Raises RuleSetError."""
    unread = illegible(dict(definition), largest=LARGEST)
    if unread:
        raise RuleSetError(f"{unread.pointer or 'definition'}: {unread.message()}", pointer=unread.pointer)


def hold(definition: Mapping[str, Any]) -> None:
    """Return only if the definition, which has the shape of one, is within its limits. Raises RuleSetError."""
    written = 0
    for number, rule in enumerate(definition["rules"]):
        written += len(rule["expr"]) + sum(map(len, rule.get("params", {}).values()))
        if written > LONGEST_EXPRESSIONS:
            raise RuleSetError(
                f"/rules/{number}: all expressions together have at most {LONGEST_EXPRESSIONS} characters",
                pointer=f"/rules/{number}",
            )
    schema_cost.hold(definition["schema"])
