"""Look-up tables that come with the platform, one versioned JSON file each, beside this module."""

from importlib import resources
from typing import Any

import orjson


def read(name: str) -> dict[str, Any]:
    """Return the table called `name`, with its `name`, `version`, `source` and content."""
    table: dict[str, Any] = orjson.loads(resources.files(__name__).joinpath(f"{name}.json").read_bytes())
    return table
