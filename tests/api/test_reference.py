import gzip
import io
import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from app.auth.scopes import Scope
from app.database import Database
from app.models.audit import AuditEntry
from app.reference import MOST_BYTES
from tests.api.calls import bearer, problem, told
from tests.factories import issue_token

URL = "/api/reference"
PORTS = [{"code": "VNSGN", "name": "Ho Chi Minh City"}, {"code": "DEHAM", "name": "Hamburg"}, "NLRTM"]


@pytest.fixture(scope="module")
def keeper(database: Database) -> dict[str, str]:
    """The headers of a caller who may read and load tables."""
    return bearer(issue_token(database, client="keeper", scopes=[Scope.REFERENCE_READ, Scope.REFERENCE_WRITE]))


@pytest.fixture
def name() -> str:
    """A name that no other test uses."""
    return f"t{uuid4().hex}"


def load(client: FlaskClient, auth: dict[str, str], name: str, rows: Any = PORTS, **query: str) -> TestResponse:
    return client.put(f"{URL}/{name}", json=rows, headers=auth, query_string=query)


def load_csv(client: FlaskClient, auth: dict[str, str], name: str, text: str | bytes) -> TestResponse:
    return client.put(f"{URL}/{name}", data=text, headers=auth, content_type="text/csv")


def paged(client: FlaskClient, auth: dict[str, str], url: str, limit: int) -> Iterator[list[Any]]:
    """Yield every page of a list."""
    query: dict[str, Any] = {"limit": limit}
    while True:
        page = told(client.get(url, query_string=query, headers=auth))
        yield page["items"]
        if page["next"] is None:
            return
        query["cursor"] = page["next"]


def test_a_table_is_loaded_and_read_back(client: FlaskClient, keeper: dict[str, str], name: str) -> None:
    reply = load(client, keeper, name, source="the harbour master")

    assert reply.status_code == 201
    table = told(reply)
    assert (table["name"], table["version"], table["row_count"]) == (name, 1, 3)
    assert table["source"] == "the harbour master"
    assert table["created_by"].startswith("client:")
    assert reply.headers["Location"] == table["links"]["self"] == f"{URL}/{name}/versions/1"
    assert reply.headers["ETag"] == f'"{table["content_hash"]}"'
    assert told(client.get(table["links"]["self"], headers=keeper)) == table
    assert told(client.get(table["links"]["rows"], headers=keeper)) == {
        "items": [
            {"code": "DEHAM", "attributes": {"name": "Hamburg"}},
            {"code": "NLRTM", "attributes": {}},
            {"code": "VNSGN", "attributes": {"name": "Ho Chi Minh City"}},
        ],
        "next": None,
    }


def test_the_same_content_again_is_no_new_version(client: FlaskClient, keeper: dict[str, str], name: str) -> None:
    first = load(client, keeper, name)

    again = load_csv(client, keeper, name, "code,name\nDEHAM,Hamburg\nNLRTM,\nVNSGN,Ho Chi Minh City\n")

    assert (first.status_code, again.status_code) == (201, 200)
    assert told(again) == told(first)
    assert "Location" not in again.headers


def test_a_new_content_is_a_new_version_and_is_noted(
    client: FlaskClient, keeper: dict[str, str], name: str, database: Database
) -> None:
    load(client, keeper, name)

    reply = load(client, keeper, name, ["DEHAM"])

    assert (reply.status_code, told(reply)["version"]) == (201, 2)
    with database.autocommit() as session:
        entries = session.scalars(
            select(AuditEntry).where(AuditEntry.subject == f"reference:{name}").order_by(AuditEntry.id)
        ).all()
    assert [entry.details["version"] for entry in entries] == [1, 2]
    assert {entry.actor for entry in entries} == {told(reply)["created_by"]}
    assert entries[1].request_id == reply.headers["X-Request-Id"]


def test_the_versions_of_a_table_are_listed_newest_first(
    client: FlaskClient, keeper: dict[str, str], name: str
) -> None:
    for code in "ABCDE":
        load(client, keeper, name, [code])

    pages = list(paged(client, keeper, f"{URL}/{name}", 2))

    assert [[table["version"] for table in page] for page in pages] == [[5, 4], [3, 2], [1]]


def test_tables_are_listed_by_name_with_the_built_in_ones(
    client: FlaskClient, keeper: dict[str, str], name: str
) -> None:
    for table in (f"a{name}", f"z{name}"):
        load(client, keeper, table)
    load(client, keeper, f"a{name}", ["DEHAM"])

    listed = [table for page in paged(client, keeper, URL, 2) for table in page]

    names = [table["name"] for table in listed]
    assert names == sorted(set(names))
    assert {f"a{name}", "iso3166", "iso4217", f"z{name}"} <= set(names)
    assert {table["version"] for table in listed if table["name"] == f"a{name}"} == {2}
    assert {table["created_at"] for table in listed if table["name"] in ("iso3166", "iso4217")} == {None}


def test_the_rows_of_a_built_in_table_can_be_read(client: FlaskClient, keeper: dict[str, str]) -> None:
    countries = [row["code"] for page in paged(client, keeper, f"{URL}/iso3166/versions/1/rows", 100) for row in page]
    currencies = told(client.get(f"{URL}/iso4217/versions/1/rows?limit=1000", headers=keeper))["items"]

    assert len(countries) == len(set(countries)) == 249
    assert {"code": "IQD", "attributes": {"minor_units": 3}} in currencies


def test_every_row_is_on_one_page(client: FlaskClient, keeper: dict[str, str], name: str) -> None:
    codes = [f"C{number:04}" for number in range(2_345)]
    load(client, keeper, name, codes)

    pages = list(paged(client, keeper, f"{URL}/{name}/versions/1/rows", 1_000))

    assert [len(page) for page in pages] == [1_000, 1_000, 345]
    assert [row["code"] for page in pages for row in page] == codes


@pytest.mark.parametrize("path", ["", "/rows", "/rows?limit=1"])
def test_a_version_that_is_known_is_not_sent_again(
    client: FlaskClient, keeper: dict[str, str], name: str, path: str
) -> None:
    load(client, keeper, name)
    url = f"{URL}/{name}/versions/1{path}"
    first = client.get(url, headers=keeper)

    known = client.get(url, headers={**keeper, "If-None-Match": first.headers["ETag"]})
    other = client.get(url, headers={**keeper, "If-None-Match": '"other"'})

    assert (known.status_code, known.data, known.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert (other.status_code, other.data) == (200, first.data)
    assert first.headers["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize("method", ["get", "put"])
def test_whoever_lacks_the_scope_is_refused(client: FlaskClient, auth: dict[str, str], method: str, name: str) -> None:
    reply = client.open(f"{URL}/{name}", method=method.upper(), json=["A"], headers=auth)

    problem(reply, 403, "insufficient_scope")


def test_reading_is_not_loading(client: FlaskClient, database: Database, name: str) -> None:
    reader = bearer(issue_token(database, client="reader", scopes=[Scope.REFERENCE_READ]))

    problem(load(client, reader, name), 403, "insufficient_scope")
    problem(client.get(f"{URL}/{name}", headers=reader), 404, "reference_unknown")


@pytest.mark.parametrize(
    "path",
    ["/{}", "/{}/versions/1", "/{}/versions/1/rows", "/iso3166/versions/2", "/iso3166/versions/0/rows",
     "/iso3166/versions/x", "/iso3166/versions/01", "/iso3166/versions/1e0", "/iso3166/versions/9999999999",
     "/%00", "/a%00b/versions/1", "/Ports", "/" + "p" * 5_000],
)  # fmt: skip
def test_what_is_not_there_is_not_found(client: FlaskClient, keeper: dict[str, str], name: str, path: str) -> None:
    problem(client.get(URL + path.format(name), headers=keeper), 404, "reference_unknown")


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "cursor=!", "cursor=cG9ydHM"])
def test_a_page_that_cannot_be_is_refused(client: FlaskClient, keeper: dict[str, str], query: str) -> None:
    reply = client.get(f"{URL}/iso3166/versions/1/rows?{query}", headers=keeper)

    [fault] = problem(reply, 422, "invalid_request")["errors"]
    assert fault["params"]["parameter"] == query.split("=")[0]


@pytest.mark.parametrize("name", ["Ports", "9ports", "po%20rts", "ports@1", "%00", "p" * 64])
def test_a_name_that_no_rule_set_could_name_is_refused(client: FlaskClient, keeper: dict[str, str], name: str) -> None:
    [fault] = problem(load(client, keeper, name), 422, "reference_invalid")["errors"]

    assert fault["code"] == "invalid_name"


def test_a_built_in_name_is_taken(client: FlaskClient, keeper: dict[str, str]) -> None:
    problem(load(client, keeper, "iso3166"), 409, "reference_built_in")


@pytest.mark.parametrize("source", ["", "x" * 501, "a\x00b", "a\nb"])
def test_a_source_that_cannot_be_kept_is_refused(
    client: FlaskClient, keeper: dict[str, str], name: str, source: str
) -> None:
    [fault] = problem(load(client, keeper, name, source=source), 422, "reference_invalid")["errors"]

    assert fault["code"] == "invalid_source"


def test_what_is_wrong_is_told_with_its_place_and_nothing_is_loaded(
    client: FlaskClient, keeper: dict[str, str], name: str
) -> None:
    [in_json] = problem(load(client, keeper, name, ["A", "B", "A"]), 422, "reference_invalid")["errors"]
    [in_csv] = problem(load_csv(client, keeper, name, "code\nA\nB\nA\n"), 422, "reference_invalid")["errors"]

    assert (in_json["pointer"], in_json["code"], in_json["params"]) == ("/2", "code_repeated", {"entry": 3, "first": 1})
    assert (in_csv["pointer"], in_csv["code"], in_csv["params"]) == ("", "code_repeated", {"line": 4, "first": 2})
    problem(client.get(f"{URL}/{name}", headers=keeper), 404, "reference_unknown")


@pytest.mark.parametrize("content_type", ["text/plain", "", "text/csv; charset=latin-1", "multipart/form-data"])
def test_a_body_that_is_of_no_known_type_is_refused(
    client: FlaskClient, keeper: dict[str, str], name: str, content_type: str
) -> None:
    reply = client.put(f"{URL}/{name}", data=b"code\nA\n", headers=keeper, content_type=content_type)

    problem(reply, 415, "unsupported_media_type")


def test_a_table_may_come_as_gzip_and_in_no_other_coding(
    client: FlaskClient, keeper: dict[str, str], name: str
) -> None:
    broken = load_csv(client, {**keeper, "Content-Encoding": "gzip"}, name, b"\x1f\x8b")
    other = load_csv(client, {**keeper, "Content-Encoding": "br"}, name, b"A,B")
    whole = load_csv(client, {**keeper, "Content-Encoding": "gzip"}, name, gzip.compress(b"code,name\nA,Alpha\n"))

    problem(broken, 400, "bad_request")
    problem(other, 415, "unsupported_media_type")
    assert whole.status_code in (200, 201), whole.text


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_of_the_very_size_that_is_allowed_is_taken_and_one_byte_more_is_not(
    client: FlaskClient, keeper: dict[str, str], name: str, announced: bool
) -> None:
    def put(size: int) -> TestResponse:
        options: dict[str, Any] = {"data": b'["A"]'.ljust(size)}
        if not announced:
            chunked = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
            options = {"input_stream": io.BytesIO(options["data"]), "environ_overrides": chunked}
        return client.put(f"{URL}/{name}", headers=keeper, content_type="application/json", **options)

    assert put(MOST_BYTES).status_code == 201
    problem(put(MOST_BYTES + 1), 413, "body_too_large")
    problem(put(MOST_BYTES * 2), 413, "body_too_large")


def test_what_is_answered_is_what_the_description_says(client: FlaskClient, keeper: dict[str, str], name: str) -> None:
    spec = told(client.get("/api/openapi.json"))
    put = spec["paths"][f"{URL}/{{name}}"]["put"]

    assert set(put["requestBody"]["content"]) == {"application/json", "text/csv"}
    for example in (content["example"] for content in put["requestBody"]["content"].values()):
        content = example if isinstance(example, str) else json.dumps(example)
        kind = "text/csv" if isinstance(example, str) else "application/json"
        reply = client.put(f"{URL}/{name}", data=content, headers=keeper, content_type=kind)
        shape = spec["components"]["schemas"]["ReferenceTable"]
        assert set(told(reply)) == set(shape["properties"]) == set(shape["required"])
    assert {"200", "201", "default"} <= set(put["responses"])
