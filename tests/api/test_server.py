"""What only a real server in front of the application can show."""

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
