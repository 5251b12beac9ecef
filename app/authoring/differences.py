"""Differences between two definitions: as operations of JSON Patch (RFC 6902), and in the words of rule authors.

Takes time in proportion to the definitions, whatever is in them: lists are lined up at both ends and then one by one,
so an element that moved shows as changed.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from app import json
from app.rules.findings import pointer

Operation = dict[str, Any]
Path = tuple[str | int, ...]

#: The parts of a definition whose elements have ids.
WITH_IDS = ("rules", "across")


def operations(old: Any, new: Any) -> list[Operation]:
    """Return the operations, `add`, `remove` and `replace`, that make `new` of `old` when applied in their order."""
    return list(_changes((), old, new))


def summary(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return what changed: `parts`, the members of the definition that differ, and under `rules` and `across` the ids
    of those `added`, `removed` and `changed`. Either definition may be a draft, and wrong in any way.
    """
    here_and_there = old.keys() & new.keys()
    parts = sorted((old.keys() ^ new.keys()) | {name for name in here_and_there if not _same(old[name], new[name])})
    return {"parts": parts} | {part: _ids(_by_id(old.get(part)), _by_id(new.get(part))) for part in WITH_IDS}


def _changes(path: Path, old: Any, new: Any) -> Iterator[Operation]:
    if _same(old, new):
        return
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _members(path, old, new)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _elements(path, old, new)
    else:
        yield {"op": "replace", "path": pointer(path), "value": new}


def _members(path: Path, old: dict[str, Any], new: dict[str, Any]) -> Iterator[Operation]:
    for name in sorted(old.keys() - new.keys()):
        yield {"op": "remove", "path": pointer((*path, name))}
    for name in sorted(old.keys() & new.keys()):
        yield from _changes((*path, name), old[name], new[name])
    for name in sorted(new.keys() - old.keys()):
        yield {"op": "add", "path": pointer((*path, name)), "value": new[name]}


def _elements(path: Path, old: list[Any], new: list[Any]) -> Iterator[Operation]:
    before, after = [json.canonical(each) for each in old], [json.canonical(each) for each in new]
    start = _alike(before, after)
    end = _alike(before[start:][::-1], after[start:][::-1])
    kept = min(len(old), len(new)) - end
    for index in range(start, kept):
        yield from _changes((*path, index), old[index], new[index])
    for index in reversed(range(kept, len(old) - end)):
        yield {"op": "remove", "path": pointer((*path, index))}
    for index in range(kept, len(new) - end):
        yield {"op": "add", "path": pointer((*path, index)), "value": new[index]}


def _alike(these: Sequence[bytes], those: Sequence[bytes]) -> int:
    """Return how many elements the two have in common at their beginning."""
    return next(
        (index for index, (this, that) in enumerate(zip(these, those, strict=False)) if this != that),
        min(len(these), len(those)),
    )


def _same(old: Any, new: Any) -> bool:
    # Not `==`, to which 1, 1.0 and True are all the same.
    return json.canonical(old) == json.canonical(new)


def _ids(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, list[str]]:
    return {
        "added": [name for name in new if name not in old],
        "removed": [name for name in old if name not in new],
        "changed": [name for name in new if name in old and not _same(old[name], new[name])],
    }


def _by_id(elements: Any) -> dict[str, Any]:
    if not isinstance(elements, list):
        return {}
    return {each["id"]: each for each in elements if isinstance(each, dict) and isinstance(each.get("id"), str)}
