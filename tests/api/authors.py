"""What the tests of rule sets over HTTP share: an author, and small rule sets in any state."""

from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.models.base import new_id
from tests.api.calls import told
from tests.authoring.makers import definition

Auth = dict[str, str]


def unused() -> str:
    """Return a name that no rule set has."""
    return f"tiny_{new_id().hex}"


def url(name: str, *more: Any) -> str:
    """Return a path below a rule set's own."""
    return "/".join(("/api/rulesets", name, *map(str, more)))


def put(client: FlaskClient, auth: Auth, name: str, etag: str | None = None, **more: Any) -> TestResponse:
    """Return the answer to writing the draft, for the state that has this ETag."""
    headers = auth | ({"If-Match": etag} if etag else {})
    return client.put(url(name, "draft"), json={"definition": definition(name, **more)}, headers=headers)


def publish(client: FlaskClient, auth: Auth, name: str, **more: Any) -> dict[str, Any]:
    """Return the new version with this content."""
    assert put(client, auth, name, **more).status_code == 201
    reply = client.post(url(name, "draft/publish"), headers=auth)
    assert reply.status_code == 201, reply.text
    return dict(told(reply))
