"""What only a real server in front of the application can show."""

import json
import socket
from collections.abc import Iterator

import httpx
import pytest

from tests.api.calls import VALIDATE
from tests.processes import Web

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


def answer(web: Web, sent: bytes) -> bytes:
    """Return all that the server answers to these bytes, after which the client has nothing more to say."""
    url = httpx.URL(web.url)
    with socket.create_connection((url.host, url.port or 80), timeout=40) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"GET /healthz HTTP/9.9\r\n\r\n", 400, "bad_request"),
        (b"GET /healthz HTTP/1.1\r\nAuthorization: Bearer " + b"x" * 10_000 + b"\r\n\r\n", 431, None),
        (b"GET /" + b"x" * 5_000 + b" HTTP/1.1\r\n\r\n", 414, None),
        (b"GET /healthz HTTP/1.1\r\nbad header: canary\r\n\r\n", 400, "bad_request"),
    ],
    ids=["version", "header", "path", "name"],
)
def test_what_the_server_refuses_by_itself_is_a_problem_too(
    web: Web, sent: bytes, status: int, code: str | None
) -> None:
    head, _, body = answer(web, sent).partition(b"\r\n\r\n")
    problem = json.loads(body)
    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"Content-Type: application/problem+json" in head
    assert problem["status"] == status
    assert problem["code"] == code or code is None
    assert f"X-Request-Id: {problem['request_id']}".encode() in head
    assert b"canary" not in body


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
