"""Pages of a list: `?limit=N` and `?cursor=…`, both optional, the same for every list.

A cursor says after which entry to go on, by that entry's key: entries that come meanwhile make nobody skip another one
or see it twice. Callers hand it back as it is; what it looks like may change.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Self, TypeVar
from uuid import UUID

from flask import Request, Response, request
from sqlalchemy.orm import Session

from app.api import bodies
from app.api.current import platform
from app.api.problems import fault
from app.errors import InvalidRequest

#: Entries on a page when the caller does not say, and the most; more is taken as the most.
DEFAULT, MOST = 50, 1_000
#: Far longer than any key.
LONGEST_CURSOR = 400
NUMBER = re.compile(r"[1-9][0-9]{0,8}")

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


@dataclass(frozen=True)
class Page:
    """What the caller asks for: at most `limit` entries after the one with the key `after`, None for the first."""

    limit: int
    after: str | None

    @classmethod
    def of(cls, request: Request) -> Self:
        """Return the page that the request asks for. Raises InvalidRequest."""
        limit, cursor = request.args.get("limit"), request.args.get("cursor")
        if limit is not None and not NUMBER.fullmatch(limit):
            refuse("limit", "The query parameter limit must be a whole number from 1.")
        return cls(min(int(limit or DEFAULT), MOST), None if cursor is None else key_in(cursor))

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
        more = len(entries) > self.limit
        return {"items": [shown(entry) for entry in page], "next": cursor(str(key(page[-1]))) if more else None}


def answer(
    read: Callable[[Session, Page], Sequence[Entry]],
    *,
    key: Callable[[Entry], object],
    shown: Callable[[Entry], Any],
) -> Response:
    """Return the page that the request asks for; `read` returns its entries, as `Page.told` wants them.

    Raises InvalidRequest.
    """
    page = Page.of(request)
    with platform().database.autocommit() as session:
        entries = read(session, page)
    return bodies.write(page.told(entries, key=key, shown=shown))


def cursor(key: str) -> str:
    """Return the cursor that goes on after the entry of this key."""
    return urlsafe_b64encode(key.encode()).decode().rstrip("=")


def key_in(text: str) -> str:
    """Return the key in a cursor. Raises InvalidRequest when it is none of ours."""
    try:
        found = urlsafe_b64decode(text[:LONGEST_CURSOR].encode() + b"==").decode()
    except ValueError:
        refuse_cursor()
    # The decoder passes over what it does not know; and no key has a character that Postgres would refuse.
    if cursor(found) != text or not found.isprintable():
        refuse_cursor()
    return found


def refuse_cursor() -> NoReturn:
    """Raise the error for a cursor that was not handed out by the list."""
    refuse("cursor", "The query parameter cursor must be the next of the page before.")


def refuse(parameter: str, message: str) -> NoReturn:
    """Raise InvalidRequest about a query parameter."""
    raise InvalidRequest(message, errors=[fault("", "invalid_value", message, {"parameter": parameter})])
