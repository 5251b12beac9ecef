"""What the API says of itself holds: schemathesis calls every operation, with what its description allows and forbids.

The description is the committed one, which another test holds against the one that is served.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, settings
from schemathesis import Config, SerializationContext

from app.api import events
from app.auth.scopes import Scope
from app.database import Database
from app.settings import Settings
from ops.openapi import FILE
from tests.api.authors import publish, put, unused, url
from tests.api.calls import GOOD_RATE, bearer, submit, told
from tests.api.test_validation import finish
from tests.applications import application
from tests.factories import issue_token

Auth = dict[str, str]

#: Of each operation. When this is set, it is also tried what each parameter alone may be and may not: about a minute.
EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES")

#: What a caller may be told whose request is well formed, and cannot be done as things are; and whose is not.
NOT_NOW = ["2xx", "3xx", "404", "409", "412", "422", "428"]
REFUSED = ["400", "404", "405", "409", "412", "415", "422", "428"]

RULES = Config.from_dict(
    {
        # The token is the test's own: one way to carry it, not both. And no schema says of every text that it has no
        # NUL, which is refused everywhere: `test_fuzz` sends some.
        "generation": {"with-security-parameters": False, "allow-x00": False, "deterministic": not EXAMPLES},
        "phases": {"coverage": {"enabled": bool(EXAMPLES)}},
        "checks": {
            "positive_data_acceptance": {"expected-statuses": NOT_NOW},
            "negative_data_rejection": {"expected-statuses": REFUSED},
            # Tokens that are missing or lack the scope: `test_matrix` tries all of them.
            "ignored_auth": {"enabled": False},
        },
    }
)
described = schemathesis.openapi.from_path(FILE, config=RULES)


@pytest.fixture(scope="module")
def everything(database: Database) -> Auth:
    """The headers of a client that may do everything."""
    return bearer(issue_token(database, client=f"client-{uuid4()}", scopes=list(Scope)))


@pytest.fixture(scope="module")
def hasty(settings: Settings) -> Iterator[Flask]:
    """An application in which nobody waits."""
    with application(replace(settings, max_wait_s=0)) as app, pytest.MonkeyPatch.context() as patch:
        patch.setattr(events, "SILENT_S", 0.0)
        yield app


@schemathesis.serializer("application/x-ndjson", "application/jsonl")
def lines(_context: SerializationContext, value: Any) -> bytes:
    """Return what is a text already."""
    return str(value).encode()


@pytest.fixture(scope="module")
def there(hasty: Flask, everything: Auth) -> dict[str, str]:
    """One of each kind: a request with findings, a token, a rule set with a draft and a comparison, a table."""
    client, platform = hasty.test_client(), hasty.extensions["platform"]
    request_id = submit(client, everything, item={**GOOD_RATE, "rate": "-1"})["id"]
    finish(platform, request_id)
    token = client.post("/api/tokens", json={"name": "x", "scopes": ["validations:read"]}, headers=everything)
    ruleset = unused()
    publish(client, everything, ruleset)
    put(client, everything, ruleset, title="Other")
    comparison = client.post(url(ruleset, "comparisons"), json={"requests": 1}, headers=everything)
    table = f"t{uuid4().hex}"
    client.put(f"/api/reference/{table}", json=["A", "B"], headers=everything)
    return {
        "request_id": request_id,
        "token_id": told(token)["id"],
        "comparison_id": told(comparison)["id"],
        "ruleset": ruleset,
        "table": table,
        "version": "1",
        "code": "not_found",
    }


@described.parametrize()
@settings(max_examples=int(EXAMPLES or 4), suppress_health_check=list(HealthCheck))
def test_every_operation_is_as_it_is_described(
    case: schemathesis.Case[Any], hasty: Flask, everything: Auth, there: dict[str, str]
) -> None:
    # What is well formed leads to something: else all that could be seen would be how things are not found.
    if case.meta and case.meta.generation.mode.is_positive:
        names = {"name": there["table" if case.path.startswith("/api/reference") else "ruleset"], **there}
        for parameter in case.path_parameters or {}:
            case.path_parameters[parameter] = names[parameter]

    case.call_and_validate(app=hasty, headers=everything)
