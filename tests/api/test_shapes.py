from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient

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
    accepted = submit(client, auth, item={"rate": "on req."})
    with platform.database.transaction() as session:
        if state == "done":
            request = requests.claim(session, UUID(accepted["id"]))
            assert request is not None
            record(session, request, judge(platform.rulebook.get(session, request.ruleset), request.items))
        if state == "failed":
            requests.fail(session, UUID(accepted["id"]), "The rules broke down.")

    state_told = told(client.get(accepted["links"]["self"], headers=auth))
    answer = told(client.get(accepted["links"]["result"], headers=auth))

    assert state_told["state"] == answer["state"] == state
    assert RequestState().validate(state_told) == {}
    assert Answer().validate(answer) == {}
