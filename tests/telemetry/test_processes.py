"""What the real processes tell of their work, in logs, errors and spans: enough to find a fault, and never a secret.

Secrets are shown in every way, good, bad, misplaced and while things break; then they are looked for wherever anything
is written down. A mark that travels beside them proves that each of these places was really looked at.
"""

import json
import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest
import redis
from sqlalchemy import func, text, update

from app.auth import tokens
from app.auth.keys import Key
from app.auth.scopes import Scope
from app.database import Database
from app.models.access import Token
from app.settings import Settings
from ops.embedded import RedisServer
from tests.api.calls import GOOD_RATE, VALIDATE, bearer
from tests.auth.makers import good_claims, new_key, oauth_client, pem, signed, unsigned
from tests.conftest import scratch_database
from tests.factories import issue_token
from tests.processes import Clock, Web, Worker, environment, together, wait_for
from tests.telemetry.collector import Collector

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE_ID = PARENT[3:35]
REQUEST = f"/api/validation/requests/{uuid4()}"
#: Travels as a request id beside every secret.
MARK = f"mark-{uuid4()}"
#: Shorter than any piece of a secret that is worth something, longer than what is alike in two of them.
PIECE = 16


class Wire:
    """Everything that anybody tells Redis, as it overhears it (MONITOR)."""

    def __init__(self, server: RedisServer) -> None:
        self._socket = socket.create_connection(("127.0.0.1", server.port))
        self._heard: list[bytes] = []
        self._thread = threading.Thread(target=self._listen, daemon=True)

    @property
    def text(self) -> str:
        """What was heard until now."""
        return b"".join(self._heard).decode("latin-1")

    def __enter__(self) -> Self:
        self._socket.sendall(b"MONITOR\r\n")
        self._thread.start()
        wait_for(lambda: bool(self._heard), what="Redis to tell what it hears")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        while piece := self._socket.recv(65_536):
            self._heard.append(piece)


@dataclass
class Told:
    """All that was told, and what must not be in it."""

    #: By the name of the place, its whole text.
    places: dict[str, str] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)
    answers: list[httpx.Response] = field(default_factory=list)
    #: What requests that were none were answered.
    broken: list[str] = field(default_factory=list)
    collector: Collector = field(default_factory=Collector)


def pieces(secret: str) -> Iterator[str]:
    """Yield what must not be found of a secret: parts of it, since a net that blots the whole may miss a part."""
    # Of a JWT, header and the names of its claims are the same in all.
    for part in secret.split(".")[1:] if secret.startswith("eyJ") else [secret]:
        if part:
            yield part[-PIECE:]


def database_text(database: Database) -> str:
    """Return every row of every table."""
    with database.transaction() as session:
        names = session.execute(
            text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
        ).scalars()
        rows = [session.execute(text(f'SELECT t::text FROM "{name}" t')).scalars().all() for name in names]
    return "\n".join(str(row) for table in rows for row in table)


def redis_text(server: RedisServer) -> str:
    """Return every key with all that is in it."""
    with redis.Redis.from_url(server.url, decode_responses=True, encoding_errors="backslashreplace") as direct:
        read = {
            "string": direct.get,
            "hash": direct.hgetall,
            "list": lambda key: direct.lrange(key, 0, -1),
            "set": direct.smembers,
            "zset": lambda key: direct.zrange(key, 0, -1),
            "stream": direct.xrange,
            # What ran out between SCAN and TYPE.
            "none": lambda key: None,
        }
        return "\n".join(f"{key} {read[direct.type(key)](key)}" for key in direct.scan_iter())


class Visit:
    """One who shows secrets to a web process."""

    def __init__(self, web: Web, told: Told) -> None:
        self._client = httpx.Client(base_url=web.url, timeout=40, headers={"traceparent": PARENT})
        self._told = told

    def call(self, method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        """Return the answer, which is remembered."""
        reply = self._client.request(method, path, headers={"X-Request-Id": MARK, **(headers or {})}, **more)
        self._told.answers.append(reply)
        return reply

    def made(self, reply: httpx.Response, name: str) -> str:
        """Return the secret that this answer, and no other, is there to show."""
        self._told.answers.remove(reply)
        assert reply.status_code in (200, 201), reply.text
        secret = str(reply.json()[name])
        self._told.secrets.append(secret)
        return secret

    def secrets(self, *secrets: str) -> None:
        """Have these looked for everywhere, afterwards."""
        self._told.secrets += secrets

    def send(self, request: bytes) -> None:
        """Send this and nothing else; the answer is remembered if there is one."""
        with socket.create_connection((self._client.base_url.host, self._client.base_url.port or 80)) as connection:
            connection.settimeout(20)
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            with suppress(OSError):
                while piece := connection.recv(65_536):
                    self._told.broken.append(piece.decode("latin-1"))

    def close(self) -> None:
        self._client.close()


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{client_id}:{secret}".encode()).decode()}


def show_everywhere(visit: Visit, secret: str) -> None:
    """Show a secret where it belongs, and where it does not."""
    visit.call("GET", REQUEST, bearer(secret))
    visit.call("GET", REQUEST, {"X-API-Key": secret})
    visit.call("GET", REQUEST, {**bearer(secret), "X-API-Key": secret})
    visit.call("GET", REQUEST, {"Authorization": f"Token {secret}"})
    visit.call("GET", REQUEST, basic(secret, secret))
    visit.call("GET", REQUEST, params={"access_token": secret})
    if tokens.LEAK.fullmatch(secret):  # Of other words nobody can tell that they are no name of a request, and no key.
        visit.call("GET", REQUEST, {"X-Request-Id": secret})
        item = {"ruleset": "fx_rate", "item": GOOD_RATE}
        visit.call("POST", VALIDATE, {**bearer(secret), "Idempotency-Key": secret}, json=item)
    visit.call("GET", "/healthz", {"traceparent": f"{PARENT}-{secret}", "tracestate": f"a={secret}"})
    visit.call("GET", "/healthz", {"Cookie": f"token={secret}", "Referer": f"https://x.example/?token={secret}"})
    visit.call("GET", f"/{secret}")
    visit.call("GET", f"/api/validation/requests/{secret}", bearer(secret))
    visit.call("DELETE", f"/api/tokens/{secret}", bearer(secret))
    visit.call("GET", "/api/tokens", bearer(secret), params={"cursor": secret, "limit": secret})
    visit.call("GET", "/api/validation/requests", bearer(secret), params={"cursor": secret})
    visit.call("GET", f"{REQUEST}/events", {**bearer(secret), "Last-Event-ID": secret})
    visit.call("POST", VALIDATE, bearer(secret), content=b"{")
    visit.call("POST", VALIDATE, {**bearer(secret), "Content-Encoding": "gzip"}, content=secret.encode())


def ask(visit: Visit, client_id: str, secret: str) -> httpx.Response:
    """Return the answer to a request for a JWT. The secret is shown in each way, the last time rightly."""
    form = {"grant_type": "client_credentials"}
    both = {**form, "client_id": client_id, "client_secret": secret}
    visit.call("POST", "/oauth/token", data={**both, "scope": secret})
    visit.call("POST", "/oauth/token", json=both)
    visit.call("POST", "/oauth/token", basic(client_id, secret), data=both)
    visit.call("POST", "/oauth/token", {"Authorization": f"Basic {secret}"}, data=form)
    visit.call("POST", f"/oauth/token?client_secret={quote(secret)}", data=form)
    visit.call("POST", "/oauth/token", basic(client_id, secret), data={"grant_type": secret})
    return visit.call("POST", "/oauth/token", basic(client_id, secret), data=form)


@pytest.fixture(scope="module")
def told(postgres_url: str, migrated: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """What web, worker and clock tell while secrets are shown to them, until they have ended."""
    folder, told, key = tmp_path_factory.mktemp("processes"), Told(), new_key()
    with (
        scratch_database(postgres_url, template=migrated) as url,
        RedisServer(folder / "redis") as server,
        Wire(server) as wire,
        told.collector as collector,
    ):
        settings = Settings(
            database_url=url,
            redis_url=server.url,
            jwt_signing_keys=pem(key).replace("\n", "\\n"),
            token_requests_per_minute=1_000,
            validation_retries=1,
            validation_backoff_ms=20,
            log_level="debug",
            sentry_dsn=collector.dsn,
            otel_endpoint=f"{collector.url}/",
        )
        database = Database.from_settings(settings, name="test")
        env = environment(settings)
        web, worker, clock = Web(env, folder), Worker(env, folder), Clock(env, folder)
        with together(web, worker, clock):
            visit = Visit(web, told)
            good(visit, database)
            bad(visit, database, key)
            crashing(visit, database, server)
            visit.close()
            told.places["Redis"] = redis_text(server)
            for process in (clock, worker, web):
                assert process.stop() in (0, -15), process.name
            for process in (web, worker, clock):
                told.places[f"the log of {process.name}"] = process.log.read_text()
        told.places["Postgres"] = database_text(database)
        database.close()
        told.places["what Redis was told"] = wire.text
        told.places["errors and spans"] = collector.text
        answers = [f"{reply.status_code} {reply.headers} {reply.text}" for reply in told.answers]
        told.places["answers"] = "\n".join(answers + told.broken)
        yield told


def good(visit: Visit, database: Database) -> None:
    """Show secrets as they are meant to be shown: items are judged, tokens and JWTs are made and used."""
    token = issue_token(database, client="good", scopes=list(Scope))
    client_id, secret = oauth_client(database, client="good", scopes=list(Scope))
    visit.secrets(token, secret)
    made = visit.call("POST", "/api/tokens", bearer(token), json={"name": "made", "scopes": [Scope.METRICS_READ]})
    link = made.json()["links"]["self"]
    jwt = visit.made(ask(visit, client_id, secret), "access_token")
    for each in (token, jwt):
        reply = visit.call("POST", f"{VALIDATE}?wait=20", bearer(each), json={"ruleset": "fx_rate", "item": GOOD_RATE})
        assert reply.json()["verdict"] == "valid"
        show_everywhere(visit, each)
    assert visit.call("GET", "/metrics", {"X-API-Key": visit.made(made, "token")}).status_code == 200
    for method in ("GET", "DELETE", "DELETE"):
        assert visit.call(method, link, bearer(token)).status_code < 300


def bad(visit: Visit, database: Database, key: Key) -> None:
    """Show secrets that are wrong, changed, expired or revoked, or no more than words that somebody takes for one."""
    expired, revoked = (
        issue_token(database, client="bad", expires_at=datetime.now(UTC) - timedelta(days=1)),
        issue_token(database, client="bad"),
    )
    with database.transaction() as session:
        session.execute(update(Token).where(Token.digest == tokens.digest(revoked)).values(revoked_at=func.now()))
    client_id, secret = oauth_client(database, client="bad")
    claims = good_claims(client_id, iss="rate-platform", aud="rate-platform")
    jwt = signed(key, claims)
    wrong = [
        *(expired, revoked, tokens.make(), tokens.make()[:-3], revoked.swapcase()),
        *(jwt[:-8], signed(key, {**claims, "exp": 1}), signed(new_key(), claims), unsigned(claims)),
        *(tokens.make(tokens.SECRET_PREFIX), secret[:-3], f"correct-horse-battery-staple-{uuid4()}"),
    ]
    visit.secrets(*wrong)
    for each in wrong:
        show_everywhere(visit, each)
        if not tokens.LEAK.fullmatch(each):  # The net below the logs would catch the others.
            malformed(visit, each)
    for each in (wrong[-1], wrong[-2], wrong[-3], secret[::-1]):
        assert ask(visit, client_id, each).status_code == 401
        assert ask(visit, each, each).status_code == 401


def malformed(visit: Visit, secret: str) -> None:
    """Show the secret in requests that are so broken that the application never sees them."""
    for request in (
        f"GET / HTTP/1.1\r\nAuthorization : Bearer {secret}\r\n\r\n",
        f"GET / HTTP/1.1\r\nAuthorization Bearer {secret}\r\n\r\n",
        f"GET / HTTP/1.1\r\n{secret}\x01: x\r\n\r\n",
        f"GET / HTTP/1.1\r\nAuthorization: Bearer\x00{secret}\r\n\r\n",
        f"GET /?access_token={secret} HTTP/9.9\r\n\r\n",
        f"GET /?access_token={secret}\r\n\r\n",
        f"{secret}\r\n\r\n",
        f"POST / HTTP/1.1\r\nTransfer-Encoding: {secret}\r\n\r\n",
        f"POST / HTTP/1.1\r\nContent-Length: {secret}\r\n\r\n",
        f"POST {VALIDATE} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{secret}\r\n",
        f"GET /{'x' * 5_000}?access_token={secret} HTTP/1.1\r\n\r\n",
        f"GET / HTTP/1.1\r\nAuthorization: Bearer {'x' * 9_000}{secret}\r\n\r\n",
    ):
        visit.send(request.encode())


def crashing(visit: Visit, database: Database, server: RedisServer) -> None:
    """Show good secrets while every table that they lead to is away, so that web and worker break in the middle."""
    token = issue_token(database, client="crashing", scopes=list(Scope))
    client_id, secret = oauth_client(database, client="crashing", scopes=list(Scope))
    jwt = visit.made(ask(visit, client_id, secret), "access_token")
    visit.secrets(token, secret)
    item = {"ruleset": "fx_rate", "item": GOOD_RATE}
    with away(database, "tokens"):
        assert visit.call("GET", REQUEST, bearer(token)).status_code == 500
    with away(database, "oauth_clients"):
        assert visit.call("GET", REQUEST, bearer(jwt)).status_code == 500
        assert ask(visit, client_id, secret).status_code == 500
    with away(database, "audit"):
        made = visit.call("POST", "/api/tokens", bearer(token), json={"name": "lost", "scopes": [Scope.METRICS_READ]})
        assert made.status_code == 500
    with away(database, "validation_requests"):
        for each in (token, jwt):
            assert visit.call("POST", VALIDATE, bearer(each), json=item).status_code == 500
    with away(database, "findings"):
        visit.call("POST", VALIDATE, bearer(token), json={**item, "item": {}})
        # A message that is to be tried again has a traceback already, and would be done with the table back.
        wait_for(lambda: "}:dead [" in redis_text(server), what="the dead letter")


@contextmanager
def away(database: Database, table: str) -> Iterator[None]:
    """Have no table of this name for a while."""
    rename(database, table, f"{table}_away")
    yield
    rename(database, f"{table}_away", table)


def rename(database: Database, table: str, to: str) -> None:
    with database.transaction() as session:
        session.execute(text(f"ALTER TABLE {table} RENAME TO {to}"))


PLACES = {
    "the log of web": MARK,
    "the log of worker": MARK,
    "the log of clock": "clock.started",
    "Redis": MARK,
    "what Redis was told": MARK,
    "Postgres": MARK,
    "errors and spans": MARK,
    "answers": MARK,
}


@pytest.mark.parametrize("place", PLACES)
def test_no_secret_is_written_down(told: Told, place: str) -> None:
    text = told.places[place]
    assert PLACES[place] in text, "nothing was written here at all"

    found = [secret for secret in told.secrets if any(piece in text for piece in pieces(secret))]

    assert not found, [text[max(0, at - 200) : at + 200] for at in starts(text, found)]
    # And none that nobody here knows, such as the token whose making was broken off.
    assert not tokens.LEAK.search(text)


def starts(text: str, secrets: list[str]) -> list[int]:
    """Return where the first few are."""
    return [text.index(piece) for secret in secrets[:3] for piece in pieces(secret) if piece in text]


def test_what_broke_was_logged_and_reported_with_its_traceback(told: Told) -> None:
    for process in ("web", "worker"):
        log = [json.loads(line) for line in told.places[f"the log of {process}"].splitlines() if MARK in line]
        assert any("UndefinedTable" in line.get("exception", "") for line in log), process
    kinds = {(event["tags"]["process"], value["type"]) for event in told.collector.events for value in values(event)}
    assert {("web", "ProgrammingError"), ("worker", "UndefinedTable")} <= kinds
    assert "Traceback" in told.places["Redis"], "the dead letter says nothing"


def values(event: dict[str, Any]) -> list[dict[str, Any]]:
    return list(event["exception"]["values"])


def test_real_processes_send_their_spans_to_the_collector_before_they_end(told: Told) -> None:
    recorded = {span.name for span in told.collector.spans if span.trace_id.hex() == TRACE_ID}

    assert recorded >= {f"POST {VALIDATE}", "commit", "send", "process validation_requests", "judge", "record"}
