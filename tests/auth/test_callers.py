"""Callers: what one process believes of a token, and for how long, while others revoke it and use it."""

import json
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update

from app.auth import tokens
from app.auth.callers import Caller, Callers
from app.auth.jwts import Verifier
from app.auth.keys import SigningKeys
from app.auth.strangers import Strangers
from app.database import Database
from app.errors import DatabaseAway, IssuerAway, MisplacedToken, Unauthenticated
from app.models import access
from app.models.access import Token
from app.settings import Settings
from tests.api.calls import bearer, problem
from tests.applications import application
from tests.auth.makers import AUDIENCE, ISSUER, good_claims, new_key, oauth_client, signed
from tests.factories import issue_token
from tests.processes import wait_for

KEY = new_key()
REQUEST = "/api/validation/requests/0"


@pytest.fixture
def process(database: Database) -> Callers:
    """What one web process knows of callers."""
    return callers(database)


def callers(database: Database) -> Callers:
    verifier = Verifier(own=ISSUER, issuers={ISSUER: SigningKeys([KEY])}, audience=AUDIENCE)
    return Callers(database, verifier, Strangers(per_s=0))


def identify(process: Callers, token: str) -> Caller:
    return process.identify({"Authorization": f"Bearer {token}"}.get, (), None)


def row(database: Database, token: str) -> Token:
    """Return what is stored of a token, good or not."""
    with database.transaction() as session:
        (found,) = (each for each, _ in access.tokens(session) if each.digest == tokens.digest(token))
        return found


def refuses(process: Callers, token: str) -> bool:
    try:
        identify(process, token)
    except Unauthenticated:
        return True
    return False


def test_a_revoked_token_is_refused_by_every_process_within_two_seconds(database: Database) -> None:
    token = issue_token(database)
    processes = [callers(database) for _ in range(2)]
    assert not any(refuses(process, token) for process in processes)

    with database.transaction() as session:
        assert access.revoke(session, row(database, token).id)

    wait_for(lambda: all(refuses(process, token) for process in processes), timeout_s=2, what="the refusal")


def test_a_revoked_client_is_refused_by_every_process_within_two_seconds(database: Database) -> None:
    subject, _ = oauth_client(database)
    token = signed(KEY, good_claims(subject))
    processes = [callers(database) for _ in range(2)]
    assert not any(refuses(process, token) for process in processes)

    with database.transaction() as session:
        assert access.revoke_oauth_client(session, subject)

    wait_for(lambda: all(refuses(process, token) for process in processes), timeout_s=2, what="the refusal")


def test_a_good_token_is_looked_up_once_for_a_moment(
    process: Callers, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    opaque = issue_token(database)
    jwt = signed(KEY, good_claims(oauth_client(database)[0]))
    first = [identify(process, token) for token in (opaque, jwt)]
    for way in ("transaction", "autocommit"):
        monkeypatch.setattr(Database, way, lambda _: pytest.fail("the database was asked"))

    assert [identify(process, token) for token in (opaque, jwt)] == first


def test_half_way_a_token_is_looked_up_anew_and_nobody_waits_for_it(
    process: Callers, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.auth.callers.BELIEVED_FOR_S", 600.0)
    token = issue_token(database)
    caller = identify(process, token)
    known = process._known[tokens.digest(token)]
    asked: list[threading.Thread] = []
    valid_token = access.valid_token

    def look_up(*of: Any) -> Any:
        asked.append(threading.current_thread())
        return valid_token(*of)

    monkeypatch.setattr(access, "valid_token", look_up)
    known.ask_at = time.monotonic()

    assert [identify(process, token) for _ in range(3)] == [caller] * 3
    wait_for(lambda: process._known[tokens.digest(token)] is not known, what="the new answer")
    assert len(asked) == 1
    assert asked[0] is not threading.current_thread()


def test_a_token_that_was_revoked_half_way_is_refused_before_its_time(
    process: Callers, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.auth.callers.BELIEVED_FOR_S", 600.0)
    token = issue_token(database)
    identify(process, token)
    with database.transaction() as session:
        assert access.revoke(session, row(database, token).id)
    process._known[tokens.digest(token)].ask_at = time.monotonic()

    wait_for(lambda: refuses(process, token), what="the refusal")


def test_tokens_of_both_kinds_speak_for_the_same_client(process: Callers, database: Database) -> None:
    opaque = identify(process, issue_token(database, client="both"))
    jwt = identify(process, signed(KEY, good_claims(oauth_client(database, client="both")[0])))

    assert opaque.client_id == jwt.client_id
    assert opaque.token_id != jwt.token_id


def test_a_jwt_may_be_in_either_header(process: Callers, database: Database) -> None:
    token = signed(KEY, good_claims(oauth_client(database)[0]))

    assert process.identify({"X-API-Key": token}.get, (), None) == identify(process, token)
    with pytest.raises(MisplacedToken):
        process.identify({"Authorization": f"Bearer {token}"}.get, {"access_token"}, None)


def test_the_first_use_of_a_token_is_written_down_after_the_answer(client: FlaskClient, database: Database) -> None:
    token = issue_token(database)
    assert row(database, token).last_used_at is None

    reply = client.get(REQUEST, headers=bearer(token))
    assert row(database, token).last_used_at is None, "somebody waited for it to be written down"
    reply.close()

    used_at = row(database, token).last_used_at
    assert used_at is not None
    assert abs(datetime.now(UTC) - used_at) < timedelta(minutes=1)


def test_uses_are_written_down_once_a_minute_whatever_the_number_of_processes(database: Database) -> None:
    token = issue_token(database)
    processes = [callers(database) for _ in range(3)]
    for process in processes:
        identify(process, token)
        assert process.has_uses

    written = set()
    for process in processes:
        process.write_uses()
        assert not process.has_uses
        written.add(row(database, token).last_used_at)

    assert len(written) == 1


def test_a_later_use_is_written_down_again(process: Callers, database: Database) -> None:
    token = issue_token(database)
    long_ago = datetime.now(UTC) - timedelta(minutes=2)
    with database.transaction() as session:
        session.execute(update(Token).where(Token.digest == tokens.digest(token)).values(last_used_at=long_ago))

    identify(process, token)
    process.write_uses()

    used_at = row(database, token).last_used_at
    assert used_at is not None
    assert used_at > long_ago


def test_a_use_a_moment_ago_is_not_worth_a_write(process: Callers, database: Database) -> None:
    token = issue_token(database)
    with database.transaction() as session:
        access.used(session, [row(database, token).id])

    identify(process, token)

    assert not process.has_uses


def test_a_use_that_cannot_be_written_down_is_nobodys_concern(
    process: Callers, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = issue_token(database)
    identify(process, token)

    def away(*_: object) -> None:
        raise DatabaseAway("It is away.")

    monkeypatch.setattr(access, "used", away)
    process.write_uses()

    assert row(database, token).last_used_at is None


def test_a_trusted_issuer_vouches_for_its_own_clients_only(
    settings: Settings, database: Database, tmp_path_factory: pytest.TempPathFactory
) -> None:
    theirs = new_key("RS256")
    keys = tmp_path_factory.mktemp("jwks") / "keys.json"
    keys.write_text(json.dumps({"keys": [theirs.as_dict(private=False)]}))
    more: dict[str, Any] = {"jwt_trusted_issuer": ISSUER, "jwt_trusted_jwks": str(keys), "jwt_audience": AUDIENCE}
    registered, _ = oauth_client(database, subject="abc@clients")
    ours, _ = oauth_client(database)
    with application(replace(settings, **more)) as app:
        client = app.test_client()

        problem(client.get(REQUEST, headers=bearer(signed(theirs, good_claims(registered)))), 404, "request_not_found")
        problem(client.get(REQUEST, headers=bearer(signed(theirs, good_claims(ours)))), 401, "invalid_token")
        problem(client.get(REQUEST, headers=bearer(signed(theirs, good_claims("nobody")))), 401, "invalid_token")
        problem(client.get(REQUEST, headers=bearer(signed(KEY, good_claims(registered)))), 401, "invalid_token")


def test_an_issuer_whose_keys_are_out_of_reach_is_an_outage_and_not_a_bad_token(
    settings: Settings, database: Database
) -> None:
    away: dict[str, Any] = {
        "jwt_trusted_issuer": ISSUER,
        "jwt_trusted_jwks": "/nowhere/keys.json",
        "jwt_audience": AUDIENCE,
    }
    with application(replace(settings, **away)) as app:
        reply = app.test_client().get(REQUEST, headers=bearer(signed(KEY, good_claims("abc"))))

    assert problem(reply, 503, IssuerAway.code)
    assert int(reply.headers["Retry-After"]) > 0
