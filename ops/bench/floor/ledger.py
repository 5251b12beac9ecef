"""The floor's tables, and the statements on them: whole groups at a time, parameters in binary."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson
import psycopg
from psycopg.types.json import Jsonb, set_json_loads

#: Where the bench says where the servers are.
DATABASE = "BENCH_DATABASE_URL"
REDIS = "BENCH_REDIS_URL"
TOKEN = "BENCH_TOKEN"

#: The streams of requests, each entry an id, and of notices, each entry an id and the answer.
REQUESTS = "requests"
NOTICES = "notices"
#: Notices kept, about; the newest are all that anybody waits for.
NOTICES_KEPT = 10_000
#: What is taken as one group at most.
GROUP = 64

MAKE = """
CREATE TABLE IF NOT EXISTS requests (
    id uuid PRIMARY KEY,
    ruleset text NOT NULL,
    item jsonb NOT NULL,
    state text NOT NULL DEFAULT 'pending',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz
);
CREATE TABLE IF NOT EXISTS responses (
    request_id uuid PRIMARY KEY,
    answer jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
"""
_ADD = "INSERT INTO requests (id, ruleset, item) SELECT * FROM unnest(%b::uuid[], %b::text[], %b::jsonb[])"
_CLAIM = "SELECT id, item FROM requests WHERE id = ANY(%b) AND state = 'pending' ORDER BY id FOR UPDATE SKIP LOCKED"
_RECORD = """
WITH ended AS (
    UPDATE requests SET state = 'done', finished_at = clock_timestamp() WHERE id = ANY(%b)
)
INSERT INTO responses (request_id, answer) SELECT * FROM unnest(%b::uuid[], %b::jsonb[])
"""
_FIND = "SELECT answer FROM requests LEFT JOIN responses ON request_id = id WHERE id = %b"

Connection = psycopg.Connection[Any]


def connect() -> Connection:
    """Return a connection on which each statement is a transaction, unless one was begun."""
    connection = psycopg.connect(os.environ[DATABASE], autocommit=True)
    set_json_loads(orjson.loads, connection)
    return connection


def add(connection: Connection, rows: Sequence[tuple[UUID, str, Any]]) -> None:
    """The requests are committed."""
    ids, rulesets, items = zip(*rows, strict=True)
    connection.execute(_ADD, (list(ids), list(rulesets), [Jsonb(item, orjson.dumps) for item in items]))


def claim(connection: Connection, ids: Sequence[UUID]) -> list[tuple[UUID, Any]]:
    """Return the items of those that are pending, locked until the transaction ends."""
    return connection.execute(_CLAIM, (list(ids),), binary=True).fetchall()


def record(connection: Connection, answers: Sequence[tuple[UUID, Any]]) -> None:
    """The requests have ended with these answers, once the transaction commits."""
    ids, told = zip(*answers, strict=True)
    connection.execute(_RECORD, (list(ids), list(ids), [Jsonb(each, orjson.dumps) for each in told]))


def find(connection: Connection, request_id: UUID) -> tuple[Any] | None:
    """Return the answer, None in its place while there is none; None when there is no such request."""
    return connection.execute(_FIND, (request_id,), binary=True).fetchone()
