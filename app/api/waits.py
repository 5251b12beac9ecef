"""Waits: how long a caller wants to wait for an answer, by `?wait=N` or by `Prefer: wait=N` (RFC 7240). Seconds.

The query counts before the preference. A preference that makes no sense is ignored, as the RFC asks; a query that makes
none is an error, since somebody has typed it.
"""

import re
from dataclasses import dataclass
from typing import Self

from flask import Request
from werkzeug.http import parse_list_header, unquote_header_value

from app.api.problems import fault
from app.errors import InvalidRequest

#: Nine digits are 31 years, which is clamped anyway; more only cost.
SECONDS = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True)
class Wait:
    """How long to wait, 0 for not at all, and which preference that honours."""

    seconds: int
    applied: str | None = None

    @classmethod
    def of(cls, request: Request, *, longest_s: int) -> Self:
        """Return the wait that the request asks for, at most `longest_s`. Raises InvalidRequest."""
        query = request.args.get("wait")
        if query is not None:
            if not SECONDS.fullmatch(query):
                message = "The query parameter wait must be a whole number of seconds."
                wrong = fault("", "invalid_value", message, {"parameter": "wait"})
                raise InvalidRequest(message, errors=[wrong])
            return cls(min(int(query), longest_s))
        lines = request.headers.getlist("Prefer")
        if not lines:
            return cls(0)
        preferred = preferences(lines)
        wait = preferred.get("wait", "")
        seconds = min(int(wait), longest_s) if SECONDS.fullmatch(wait) else None
        # Both together: go on without the answer, but only once the wait is over (RFC 7240 §4.3).
        applied = ["respond-async"] if "respond-async" in preferred else []
        applied += [] if seconds is None else [f"wait={seconds}"]
        return cls(seconds or 0, ", ".join(applied) or None)

    @property
    def headers(self) -> dict[str, str]:
        """What tells the caller that the preference was honoured (RFC 7240 §3)."""
        return {"Preference-Applied": self.applied} if self.applied else {}


def preferences(lines: list[str]) -> dict[str, str]:
    """Return the preferences in these header lines with their values; the first of a name counts (RFC 7240 §2)."""
    found: dict[str, str] = {}
    # Commas in quoted values do not end a preference.
    for part in parse_list_header(",".join(lines)):
        # What follows a semicolon are parameters, of which neither of ours has any.
        name, _, value = part.partition(";")[0].partition("=")
        found.setdefault(name.strip().lower(), unquote_header_value(value.strip()))
    return found
