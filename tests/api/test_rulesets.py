"""Rule sets over HTTP: every version stays readable, comes back when it is wanted, and judges soon."""

import time
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.api.authors import publish, put, unused, url
from tests.api.calls import VALIDATE, problem, told
from tests.authoring.makers import definition, rule
from tests.processes import wait_for

Auth = dict[str, str]


def listed(client: FlaskClient, auth: Auth, *, limit: int) -> list[dict[str, Any]]:
    """Return all rule sets, read in pages of `limit`."""
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = told(client.get("/api/rulesets", query_string={"limit": limit, "cursor": cursor}, headers=auth))
        assert len(page["items"]) <= limit
        found += page["items"]
        cursor = page["next"]
        if cursor is None:
            return found


def test_published_and_drafted_rule_sets_are_listed_by_name(client: FlaskClient, author: Auth) -> None:
    published, drafted, both = unused(), unused(), unused()
    publish(client, author, published)
    put(client, author, drafted)
    publish(client, author, both, title="One")
    publish(client, author, both, title="Two")
    put(client, author, both, title="Three")

    found = {each["name"]: each for each in listed(client, author, limit=2)}

    assert list(found) == sorted(found)
    assert "fx_rate" in found
    assert (found[published]["version"], found[published]["has_draft"]) == (1, False)
    assert (found[drafted]["version"], found[drafted]["has_draft"], found[drafted]["title"]) == (None, True, "Tiny")
    assert (found[both]["version"], found[both]["has_draft"], found[both]["title"]) == (2, True, "Two")


def test_a_rule_set_shows_its_newest_version_and_all_others_in_pages(client: FlaskClient, author: Auth) -> None:
    name = unused()
    for title in ("One", "Two", "Three"):
        publish(client, author, name, title=title)

    first = told(client.get(url(name), query_string={"limit": 2}, headers=author))
    cursor = first["versions"]["next"]
    second = told(client.get(url(name), query_string={"limit": 2, "cursor": cursor}, headers=author))

    assert first["newest"]["definition"] == definition(name, title="Three", version=3)
    assert [each["version"] for each in first["versions"]["items"]] == [3, 2]
    assert [each["version"] for each in second["versions"]["items"]] == [1]
    assert second["versions"]["next"] is None


def test_a_rule_set_that_is_only_drafted_has_no_newest_version(client: FlaskClient, author: Auth) -> None:
    name = unused()
    put(client, author, name)

    reply = client.get(url(name), headers=author)

    assert (told(reply)["newest"], told(reply)["has_draft"], told(reply)["versions"]["items"]) == (None, True, [])


def test_a_version_never_changes_so_it_is_not_sent_again(client: FlaskClient, author: Auth) -> None:
    name = unused()
    made = publish(client, author, name)

    read = client.get(made["links"]["self"], headers=author)
    again = client.get(made["links"]["self"], headers=author | {"If-None-Match": read.headers["ETag"]})
    overview = client.get(url(name), headers=author)
    unchanged = client.get(url(name), headers=author | {"If-None-Match": overview.headers["ETag"]})
    publish(client, author, name, title="Two")
    changed = client.get(url(name), headers=author | {"If-None-Match": overview.headers["ETag"]})

    assert told(read) == made | {"definition": definition(name, version=1)}
    assert read.headers["ETag"] == f'"{made["content_hash"]}"'
    assert (again.status_code, unchanged.status_code, changed.status_code) == (304, 304, 200)


@pytest.mark.parametrize(
    "path",
    [
        "nobody",
        "Odd",
        "nobody%00",
        "a" * 64,
        "fx_rate/versions/99",
        "fx_rate/versions/0",
        "fx_rate/versions/x",
        "fx_rate/versions/99999999999",
        "nobody/versions/1",
        "nobody%00/versions/1",
    ],
)
def test_what_there_is_not_is_not_found(client: FlaskClient, author: Auth, path: str) -> None:
    problem(client.get(url(path), headers=author), 404, "ruleset_not_found")


def test_an_old_version_is_published_again(client: FlaskClient, author: Auth) -> None:
    name = unused()
    publish(client, author, name, title="One")
    publish(client, author, name, title="Two")

    reply = client.post(url(name, "versions/1/restore"), json={"note": "Two was wrong."}, headers=author)
    again = client.post(url(name, "versions/1/restore"), headers=author)

    assert (reply.status_code, told(reply)["version"], told(reply)["restores"]) == (201, 3, 1)
    assert reply.headers["Location"] == url(name, "versions/3")
    assert (again.status_code, told(again)["version"]) == (200, 3)
    assert told(client.get(url(name), headers=author))["newest"]["definition"]["title"] == "One"
    problem(client.post(url(name, "versions/9/restore"), headers=author), 404, "ruleset_not_found")


def test_a_difference_is_told_in_operations_and_by_rule(client: FlaskClient, author: Auth) -> None:
    name = unused()
    publish(client, author, name)
    publish(client, author, name, title="Two")
    put(client, author, name, rules=[rule("positive", "item.amount > 1"), rule("small", "item.amount < 9")])

    versions = told(client.get(url(name, "diff?from=1&to=2"), headers=author))
    draft = told(client.get(url(name, "diff?from=1&to=draft"), headers=author))

    assert versions["operations"] == [{"op": "replace", "path": "/title", "value": "Two"}]
    assert versions["summary"]["parts"] == ["title"]
    assert draft["summary"]["rules"] == {"added": ["small"], "removed": [], "changed": ["positive"]}
    assert [operation["path"] for operation in draft["operations"]] == ["/rules/0/expr", "/rules/1"]


@pytest.mark.parametrize("query", ["", "from=1", "to=1", "from=x&to=1", "from=1&to=0", "from=1&to=99999999999"])
def test_a_difference_is_between_two_versions(client: FlaskClient, author: Auth, query: str) -> None:
    problem(client.get(url("fx_rate", f"diff?{query}"), headers=author), 422, "invalid_request")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("fx_rate/diff?from=1&to=99", "ruleset_not_found"),
        ("nobody/diff?from=1&to=2", "ruleset_not_found"),
        ("nobody/diff?from=draft&to=1", "draft_not_found"),
    ],
)
def test_a_difference_needs_both_sides(client: FlaskClient, author: Auth, path: str, code: str) -> None:
    problem(client.get(url(path), headers=author), 404, code)


def test_what_is_published_judges_within_two_seconds(client: FlaskClient, author: Auth) -> None:
    name = unused()
    publish(client, author, name)

    def judge() -> str:
        reply = client.post(VALIDATE, json={"ruleset": name, "item": {"amount": 1}}, headers=author)
        return str(told(reply)["ruleset"])

    assert judge() == f"{name}@1"
    publish(client, author, name, title="Two")
    published_at = time.monotonic()

    wait_for(lambda: judge() == f"{name}@2")

    # A process asks again after a second; the rest is for a machine that is busy with other things.
    assert time.monotonic() - published_at < 10
