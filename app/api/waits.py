"""Waits: how long a caller wants to wait for an answer, by `?wait=N` or by `Prefer: wait=N` (RFC 7240). Seconds.

The query counts before the preference. A preference that makes no sense is ignored, as the RFC asks; a query that makes
none is an error, since somebody has typed it.
"""

import re
from functools import lru_cache
from typing import NamedTuple, Self

from werkzeug.http import parse_list_header, unquote_header_value

from app.api.problems import fault
from app.errors import InvalidRequest

#: Nine digits are 31 years, which is clamped anyway; more only cost.
SECONDS = re.compile(r"[0-9]{1,9}")


class Wait(NamedTuple):
    """How long to wait, 0 for not at all, and which preference that honours."""

    seconds: int
    applied: str | None = None

    @classmethod
    def of(cls, query: str | None, prefer: str | None, *, longest_s: int) -> Self:
        """Return the wait that `?wait=` or the Prefer header asks for, at most `longest_s`. Raises InvalidRequest."""
        if query is not None:
            if not SECONDS.fullmatch(query):
                message = "The query parameter wait must be a whole number of seconds."
                wrong = fault("", "invalid_value", message, {"parameter": "wait"})
                raise InvalidRequest(message, errors=[wrong])
            return cls(min(int(query), longest_s))
        if prefer is None:
            return cls(0)
        wanted, is_async = preferred(prefer)
        seconds = None if wanted is None else min(wanted, longest_s)
        # Both together: go on without the answer, but only once the wait is over (RFC 7240 §4.3).
        applied = ["respond-async"] if is_async else []
        applied += [] if seconds is None else [f"wait={seconds}"]
        return cls(seconds or 0, ", ".join(applied) or None)

    @property
    def headers(self) -> dict[str, str]:
        """What tells the caller that the preference was honoured (RFC 7240 §3)."""
        return {"Preference-Applied": self.applied} if self.applied else {}


@lru_cache(maxsize=256)  # A client mostly says the same.
def preferred(header: str) -> tuple[int | None, bool]:
    """Return the seconds of `wait` in a Prefer header, None when it has none, and whether it has `respond-async`."""
    found = preferences(header)
    wait = found.get("wait", "")
    return (int(wait) if SECONDS.fullmatch(wait) else None), "respond-async" in found


def preferences(header: str) -> dict[str, str]:
    """Return the preferences in the header with their values; the first of a name counts (RFC 7240 §2)."""
    found: dict[str, str] = {}
    # Commas in quoted values do not end a preference.
    for part in parse_list_header(header):
        # What follows a semicolon are parameters, of which neither of ours has any.
        name, _, value = part.partition(";")[0].partition("=")
        found.setdefault(name.strip().lower(), unquote_header_value(value.strip()))
    return found
