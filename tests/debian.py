"""Programs that the tests take from Debian: named when they are missing at home, required when CI=true."""

import os
from pathlib import Path

import pytest

POSTGRES_15 = Path("/usr/lib/postgresql/15/bin")
REDIS_7 = Path("/usr/bin/redis-server")


def required(path: Path, package: str) -> Path:
    """Return `path`; without it the test is skipped with what to install, or fails when CI=true."""
    if path.exists():
        return path
    message = f"{path} is missing: apt-get install {package}"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)
