"""The floor's web side, for gunicorn's gevent worker: commits in groups, sends in one pipeline, waits at a hub."""

from __future__ import annotations

import os
from collections import defaultdict
from typing import Any
from uuid import UUID

import gevent
import orjson
import redis
import uuid_utils.compat
from flask import Flask, Response, request
from gevent.event import AsyncResult
from gevent.queue import Queue

from ops.bench.floor import ledger
from ops.bench.floor.worker import flat

#: Connections for reading.
_READERS = 4
_BLOCK_MS = 1_000
_URL = "/api/validation/requests/{}"

Row = tuple[UUID, str, Any]


def client() -> redis.Redis:
    """Return a client that waits for ever."""
    return redis.Redis.from_url(os.environ[ledger.REDIS], socket_timeout=None)


class Writer:
    """Whoever comes while a group is being written waits for the next one, and is written and sent with it."""

    def __init__(self) -> None:
        self._waiting: Any = Queue()
        self._connection = ledger.connect()
        self._client = client()
        gevent.spawn(self._run)

    def write(self, row: Row) -> None:
        """The request is committed, and its message is sent."""
        done = AsyncResult()
        self._waiting.put((row, done))
        done.get()

    def _run(self) -> None:
        while True:
            group = [self._waiting.get()]
            while len(group) < ledger.GROUP and not self._waiting.empty():
                group.append(self._waiting.get())
            try:
                self._write([row for row, _ in group])
            except Exception as error:
                for _, done in group:
                    done.set_exception(error)
            else:
                for _, done in group:
                    done.set()

    def _write(self, rows: list[Row]) -> None:
        ledger.add(self._connection, rows)
        with self._client.pipeline(transaction=False) as pipeline:
            for request_id, _, _ in rows:
                pipeline.xadd(ledger.REQUESTS, {b"id": request_id.bytes})
            pipeline.execute()


class Hub:
    """Who waits for which request, and the one reader that hands them the answer."""

    def __init__(self) -> None:
        self._waiting: defaultdict[UUID, list[AsyncResult]] = defaultdict(list)
        self._client = client()
        gevent.spawn(self._run)

    def watch(self, request_id: UUID) -> AsyncResult:
        """Return what will hold the answer."""
        place = AsyncResult()
        self._waiting[request_id].append(place)
        return place

    def forget(self, request_id: UUID) -> None:
        """Nobody waits for this request any more."""
        self._waiting.pop(request_id, None)

    def _run(self) -> None:
        newest: Any = self._client.xrevrange(ledger.NOTICES, count=1)
        last = newest[0][0] if newest else b"0-0"
        while True:
            reply: Any = self._client.xread({ledger.NOTICES: last}, block=_BLOCK_MS)
            for entries in reply.values() if isinstance(reply, dict) else [each for _, each in reply or ()]:
                for entry, fields in flat(entries):
                    last = entry
                    for place in self._waiting.pop(UUID(bytes=fields[b"id"]), ()):
                        place.set(fields[b"answer"])


def make() -> Flask:
    """Return the application; its greenlets run from now on."""
    app = Flask(__name__)
    token = f"Bearer {os.environ[ledger.TOKEN]}"
    with ledger.connect() as connection:
        connection.execute(ledger.MAKE)
    writer, hub, readers = Writer(), Hub(), Queue()
    for _ in range(_READERS):
        readers.put(ledger.connect())

    @app.before_request
    def guard() -> Response | None:
        known = request.headers.get("Authorization") == token or request.path == "/readyz"
        return None if known else told(b'{"title":"Unauthorized"}', 401)

    @app.get("/readyz")
    def ready() -> Response:
        return told(b"{}", 200)

    @app.post("/api/validation/validate")
    def validate() -> Response:
        sent = orjson.loads(request.get_data())
        if not isinstance(sent, dict) or not isinstance(sent.get("ruleset"), str) or "item" not in sent:
            return told(b'{"title":"Unprocessable Content"}', 422)
        request_id = uuid_utils.compat.uuid7()
        wait_s = preferred(request.headers.get("Prefer", ""))
        place = hub.watch(request_id) if wait_s else None
        writer.write((request_id, sent["ruleset"], sent["item"]))
        answer = waited(place, wait_s) if place else None
        if answer is not None:
            return told(answer, 200)
        url = _URL.format(request_id)
        links = {"self": url, "result": f"{url}/result"}
        response = told(orjson.dumps({"id": str(request_id), "state": "pending", "links": links}), 202)
        response.headers["Location"] = url
        return response

    @app.get("/api/validation/requests/<uuid:request_id>/result")
    def result(request_id: UUID) -> Response:
        place = hub.watch(request_id)
        connection = readers.get()
        try:
            found = ledger.find(connection, request_id)
        finally:
            readers.put(connection)
        if found is None:
            return told(b'{"title":"Not Found"}', 404)
        answer = orjson.dumps(found[0]) if found[0] else waited(place, request.args.get("wait", 0, int))
        hub.forget(request_id)
        return told(b'{"state":"pending"}', 202) if answer is None else told(answer, 200)

    return app


def preferred(header: str) -> int:
    """Return the seconds of `Prefer: wait=N`."""
    name, _, seconds = header.partition("=")
    return int(seconds) if name.strip() == "wait" and seconds.isdecimal() else 0


def waited(place: AsyncResult, seconds: int) -> bytes | None:
    """Return the answer, or None when it has not come in time."""
    try:
        answer: bytes = place.get(timeout=seconds)
    except gevent.Timeout:
        return None
    return answer


def told(body: bytes, status: int) -> Response:
    """Return JSON."""
    return Response(body, status, content_type="application/json")
