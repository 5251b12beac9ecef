"""The rule sets that come with the platform, as data: one JSON file each, beside this module."""

from importlib import resources
from typing import Any

import orjson


def definitions() -> tuple[dict[str, Any], ...]:
    """Return every built-in definition, ordered by name. Each call returns fresh dicts, the caller's to change."""
    files = sorted((file for file in resources.files(__name__).iterdir() if file.name.endswith(".json")), key=_name)
    return tuple(orjson.loads(file.read_bytes()) for file in files)


def _name(file: Any) -> str:
    return str(file.name)
