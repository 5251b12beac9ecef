import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import Result
from flask import Flask

from app.auth import tokens
from app.models import access
from app.platform import Platform
from tests.cli.calls import noted, run


@pytest.fixture
def app(shared_app: Flask) -> Flask:
    """The application. Each test makes what it speaks of."""
    return shared_app


def create(app: Flask, *more: str) -> Result:
    return run(app, "tokens", "create", "--client", "extension", "--name", "test", "--scope", "validations:read", *more)


def valid(app: Flask, token: str) -> access.Token | None:
    platform: Platform = app.extensions["platform"]
    with platform.database.transaction() as session:
        return access.valid_token(session, tokens.digest(token))


def test_a_token_is_printed_alone_and_works(app: Flask) -> None:
    result = create(app)

    assert result.exit_code == 0, result.output
    token = result.stdout.strip()
    assert tokens.is_sound(token)
    row = valid(app, token)
    assert row is not None
    assert (row.scopes, row.expires_at) == (["validations:read"], None)


def test_a_token_is_printed_for_programs_as_json(app: Flask) -> None:
    result = create(app, "--scope", "validations:write", "--expires-days", "30", "--json")

    told = json.loads(result.stdout)
    assert tokens.is_sound(told["token"])
    assert (told["client"], told["name"]) == ("extension", "test")
    assert told["scopes"] == ["validations:read", "validations:write"]
    left = datetime.fromisoformat(told["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=29) < left < timedelta(days=30)


def test_two_tokens_of_one_client_are_of_one_client(app: Flask) -> None:
    first, second = (valid(app, create(app).stdout.strip()) for _ in range(2))

    assert first
    assert second
    assert first.client_id == second.client_id


def test_a_scope_that_there_is_not_is_refused(app: Flask) -> None:
    result = run(app, "tokens", "create", "--client", "c", "--name", "n", "--scope", "everything")

    assert result.exit_code == 2
    assert "everything" in result.stderr


def test_the_list_has_every_token_but_not_the_secret(app: Flask) -> None:
    token = create(app).stdout.strip()

    result = run(app, "tokens", "list")

    assert "extension" in result.stdout
    assert f"…{token[-4:]}" in result.stdout
    assert token not in result.output


def test_a_revoked_token_is_refused_and_listed_as_such(app: Flask) -> None:
    told = json.loads(create(app, "--json").stdout)

    result = run(app, "tokens", "revoke", told["id"])

    assert result.exit_code == 0
    assert valid(app, told["token"]) is None
    assert "revoked" in run(app, "tokens", "list").stdout
    again = run(app, "tokens", "revoke", told["id"])
    assert again.exit_code == 1
    assert told["id"] in again.stderr


def test_making_and_revoking_a_token_leaves_one_row_each_in_the_audit_trail(app: Flask) -> None:
    token_id = json.loads(create(app, "--json").stdout)["id"]

    assert [run(app, "tokens", "revoke", token_id).exit_code for _ in range(2)] == [0, 1]

    assert noted(app, f"token:{token_id}") == [("cli", "token.create"), ("cli", "token.revoke")]
