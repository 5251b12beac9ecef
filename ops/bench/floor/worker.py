"""The floor's worker: takes what is waiting, judges it, records it in one transaction, tells, acknowledges."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson
import redis

from app.rules import RuleSet, compile_rules
from ops.bench.floor import ledger
from ops.bench.floor.ledger import Connection
from ops.bench.freight import RULESET

_GROUP, _NAME = "workers", "one"
_BLOCK_MS = 1_000

#: Id of the entry, then that of the request.
Entries = list[tuple[bytes, UUID]]


def judged(ruleset: RuleSet, request_id: UUID, item: Any) -> dict[str, Any]:
    """Return the answer about an item."""
    findings = [
        {
            "pointer": finding.pointer,
            "code": finding.code,
            "severity": finding.severity,
            "params": finding.params,
            "message": finding.message(ruleset.messages),
            "rule_id": finding.rule_id,
        }
        for finding in ruleset.check(item)
    ]
    verdict = "invalid" if any(each["severity"] == "error" for each in findings) else "valid"
    return {"id": str(request_id), "state": "done", "verdict": verdict, "items": [{"findings": findings}]}


def work(connection: Connection, client: redis.Redis, ruleset: RuleSet) -> None:
    """Work until killed. What this worker had taken before it was killed comes first."""
    place = "0"
    while True:
        entries = taken(client, place)
        if not entries:
            place = ">"
            continue
        with connection.transaction():
            claimed = ledger.claim(connection, [request_id for _, request_id in entries])
            answers = [(request_id, judged(ruleset, request_id, item)) for request_id, item in claimed]
            if answers:
                ledger.record(connection, answers)
        tell(client, answers, entries)


def taken(client: redis.Redis, place: str) -> Entries:
    """Return what is waiting, or with place 0 what was taken before and not acknowledged."""
    reply: Any = client.xreadgroup(_GROUP, _NAME, {ledger.REQUESTS: place}, count=ledger.GROUP, block=_BLOCK_MS)
    streams = reply.values() if isinstance(reply, dict) else [entries for _, entries in reply or ()]
    return [(entry, UUID(bytes=fields[b"id"])) for entries in streams for entry, fields in flat(entries)]


def flat(entries: Any) -> Any:
    """Return the entries of one stream: in RESP3 they come in a list of lists."""
    return entries[0] if entries and isinstance(entries[0], list) else entries


def tell(client: redis.Redis, answers: Sequence[tuple[UUID, Any]], entries: Entries) -> None:
    """Whoever waits has the answers, and the messages are done with."""
    done = [entry for entry, _ in entries]
    with client.pipeline(transaction=False) as pipeline:
        for request_id, answer in answers:
            notice: Any = {b"id": request_id.bytes, b"answer": orjson.dumps(answer)}
            pipeline.xadd(ledger.NOTICES, notice, maxlen=ledger.NOTICES_KEPT)
        pipeline.xack(ledger.REQUESTS, _GROUP, *done)
        pipeline.xdel(ledger.REQUESTS, *done)
        pipeline.execute()


def main() -> None:
    """Work until killed."""
    client = redis.Redis.from_url(os.environ[ledger.REDIS], socket_timeout=None)
    try:
        client.xgroup_create(ledger.REQUESTS, _GROUP, "0", mkstream=True)
    except redis.ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise
    work(ledger.connect(), client, compile_rules(RULESET))


if __name__ == "__main__":
    main()
