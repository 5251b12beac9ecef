"""Drafts over HTTP: nobody undoes what somebody else has written, and what is wrong is told with its place."""

from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from app.auth.scopes import Scope
from app.database import Database
from app.models.audit import AuditEntry
from tests.api.authors import publish, put, unused, url
from tests.api.calls import bearer, problem, told
from tests.authoring.makers import definition, rule
from tests.factories import issue_token

Auth = dict[str, str]


def test_a_draft_is_begun_read_changed_and_discarded(client: FlaskClient, author: Auth) -> None:
    name = unused()

    begun = put(client, author, name)
    read = client.get(url(name, "draft"), headers=author)
    changed = put(client, author, name, begun.headers["ETag"], title="Other")
    discarded = client.delete(url(name, "draft"), headers=author | {"If-Match": changed.headers["ETag"]})

    assert (begun.status_code, read.status_code, changed.status_code, discarded.status_code) == (201, 200, 200, 204)
    assert "Content-Type" not in discarded.headers
    assert told(begun) == told(read)
    assert told(read)["definition"] == definition(name)
    assert read.headers["ETag"] == f'"{told(read)["revision"]}"'
    assert told(changed)["definition"]["title"] == "Other"
    assert changed.headers["ETag"] != begun.headers["ETag"]
    problem(client.get(url(name, "draft"), headers=author), 404, "draft_not_found")


def test_a_draft_that_is_known_is_not_sent_again(client: FlaskClient, author: Auth) -> None:
    name = unused()
    etag = put(client, author, name).headers["ETag"]

    known = client.get(url(name, "draft"), headers=author | {"If-None-Match": etag})
    put(client, author, name, etag, title="Other")
    changed = client.get(url(name, "draft"), headers=author | {"If-None-Match": etag})

    assert (known.status_code, known.data) == (304, b"")
    assert changed.status_code == 200


def test_a_change_must_say_for_which_state_it_is_made(client: FlaskClient, author: Auth) -> None:
    name = unused()
    old = put(client, author, name).headers["ETag"]
    put(client, author, name, old, title="Theirs")

    problem(put(client, author, name, title="Mine"), 428, "precondition_required")
    problem(put(client, author, name, old, title="Mine"), 412, "draft_changed")
    problem(client.delete(url(name, "draft"), headers=author), 428, "precondition_required")
    problem(client.delete(url(name, "draft"), headers=author | {"If-Match": old}), 412, "draft_changed")
    problem(client.post(url(name, "draft/publish"), headers=author | {"If-Match": old}), 412, "draft_changed")

    assert told(client.get(url(name, "draft"), headers=author))["definition"]["title"] == "Theirs"


def test_a_star_stands_for_any_state_or_for_none(client: FlaskClient, author: Auth) -> None:
    name = unused()
    body = {"definition": definition(name)}
    absent, present = author | {"If-None-Match": "*"}, author | {"If-Match": "*"}

    problem(client.put(url(name, "draft"), json=body, headers=present), 412, "draft_changed")
    assert client.put(url(name, "draft"), json=body, headers=absent).status_code == 201
    problem(client.put(url(name, "draft"), json=body, headers=absent), 412, "draft_exists")
    assert client.put(url(name, "draft"), json=body, headers=present).status_code == 200


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({}, "/definition", "required"),
        ({"definition": None}, "/definition", "null"),
        ({"definition": []}, "/definition", "invalid_value"),
        ({"definition": {}, "more": 1}, "/more", "unknown_field"),
        ([], "", "wrong_type"),
    ],
)
def test_what_is_no_draft_is_refused_with_its_place(
    client: FlaskClient, author: Auth, body: object, pointer: str, code: str
) -> None:
    reply = client.put(url(unused(), "draft"), json=body, headers=author)

    [fault] = problem(reply, 422, "invalid_request")["errors"]
    assert (fault["pointer"], fault["code"]) == (pointer, code)


def test_a_draft_of_another_name_or_of_one_that_cannot_be_is_refused(client: FlaskClient, author: Auth) -> None:
    name = unused()

    other = client.put(url(name, "draft"), json={"definition": definition("other")}, headers=author)
    odd = client.put(url("Tiny%00", "draft"), json={"definition": {}}, headers=author)

    assert problem(other, 422, "ruleset_invalid")["errors"][0]["code"] == "wrong_name"
    assert problem(odd, 422, "ruleset_invalid")["errors"][0]["code"] == "invalid_name"


def test_a_large_draft_is_refused(client: FlaskClient, author: Auth) -> None:
    reply = put(client, author, unused(), description="x" * 2_000_000)

    problem(reply, 413, "body_too_large")


def test_a_check_tells_line_and_column_of_what_is_wrong(client: FlaskClient, author: Auth) -> None:
    name = unused()
    put(client, author, name, rules=[rule("positive", "item.amount >\n nothing")])

    reply = client.post(url(name, "draft/check"), headers=author)

    assert reply.status_code == 200
    assert (told(reply)["ok"], told(reply)["examples"], told(reply)["never_hit"]) == (False, None, None)
    [found] = told(reply)["problems"]
    assert (found["pointer"], found["code"]) == ("/rules/0/expr", "does_not_compile")
    assert (found["params"]["line"], found["params"]["column"]) == (2, 2)


def test_a_check_of_a_good_draft_tells_which_rules_no_example_breaks(client: FlaskClient, author: Auth) -> None:
    name = unused()
    revision = told(put(client, author, name, rules=[rule("positive", "item.amount > 0"), rule("any", "true")]))

    reply = client.post(url(name, "draft/check"), headers=author)

    assert told(reply) == {
        "revision": revision["revision"],
        "ok": True,
        "problems": [],
        "examples": 2,
        "never_hit": ["any"],
    }


def test_a_draft_is_published_with_the_reason(client: FlaskClient, author: Auth) -> None:
    name = unused()
    etag = put(client, author, name).headers["ETag"]

    reply = client.post(url(name, "draft/publish"), json={"note": "It is time."}, headers=author | {"If-Match": etag})

    assert reply.status_code == 201
    assert reply.headers["Location"] == url(name, "versions", 1) == told(reply)["links"]["self"]
    assert (told(reply)["version"], told(reply)["note"]) == (1, "It is time.")
    assert told(reply)["published_by"].startswith("client:")
    problem(client.post(url(name, "draft/publish"), headers=author), 404, "draft_not_found")


@pytest.mark.parametrize("note", ["", 3, "x" * 501, []])
def test_a_reason_that_is_none_is_refused(client: FlaskClient, author: Auth, note: object) -> None:
    name = unused()
    put(client, author, name)

    reply = client.post(url(name, "draft/publish"), json={"note": note}, headers=author)

    assert problem(reply, 422, "invalid_request")["errors"][0]["pointer"] == "/note"
    assert client.get(url(name, "draft"), headers=author).status_code == 200


def test_the_same_content_again_is_not_another_version(client: FlaskClient, author: Auth) -> None:
    name = unused()
    publish(client, author, name)
    put(client, author, name)

    reply = client.post(url(name, "draft/publish"), headers=author)

    assert (reply.status_code, told(reply)["version"]) == (200, 1)


def test_examples_that_fail_are_listed(client: FlaskClient, author: Auth) -> None:
    name = unused()
    put(client, author, name, examples=[{"title": "wrongly good", "item": {"amount": 0}, "findings": []}])

    reply = client.post(url(name, "draft/publish"), headers=author)

    [fault] = problem(reply, 422, "ruleset_invalid")["errors"]
    assert (fault["pointer"], fault["code"]) == ("/examples/0", "example_failed")
    assert fault["params"]["unexpected"] == [{"code": "rule.positive", "pointer": "/amount"}]
    problem(client.get(url(name, "versions/1"), headers=author), 404, "ruleset_not_found")


def test_a_reader_changes_nothing(client: FlaskClient, author: Auth, database: Database) -> None:
    name = unused()
    etag = put(client, author, name).headers["ETag"]
    reader = bearer(issue_token(database, client="reader", scopes=[Scope.RULESETS_READ]))

    assert client.get(url(name, "draft"), headers=reader).status_code == 200
    assert client.post(url(name, "draft/check"), headers=reader).status_code == 200
    for reply in (
        put(client, reader, name, etag),
        client.delete(url(name, "draft"), headers=reader | {"If-Match": etag}),
        client.post(url(name, "draft/publish"), headers=reader),
    ):
        problem(reply, 403, "insufficient_scope")


def test_every_change_is_in_the_audit_trail_with_the_request(
    client: FlaskClient, author: Auth, database: Database
) -> None:
    name = unused()
    begun = put(client, author, name)
    changed = put(client, author, name, begun.headers["ETag"], title="Other")
    published = client.post(url(name, "draft/publish"), headers=author)

    with database.transaction() as session:
        entries = list(
            session.scalars(select(AuditEntry).where(AuditEntry.subject == f"ruleset:{name}").order_by(AuditEntry.id))
        )
    assert [(entry.action, entry.request_id) for entry in entries] == [
        ("ruleset.draft.create", begun.headers["X-Request-Id"]),
        ("ruleset.draft.change", changed.headers["X-Request-Id"]),
        ("ruleset.publish", published.headers["X-Request-Id"]),
    ]
    assert {entry.actor for entry in entries} == {told(published)["published_by"]}
    assert UUID(entries[0].actor.removeprefix("client:"))
