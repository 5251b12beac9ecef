"""Pages of a list: `?limit=N` and `?cursor=…`, both optional, the same for every list.

A cursor says after which entry to go on, by that entry's key: entries that come meanwhile make nobody skip another one
or see it twice. A list that can be filtered has cursors that are good for the same filters only. Callers hand a cursor
back as it is; what it looks like may change.
"""

import hashlib
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Self, TypeVar
from uuid import UUID

from flask import Request, Response, request
from sqlalchemy.orm import Session

from app import json
from app.api import bodies
from app.api.current import platform
from app.api.problems import fault
from app.errors import CursorMismatch, InvalidRequest

#: Entries on a page when the caller does not say, and the most; more is taken as the most.
DEFAULT, MOST = 50, 1_000
#: Far longer than any key.
LONGEST_CURSOR = 400
NUMBER = re.compile(r"[1-9][0-9]{0,8}")
#: Between a key and the mark of its list's filters.
MARKED = "~"

PARAMETERS = [
    {
        "in": "query",
        "name": "limit",
        "schema": {"type": "integer", "minimum": 1, "default": DEFAULT},
        "description": f"Entries on a page; more than {MOST} is taken as {MOST}.",
    },
    {
        "in": "query",
        "name": "cursor",
        "schema": {"type": "string"},
        "description": "The `next` of the page before.",
    },
]

Entry = TypeVar("Entry")
#: What a list is filtered by, None or left out where it is not.
Filters = Mapping[str, str | None]


@dataclass(frozen=True)
class Page:
    """What the caller asks for: at most `limit` entries after the one with the key `after`, None for the first."""

    limit: int
    after: str | None
    #: Stands in the list's cursors for the filters that it is asked for with. Empty where there are none to ask for.
    mark: str = ""

    @classmethod
    def of(cls, request: Request, filters: Filters | None = None) -> Self:
        """Return the page that the request asks for, of a list with these filters or of one that has none.

        Raises InvalidRequest, CursorMismatch.
        """
        mark = "" if filters is None else mark_of(filters)
        limit, cursor = request.args.get("limit"), request.args.get("cursor")
        if limit is not None and not NUMBER.fullmatch(limit):
            refuse("limit", "The query parameter limit must be a whole number from 1.")
        after = None if cursor is None else key_in(cursor, mark)
        return cls(min(int(limit or DEFAULT), MOST), after, mark)

    @property
    def after_number(self) -> int | None:
        """The key as a whole number, for lists that are ordered by one. Raises InvalidRequest."""
        if self.after is not None and not NUMBER.fullmatch(self.after):
            refuse_cursor()
        return None if self.after is None else int(self.after)

    @property
    def after_id(self) -> UUID | None:
        """The key as an id, for lists that are ordered by one. Raises InvalidRequest."""
        try:
            return None if self.after is None else UUID(self.after)
        except ValueError:
            refuse_cursor()

    def told(
        self, entries: Sequence[Entry], *, key: Callable[[Entry], object], shown: Callable[[Entry], Any]
    ) -> dict[str, Any]:
        """Return the answer: `items`, and `next`, the cursor of the page after or None when this is the last.

        `entries` are those after `after`, one more than `limit` where there are so many.
        """
        page = entries[: self.limit]
        after = cursor(f"{key(page[-1])}{self.mark}") if len(entries) > self.limit else None
        return {"items": [shown(entry) for entry in page], "next": after}


def answer(
    read: Callable[[Session, Page], Sequence[Entry]],
    *,
    key: Callable[[Entry], object],
    shown: Callable[[Entry], Any],
    filters: Filters | None = None,
) -> Response:
    """Return the page that the request asks for; `read` returns its entries, as `Page.told` wants them.

    Raises InvalidRequest, CursorMismatch.
    """
    page = Page.of(request, filters)
    with platform().database.autocommit() as session:
        entries = read(session, page)
    return bodies.write(page.told(entries, key=key, shown=shown))


def cursor(key: str) -> str:
    """Return the cursor that goes on after the entry of this key."""
    return urlsafe_b64encode(key.encode()).decode().rstrip("=")


def mark_of(filters: Filters) -> str:
    """Return what stands for these filters: short, and the same for the same ones only."""
    given = {name: value for name, value in filters.items() if value is not None}
    return MARKED + hashlib.sha256(json.canonical(given)).hexdigest()[:16]


def key_in(text: str, mark: str = "") -> str:
    """Return the key in a cursor of the list with this mark.

    Raises:
        InvalidRequest: it is none of ours.
        CursorMismatch: it was handed out by the list with other filters.
    """
    try:
        found = urlsafe_b64decode(text[:LONGEST_CURSOR].encode() + b"==").decode()
    except ValueError:
        refuse_cursor()
    # The decoder passes over what it does not know; and no key has a character that Postgres would refuse.
    if cursor(found) != text or not found.isprintable():
        refuse_cursor()
    if not mark:
        return found
    key, marked, _ = found.rpartition(MARKED)
    if not marked:
        refuse_cursor()
    if found != key + mark:
        raise CursorMismatch("The cursor is of the list with other filters.")
    return key


def refuse_cursor() -> NoReturn:
    """Raise the error for a cursor that was not handed out by the list."""
    refuse("cursor", "The query parameter cursor must be the next of the page before.")


def refuse(parameter: str, message: str) -> NoReturn:
    """Raise InvalidRequest about a query parameter."""
    raise InvalidRequest(message, errors=[fault("", "invalid_value", message, {"parameter": parameter})])
