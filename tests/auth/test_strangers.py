"""Tokens that are no good: an address may show so many, and nobody who has a good one is touched."""

from dataclasses import replace

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.auth import tokens
from app.auth.strangers import Strangers, network
from app.budgets import WHOLE_S
from app.database import Database
from app.errors import TooManyRequests
from app.settings import Settings
from tests.api.calls import bearer, problem
from tests.applications import application
from tests.factories import issue_token

HERE, THERE = "192.0.2.7", "192.0.2.8"
REQUEST = "/api/validation/requests/0"
#: Its fractions are exact.
PER_S = 4


def is_admitted(strangers: Strangers, address: str, now: float) -> bool:
    try:
        strangers.admit(address, now)
    except TooManyRequests:
        return False
    return True


def ask(client: FlaskClient, token: str, address: str = HERE) -> TestResponse:
    return client.get(REQUEST, headers=bearer(token), environ_base={"REMOTE_ADDR": address})


def test_so_many_are_looked_at_and_one_more_is_not() -> None:
    strangers = Strangers(PER_S)

    for _ in range(PER_S * WHOLE_S):
        strangers.admit(HERE, now=100.0)
        strangers.refused(HERE, now=100.0)

    with pytest.raises(TooManyRequests) as refused:
        strangers.admit(HERE, now=100.0)
    assert refused.value.params == {"limit": "address", "retry_after_s": 1}
    strangers.admit(THERE, now=100.0)
    strangers.admit(HERE, now=100.0 + 2 / PER_S)


def test_those_that_came_at_once_are_paid_for_later() -> None:
    strangers = Strangers(PER_S)

    for _ in range(PER_S * 60):  # All were admitted before the first one was refused.
        strangers.refused(HERE, now=100.0)

    assert not is_admitted(strangers, HERE, now=150.0)
    assert is_admitted(strangers, HERE, now=160.0)


def test_no_limit_is_no_limit() -> None:
    strangers = Strangers(0)

    for _ in range(10_000):
        strangers.refused(HERE, now=100.0)

    assert is_admitted(strangers, HERE, now=100.0)


@pytest.mark.parametrize(
    ("address", "counted_as"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::", "2001:db8:1:2::"),
        ("unknown", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_an_address_is_counted_as_what_one_customer_has(address: str | None, counted_as: str) -> None:
    assert network(address) == counted_as


def test_invented_tokens_are_refused_at_some_point_without_a_look_and_good_ones_are_not_touched(
    settings: Settings, database: Database
) -> None:
    good = issue_token(database)
    with application(replace(settings, refused_tokens_per_s=1)) as app:
        client = app.test_client()
        problem(ask(client, good), 404, "request_not_found")  # From here on it is known.

        invented = [ask(client, tokens.make()) for _ in range(30)]
        still_good = [(ask(client, tokens.make()), ask(client, good))[1] for _ in range(30)]
        elsewhere = ask(client, tokens.make(), THERE)

    assert {reply.status_code for reply in invented} == {401, 429}
    refused = next(reply for reply in invented if reply.status_code == 429)
    problem(refused, 429, "too_many_requests")
    assert int(refused.headers["Retry-After"]) >= 1
    assert {reply.status_code for reply in still_good} == {404}
    problem(elsewhere, 401, "invalid_token")


def test_a_refused_look_asks_the_database_nothing(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with application(replace(settings, refused_tokens_per_s=1)) as app:
        client = app.test_client()
        monkeypatch.setattr(Strangers, "admit", refusing)
        monkeypatch.setattr(Database, "autocommit", lambda _: pytest.fail("the database was asked"))

        problem(ask(client, tokens.make()), 429, "too_many_requests")


def refusing(*_: object) -> None:
    raise TooManyRequests("Too many.", retry_after_s=1)


def test_behind_a_proxy_it_is_the_address_before_it_that_counts(settings: Settings) -> None:
    def through_proxy(client: FlaskClient, address: str) -> int:
        headers = {**bearer(tokens.make()), "X-Forwarded-For": address}
        return client.get(REQUEST, headers=headers).status_code

    with application(replace(settings, refused_tokens_per_s=1, trusted_proxies=1)) as app:
        client = app.test_client()
        greedy = [through_proxy(client, HERE) for _ in range(30)]
        modest = [through_proxy(client, f"198.51.100.{number}") for number in range(30)]

    assert set(greedy) == {401, 429}
    assert set(modest) == {401}
