"""The audit trail over HTTP: what was done is told to whoever may know it, and to nobody else."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from app.auth.scopes import Scope
from app.database import Database
from app.models.base import new_id
from tests.api.authors import publish, put, unused
from tests.api.calls import bearer, problem, told
from tests.factories import issue_token

Auth = dict[str, str]
URL = "/api/audit"


@pytest.fixture(scope="module")
def auditor(database: Database) -> Auth:
    """The headers of a caller who may read the audit trail and nothing else."""
    return bearer(issue_token(database, client="auditor", scopes=[Scope.AUDIT_READ]))


def entries(client: FlaskClient, auditor: Auth, **query: Any) -> list[dict[str, Any]]:
    """Return the entries of one page."""
    reply = client.get(URL, query_string=query, headers=auditor)
    assert reply.status_code == 200, reply.text
    return list(told(reply)["items"])


def test_what_an_author_does_is_told_newest_first(client: FlaskClient, author: Auth, auditor: Auth) -> None:
    name = unused()
    publish(client, author, name)

    done, begun = entries(client, auditor, subject=f"ruleset:{name}")

    assert (done["action"], begun["action"]) == ("ruleset.publish", "ruleset.draft.create")
    assert done["at"] > begun["at"]
    assert done["actor"] == begun["actor"]
    assert done["actor"].startswith("client:")
    assert done["details"]["version"] == 1
    assert done["request_id"] != begun["request_id"]


def test_filters_are_all_to_match(client: FlaskClient, author: Auth, auditor: Auth) -> None:
    names = [unused(), unused()]
    for name in names:
        publish(client, author, name)
    [entry] = entries(client, auditor, subject=f"ruleset:{names[0]}", action="ruleset.publish")
    other = f"client:{new_id()}"

    by_author = entries(client, auditor, actor=entry["actor"], action="ruleset.publish", limit=2)

    assert [each["subject"] for each in by_author] == [f"ruleset:{name}" for name in reversed(names)]
    assert entries(client, auditor, subject=entry["subject"], actor=other) == []
    assert {each["action"] for each in entries(client, auditor, action="ruleset.publish")} == {"ruleset.publish"}


def test_pages_lead_to_the_beginning(client: FlaskClient, author: Auth, auditor: Auth) -> None:
    name = unused()
    etag = put(client, author, name).headers["ETag"]
    for number in range(4):
        etag = put(client, author, name, etag, title=f"Title {number}").headers["ETag"]
    query: dict[str, Any] = {"subject": f"ruleset:{name}", "limit": 2}
    pages = []

    while query.get("cursor", "first"):
        page = told(client.get(URL, query_string=query, headers=auditor))
        pages.append([each["action"].rpartition(".")[2] for each in page["items"]])
        query["cursor"] = page["next"]

    assert pages == [["change"] * 2, ["change"] * 2, ["create"]]


@pytest.mark.parametrize(
    "query", ["subject=", "actor=%00", "action=" + "x" * 201, "limit=0", "cursor=x", "cursor=MTIz", "subject=a%0Ab"]
)
def test_an_odd_query_is_refused(client: FlaskClient, auditor: Auth, query: str) -> None:
    problem(client.get(f"{URL}?{query}", headers=auditor), 422, "invalid_request")


def test_an_author_may_not_read_it(client: FlaskClient, author: Auth) -> None:
    problem(client.get(URL, headers=author), 403, "insufficient_scope")
