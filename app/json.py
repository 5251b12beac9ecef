"""JSON as this platform reads and writes it: strict (RFC 8259), no NaN, no surprises for Postgres."""

from typing import Any

import orjson

from app.errors import BadRequest

JSON = None | bool | int | float | str | list[Any] | dict[str, Any]

loads = orjson.loads


def dumps(value: Any) -> bytes:
    """Return `value` as compact UTF-8 JSON. UUIDs become text, datetimes RFC 3339."""
    return orjson.dumps(value, option=orjson.OPT_UTC_Z)


def text(value: Any) -> str:
    """Return `value` as JSON text, for drivers that want `str`."""
    return dumps(value).decode()


def parse(body: bytes, *, max_depth: int) -> JSON:
    """Return what `body` says.

    Raises:
        BadRequest: not JSON (also NaN, Infinity or text that is not UTF-8), nested deeper than `max_depth`, or with a
            NUL character, which PostgreSQL cannot store in text or jsonb.
    """
    try:
        value: JSON = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"The body is not JSON: {error}.") from None
    # Without an escaped NUL it holds none, and with so few brackets it cannot nest deeper: then nobody has to look.
    if b"\\u0000" in body or body.count(b"[") + body.count(b"{") > max_depth:
        inspect(value, max_depth)
    return value


def inspect(value: JSON, max_depth: int) -> None:
    """Return only if `value` nests at most `max_depth` deep and holds no NUL. Raises BadRequest otherwise."""
    level: list[Any] = [value]
    depth = 0
    while level:
        below: list[Any] = []
        for node in level:
            if isinstance(node, str):
                refuse_nul(node)
            elif isinstance(node, list | dict):
                if depth == max_depth:
                    raise BadRequest(f"The body is nested deeper than {max_depth} levels.")
                below.extend(node)
                if isinstance(node, dict):
                    below.extend(node.values())
        level = below
        depth += 1


def refuse_nul(string: str) -> None:
    """Return only if `string` can be stored by PostgreSQL."""
    if "\x00" in string:
        raise BadRequest("The body holds a NUL character (\\u0000), which cannot be stored.")


def canonical(value: Any) -> bytes:
    """Return `value` as JSON that is the same for the same content: keys sorted, no white space."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
