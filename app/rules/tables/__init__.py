"""Look-up tables that come with the platform, one versioned JSON file each, beside this module."""

from functools import cache
from importlib import resources
from typing import Any

import orjson

#: Those that are lists of codes, which rule sets can name as `iso3166@1`: countries, and currencies ever.
CODE_LISTS = ("iso3166", "iso4217")


def read(name: str) -> dict[str, Any]:
    """Return the table called `name`, with its `name`, `version`, `source` and content."""
    table: dict[str, Any] = orjson.loads(resources.files(__name__).joinpath(f"{name}.json").read_bytes())
    return table


def codes(name: str, version: str) -> frozenset[str] | None:
    """Return the codes of one of CODE_LISTS, None when it has no such version; an empty `version` is the newest."""
    newest, codes = _codes(name)
    return codes if version in ("", newest) else None


@cache
def _codes(name: str) -> tuple[str, frozenset[str]]:
    table = read(name)
    return str(table["version"]), frozenset(table["codes"] if "codes" in table else table["currencies"])
