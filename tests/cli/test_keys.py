from pathlib import Path

import pytest
from flask import Flask

from app.auth.keys import SigningKeys, algorithm
from tests.cli.calls import run


@pytest.fixture
def app(shared_app: Flask) -> Flask:
    """The application, whose database is not asked for anything."""
    return shared_app


@pytest.mark.parametrize("wanted", ["EdDSA", "RS256"])
def test_a_key_is_printed_alone_and_is_one_to_sign_with(app: Flask, wanted: str) -> None:
    result = run(app, "keys", "create", "--algorithm", wanted)

    key = SigningKeys.of(result.stdout).present
    assert algorithm(key) == wanted
    assert str(key.kid) in result.stderr


def test_a_key_is_written_for_its_owners_eyes_only_and_never_over_another(app: Flask, tmp_path: Path) -> None:
    file = tmp_path / "key.pem"

    result = run(app, "keys", "create", "--out", str(file))

    assert "BEGIN" not in result.output
    assert file.stat().st_mode & 0o777 == 0o600
    kept = file.read_text()
    assert SigningKeys.of(str(file))
    again = run(app, "keys", "create", "--out", str(file))
    assert (again.exit_code, file.read_text()) == (1, kept)
    assert "File exists" in again.stderr
