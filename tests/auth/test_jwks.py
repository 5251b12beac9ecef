"""The keys of another issuer: read when they are needed, seldom, and never for longer or further than told."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey

from app.auth import jwks
from app.auth.jwks import BELIEVED_FOR_S, FRESH_FOR_S, MOST_BYTES, REST_S, Jwks, Unusable, download, keys_in
from app.auth.keys import Key
from app.errors import IssuerAway
from tests.auth.makers import new_key

FIRST, SECOND = new_key("EdDSA"), new_key("RS256")


def document(*keys: Key, **more: Any) -> bytes:
    """Return the keys as their issuer publishes them."""
    return json.dumps({"keys": [key.as_dict(private=False) for key in keys], **more}).encode()


def kid(key: Key) -> str:
    return str(key.kid)


class Source:
    """An issuer's list as a test has it: what it says, how often it was asked, and a clock to put forward."""

    def __init__(self, *keys: Key) -> None:
        self.keys = keys
        self.asked = 0
        self.now = 1_000.0
        self.jwks = Jwks(self.fetch, clock=lambda: self.now)

    def fetch(self) -> bytes:
        """Return the list."""
        self.asked += 1
        if not self.keys:
            raise Unusable("it is away")
        return document(*self.keys)


def test_nothing_is_read_before_it_is_needed_and_then_once() -> None:
    source = Source(FIRST)
    assert source.asked == 0

    found = [source.jwks.find(kid(FIRST)) for _ in range(10)]

    assert all(key is not None and key.kid == FIRST.kid for key in found)
    assert source.asked == 1


def test_unknown_key_ids_have_the_list_read_again_but_seldom() -> None:
    source = Source(FIRST)
    source.jwks.find(kid(FIRST))

    for n in range(100):
        assert source.jwks.find(f"invented-{n}") is None
    assert source.asked == 1

    source.now += REST_S
    for n in range(100):
        assert source.jwks.find(f"invented-{n}") is None
    assert source.asked == 2


def test_a_new_key_is_found_as_soon_as_the_list_may_be_read_again() -> None:
    source = Source(FIRST)
    source.jwks.find(kid(FIRST))
    source.keys = (FIRST, SECOND)

    assert source.jwks.find(kid(SECOND)) is None
    source.now += REST_S
    assert source.jwks.find(kid(SECOND)) is not None


def test_a_key_that_was_withdrawn_is_gone_when_the_list_is_old() -> None:
    source = Source(FIRST, SECOND)
    assert source.jwks.find(kid(FIRST)) is not None
    source.keys = (SECOND,)

    source.now += FRESH_FOR_S + 1

    assert source.jwks.find(kid(FIRST)) is None
    assert source.jwks.find(kid(SECOND)) is not None


def test_while_the_list_is_away_the_last_one_counts_for_an_hour() -> None:
    source = Source(FIRST)
    assert source.jwks.find(kid(FIRST)) is not None
    source.keys = ()

    source.now += BELIEVED_FOR_S - 1
    assert source.jwks.find(kid(FIRST)) is not None
    source.now += 2
    with pytest.raises(IssuerAway):
        source.jwks.find(kid(FIRST))

    source.keys, source.now = (FIRST,), source.now + REST_S
    assert source.jwks.find(kid(FIRST)) is not None


def test_a_list_that_never_was_there_is_asked_for_seldom_too() -> None:
    source = Source()

    for _ in range(10):
        with pytest.raises(IssuerAway):
            source.jwks.find(kid(FIRST))

    assert source.asked == 1


def test_nobody_with_a_known_key_waits_while_the_list_is_read() -> None:
    reading, go_on = threading.Event(), threading.Event()
    now = [0.0]

    def fetch() -> bytes:
        if now[0] > 0:
            reading.set()
            go_on.wait(10)
        return document(FIRST)

    keys = Jwks(fetch, clock=lambda: now[0])
    keys.find(kid(FIRST))
    now[0] = REST_S
    slow = threading.Thread(target=keys.find, args=["unknown"])
    slow.start()
    assert reading.wait(10)

    assert keys.find(kid(FIRST)) is not None
    assert keys.find("unknown, too") is None

    go_on.set()
    slow.join(10)


def test_keys_of_other_kinds_are_passed_over() -> None:
    others = [
        OctKey.generate_key(256).as_dict(private=True, kid="secret"),
        ECKey.generate_key("P-256").as_dict(private=False, kid="curve"),
        OKPKey.generate_key("X25519").as_dict(private=False, kid="exchange"),
        OKPKey.generate_key("Ed448").as_dict(private=False, kid="goldilocks"),
        FIRST.as_dict(private=False, kid="encrypts", use="enc"),
        FIRST.as_dict(private=False, kid="another algorithm", alg="RS256"),
        {name: value for name, value in FIRST.as_dict(private=False).items() if name != "kid"},
        {"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"},
        {"kty": "RSA", "kid": "small", "n": "u1", "e": "AQAB"},
        {"kty": ["RSA"], "kid": "odd"},
        {"kty": "OKP", "kid": "empty"},
        "no key",
        None,
    ]

    found = keys_in(json.dumps({"keys": [*others, SECOND.as_dict(private=False)]}).encode())

    assert set(found) == {kid(SECOND)}


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"null", b'{"keys": 5}', b'{"keys": []}', b'{"keys": [{}]}', b"[" * 9000, b"<html>"]
)
def test_what_is_no_list_of_keys_is_refused(content: bytes) -> None:
    with pytest.raises(Unusable):
        keys_in(content)


def test_a_list_may_be_in_a_file_and_is_bounded_there_too(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(document(FIRST))

    assert Jwks.at(str(file)).find(kid(FIRST)) is not None
    file.write_bytes(b" " * (MOST_BYTES + 1))
    with pytest.raises(Unusable, match="larger"):
        jwks.in_file(file)
    with pytest.raises(Unusable, match="No such file"):
        jwks.in_file(tmp_path / "missing.json")


Respond = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def issuer(respond: Respond) -> Iterator[str]:
    """Yield the address of a server that answers with `respond`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            respond(self)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/keys?v=1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answers(status: int, body: bytes, **headers: str) -> Respond:
    def respond(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return respond


def test_a_list_is_downloaded_from_the_address_and_nowhere_else() -> None:
    paths: list[str] = []

    def respond(handler: BaseHTTPRequestHandler) -> None:
        paths.append(handler.path)
        answers(200, document(FIRST))(handler)

    with issuer(respond) as url:
        assert Jwks.at(url).find(kid(FIRST)) is not None

    assert paths == ["/keys?v=1"]


@pytest.mark.parametrize(
    ("respond", "why"),
    [
        (answers(302, b"", Location="http://127.0.0.1:1/elsewhere"), "the answer was 302"),
        (answers(500, document(FIRST)), "the answer was 500"),
        (answers(404, b""), "the answer was 404"),
        (answers(200, b" " * (MOST_BYTES + 1)), "larger than"),
    ],
    ids=["a redirect", "an error", "nothing", "too much"],
)
def test_an_answer_that_is_not_the_list_is_refused(respond: Respond, why: str) -> None:
    with issuer(respond) as url, pytest.raises(Unusable, match=why):
        download(url)


def test_an_address_where_nobody_answers_is_given_up() -> None:
    with pytest.raises(Unusable, match="ConnectionRefused"):
        download("http://127.0.0.1:1/keys")


@pytest.mark.parametrize("part", ["head", "body"])
def test_an_answer_that_comes_byte_by_byte_is_cut_off(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    monkeypatch.setattr(jwks, "DEADLINE_S", 0.5)
    over = threading.Event()

    def respond(handler: BaseHTTPRequestHandler) -> None:
        if part == "body":
            handler.send_response(200)
            handler.end_headers()
        try:
            while not over.wait(0.05):
                handler.wfile.write(b"x")
        except OSError:
            pass

    with issuer(respond) as url:
        started = time.monotonic()
        with pytest.raises(Unusable):
            keys_in(download(url))
        over.set()

    assert time.monotonic() - started < 10
