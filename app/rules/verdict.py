"""What to do about an item: take it, have a person look at it, or have it mended."""

from collections.abc import Iterable
from enum import StrEnum

from app.rules.findings import Severity


class NextAction(StrEnum):
    """What the sender of an item does next."""

    #: Nothing speaks against the item.
    ACCEPT = "accept"
    #: The item is valid, but somebody should say that it is meant as it stands.
    CONFIRM = "confirm"
    #: The item is invalid.
    FIX = "fix"


def next_action(severities: Iterable[Severity]) -> NextAction:
    """Return what findings of these severities ask for: an error asks to fix, a warning to confirm."""
    seen = set(severities)
    if "error" in seen:
        return NextAction.FIX
    return NextAction.CONFIRM if "warning" in seen else NextAction.ACCEPT
