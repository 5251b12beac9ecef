"""The API's description as a file, `docs/openapi.json`: `python -m ops.openapi` writes it anew.

A test makes it again and compares, so that no change of the API goes unnoticed.
"""

from pathlib import Path
from typing import Any

import orjson

from app.api import openapi
from app.factory import create_app
from app.settings import Settings

FILE = Path(__file__).parent.parent / "docs" / "openapi.json"


def described() -> dict[str, Any]:
    """Return what `/api/openapi.json` says. Nothing is connected to."""
    app = create_app(Settings(database_url="postgresql+psycopg://", redis_url="redis://", log_level="error"))
    with app.app_context():
        return openapi.spec()


def text(spec: dict[str, Any]) -> bytes:
    """Return the description as the file has it: of the same description always the same."""
    return orjson.dumps(spec, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def main() -> None:
    """Write the file."""
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_bytes(text(described()))


if __name__ == "__main__":
    main()
