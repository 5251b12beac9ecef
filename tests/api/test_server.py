"""What only a real server in front of the application can show."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPResponse
from pathlib import Path

import httpx
import pytest

from app.auth.scopes import Scope
from app.database import Database
from app.settings import Settings
from ops import gunicorn
from tests.api.calls import VALIDATE, bearer
from tests.factories import issue_token
from tests.processes import Web, environment, wait_for

CHUNK = b" " * 65_536


def two_megabytes() -> Iterator[bytes]:
    for _ in range(32):
        yield CHUNK


@pytest.mark.parametrize("body", [b"".join(two_megabytes()), two_megabytes()], ids=["announced", "chunked"])
def test_a_client_that_sends_too_much_is_told_so_and_not_cut_off(
    web: Web, token: str, body: bytes | Iterator[bytes]
) -> None:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    with httpx.Client(base_url=web.url, headers=headers, timeout=40) as client:
        reply = client.post(VALIDATE, content=body)
        next_one = client.get("/healthz")

    assert (reply.status_code, reply.json()["code"]) == (413, "body_too_large")
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert next_one.status_code == 200


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        ("GET / HTTP/1.1\r\nAuthorization : Bearer {}\r\n\r\n", 400, "bad_request"),
        ("GET /?access_token={} HTTP/9.9\r\n\r\n", 400, "bad_request"),
        ("GET /{}?access_token={{}} HTTP/1.1\r\n\r\n".format("x" * 5_000), 414, "request_uri_too_long"),
        ("GET / HTTP/1.1\r\nX: {}{{}}\r\n\r\n".format("x" * 9_000), 431, "request_header_fields_too_large"),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: {}\r\n\r\n", 501, "not_implemented"),
        ("POST / HTTP/1.1\r\nExpect: {}\r\n\r\n", 417, "expectation_failed"),
    ],
)
def test_a_request_that_cannot_be_read_is_answered_by_a_problem_that_repeats_nothing(
    web: Web, request_: str, status: int, code: str
) -> None:
    with socket.create_connection(("127.0.0.1", web.port), timeout=40) as connection:
        connection.sendall(request_.format("hunter2hunter2").encode())
        with closing(HTTPResponse(connection)) as reply:
            reply.begin()
            text = reply.read().decode()

    problem = json.loads(text)
    assert (reply.status, problem["status"], problem["code"]) == (status, status, code)
    assert set(problem) == {"type", "title", "status", "detail", "code", "request_id", "errors"}
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert reply.headers["X-Request-Id"] == problem["request_id"]
    assert reply.headers["Connection"] == "close"
    assert "hunter2" not in text
    wait_for(lambda: web.says(problem["request_id"]), what="its line in the log")
    assert not web.says("hunter2")


def line(length: int) -> str:
    """Return a head whose first line has this length."""
    return f"GET /{'x' * (length - len('GET / HTTP/1.1'))} HTTP/1.1\r\nHost: rates\r\nConnection: close\r\n\r\n"


def fields(count: int) -> str:
    """Return a head with so many fields."""
    more = "".join(f"X-{number}: x\r\n" for number in range(count - 2))
    return f"GET / HTTP/1.1\r\nHost: rates\r\nConnection: close\r\n{more}\r\n"


def field(length: int) -> str:
    """Return a head with one field that has this length, its line break included."""
    return f"GET / HTTP/1.1\r\nHost: rates\r\nConnection: close\r\nX: {'x' * (length - len('X: ..'))}\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "most", "status"),
    [
        (line, gunicorn.limit_request_line, 414),
        (fields, gunicorn.limit_request_fields, 431),
        (field, gunicorn.limit_request_field_size, 431),
    ],
)
def test_a_head_is_read_up_to_the_limit_and_one_over_it_is_refused(
    web: Web, head: Callable[[int], str], most: int, status: int
) -> None:
    assert answer(web, head(most).encode()).startswith(b"HTTP/1.1 404 ")
    assert answer(web, head(most + 1).encode()).startswith(b"HTTP/1.1 %d " % status)


def test_the_head_and_the_body_of_an_answer_come_in_one_piece(web: Web) -> None:
    with socket.create_connection(("127.0.0.1", web.port), timeout=40) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: rates\r\n\r\n")

        head, _, body = connection.recv(65_536).partition(b"\r\n\r\n")

    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body


def test_a_token_that_one_process_revokes_is_refused_by_another_one_within_two_seconds(
    web: Web, web_settings: Settings, tmp_path: Path
) -> None:
    database = Database.from_settings(web_settings, name="test")
    admin = bearer(issue_token(database, client="revoking", scopes=[Scope.TOKENS_ADMIN, Scope.VALIDATIONS_READ]))
    database.close()
    with Web(environment(web_settings), tmp_path) as other:
        made = httpx.post(
            f"{web.url}/api/tokens", json={"name": "short", "scopes": ["validations:read"]}, headers=admin, timeout=40
        ).json()

        def status(process: Web) -> int:
            url = f"{process.url}/api/validation/requests/0"
            return httpx.get(url, headers=bearer(made["token"]), timeout=40).status_code

        assert [status(web), status(other)] == [404, 404], "it was not believed"

        assert httpx.delete(f"{web.url}{made['links']['self']}", headers=admin, timeout=40).status_code == 204

        wait_for(lambda: [status(web), status(other)] == [401, 401], timeout_s=2, what="the refusal")


def answer(web: Web, sent: bytes) -> bytes:
    """Return all that the server answers to these bytes, after which the client has nothing more to say."""
    url = httpx.URL(web.url)
    with socket.create_connection((url.host, url.port or 80), timeout=40) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


@pytest.mark.parametrize(
    ("header", "body"),
    [
        (b"Content-Length: 100", b'{"ruleset": "fx_rate", "item": 1}'),
        (b"Transfer-Encoding: chunked", b"zz\r\n\r\n"),
        (b"Transfer-Encoding: chunked", b'21\r\n{"ruleset": "fx_rate", "item": 1}\r\n'),
    ],
    ids=["shorter than announced", "no chunk", "no last chunk"],
)
def test_a_body_that_breaks_off_is_refused(web: Web, token: str, header: bytes, body: bytes) -> None:
    lines = [
        f"POST {VALIDATE} HTTP/1.1",
        "Host: test",
        "Content-Type: application/json",
        f"Authorization: Bearer {token}",
    ]

    reply = answer(web, "\r\n".join(lines).encode() + b"\r\n" + header + b"\r\n\r\n" + body)

    assert reply.startswith(b"HTTP/1.1 400 ")
    assert b'"code":"bad_request"' in reply
