from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import bare
from app.api.shapes import Answer, RequestState
from app.models import requests
from app.platform import Platform
from app.validation import judge, record
from tests.api.calls import submit, told


@pytest.mark.parametrize("state", ["pending", "done", "failed"])
def test_what_is_answered_is_of_the_shape_that_is_described(
    app: Flask, client: FlaskClient, auth: dict[str, str], state: str
) -> None:
    platform: Platform = app.extensions["platform"]
    # With something to fix, a suggestion that replaces, and one that moves.
    item = {"date": "2026-11-20", "base": "EURO", "quote": " usd", "Rate": "1,5"}
    accepted = submit(client, auth, item=item, autofix="safe")
    with platform.database.transaction() as session:
        if state == "done":
            (request,) = requests.claim(bare.of(session), [UUID(accepted["id"])])
            ruleset = platform.rulebook.get(session, request.ruleset)
            record(bare.of(session), [(request, judge(ruleset, request.items, request.autofix))])
        if state == "failed":
            requests.fail(session, UUID(accepted["id"]), "The rules broke down.")

    state_told = told(client.get(accepted["links"]["self"], headers=auth))
    answer = told(client.get(accepted["links"]["result"], headers=auth))

    assert state_told["state"] == answer["state"] == state
    assert RequestState().validate(state_told) == {}
    assert Answer().validate(answer) == {}
    if state == "done":
        (told_of,) = answer["items"]
        assert {each["suggestion"]["op"] for each in told_of["findings"] if "suggestion" in each} == {"replace", "move"}
        assert "fixed" in told_of
