import json

import pytest
from flask import Flask

from app.auth import tokens
from app.models import access
from app.platform import Platform
from tests.cli.calls import noted, run

CREATE = ("oauth", "clients", "create", "--client", "importer", "--scope", "validations:read")


@pytest.fixture
def app(shared_app: Flask) -> Flask:
    """The application. Each test makes what it speaks of."""
    return shared_app


def valid(app: Flask, oauth_client_id: str) -> access.OAuthClient | None:
    platform: Platform = app.extensions["platform"]
    with platform.database.transaction() as session:
        return access.oauth_client(session, oauth_client_id)


def test_id_and_secret_are_printed_alone_and_only_the_hash_is_kept(app: Flask) -> None:
    result = run(app, *CREATE, "--scope", "validations:write")

    assert result.exit_code == 0, result.output
    oauth_client_id, secret = result.stdout.split()
    assert secret.startswith("rps_")
    row = valid(app, oauth_client_id)
    assert row is not None
    assert row.secret_digest == tokens.digest(secret)
    assert row.scopes == ["validations:read", "validations:write"]


def test_a_client_of_the_trusted_issuer_has_its_name_there_and_no_secret(app: Flask) -> None:
    result = run(app, *CREATE, "--subject", "abc@clients", "--json")

    told = json.loads(result.stdout)
    assert told == {"id": "abc@clients", "client": "importer", "scopes": ["validations:read"], "secret": None}
    row = valid(app, "abc@clients")
    assert row is not None
    assert row.secret_digest is None
    again = run(app, *CREATE, "--subject", "abc@clients")
    assert (again.exit_code, "already" in again.stderr) == (1, True)


def test_a_subject_that_no_token_can_name_is_refused(app: Flask) -> None:
    for subject in ("", "x" * 256, "line\nend"):
        assert run(app, *CREATE, "--subject", subject).exit_code == 2


def test_the_list_has_every_client_but_no_secret(app: Flask) -> None:
    oauth_client_id, secret = run(app, *CREATE).stdout.split()
    run(app, *CREATE, "--subject", "abc@clients")

    result = run(app, "oauth", "clients", "list")

    assert f"{oauth_client_id}  importer  own  valid  validations:read" in result.stdout
    assert "abc@clients  importer  trusted issuer  valid" in result.stdout
    assert secret not in result.output


def test_a_revoked_client_is_gone_and_listed_as_such(app: Flask) -> None:
    oauth_client_id, _ = run(app, *CREATE).stdout.split()

    assert run(app, "oauth", "clients", "revoke", oauth_client_id).exit_code == 0

    assert valid(app, oauth_client_id) is None
    assert "revoked" in run(app, "oauth", "clients", "list").stdout
    again = run(app, "oauth", "clients", "revoke", oauth_client_id)
    assert (again.exit_code, oauth_client_id in again.stderr) == (1, True)


def test_making_and_revoking_a_client_leaves_one_row_each_in_the_audit_trail(app: Flask) -> None:
    oauth_client_id, _ = run(app, *CREATE).stdout.split()

    assert [run(app, "oauth", "clients", "revoke", oauth_client_id).exit_code for _ in range(2)] == [0, 1]

    assert noted(app, f"oauth:{oauth_client_id}") == [("cli", "oauth.create"), ("cli", "oauth.revoke")]
