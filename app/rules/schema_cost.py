"""What a JSON Schema can cost at most, before there is any item: twenty lines of `$ref` can ask for a billion checks.

A schema may come back to itself (a tree of surcharges), by one way only: with two, each level of an item doubles the
work. References lead into the schema itself, as JSON Pointers, so that each can be followed here.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from app.rules.errors import RuleSetError
from app.rules.findings import pointer, steps

#: Schemas inside a schema, and levels of them.
MOST_PARTS = 5_000
DEEPEST = 32
#: How many schemas one value can be held against, references followed.
MOST_CHECKS = 2_000
MOST_PATTERNS = 100
LONGEST_PATTERN = 500
#: Options of all `enum` together; one value is compared with each.
MOST_OPTIONS = 2_000

#: Keywords that hold schemas for the same value; for parts of it. Of JSON Schema 2020-12, Core §10 and §11.
_SAME_ONE = ("not", "if", "then", "else")
_SAME_MANY = ("allOf", "anyOf", "oneOf")
_PART_ONE = (
    "additionalProperties", "propertyNames", "items", "contains", "unevaluatedItems", "unevaluatedProperties",
    "contentSchema",
)  # fmt: skip
_PART_MANY = ("prefixItems",)
_PART_NAMED = ("properties", "patternProperties")
_UNFOLLOWED = ("$dynamicRef", "$recursiveRef", "$dynamicAnchor", "$anchor", "$recursiveAnchor", "$vocabulary")
#: Looks at the same value a second time: to say why it fails, or what is left over.
_TWICE = ("anyOf", "oneOf", "not", "if", "unevaluatedItems", "unevaluatedProperties")


def hold(schema: Any) -> None:
    """Return only if the schema may be used. Raises RuleSetError, with the pointer of the place."""
    parts = _Parts(schema)
    parts.add((), schema)
    parts.count()


def weight(schema: Any) -> int:
    """Return how much the library makes ready for one breach at most: it copies the options of an `enum` each time."""
    found, waiting = 1, [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            waiting.extend(part.values())
            options = part.get("enum")
            found = max(found, len(options) if isinstance(options, list) else 1)
        elif isinstance(part, list):
            waiting.extend(part)
    return found


def resolved(root: Any, schema: Any) -> Any:
    """Return what `schema`, a part of `root`, says once the reference that it may be is followed."""
    for _ in range(DEEPEST):
        if not isinstance(schema, Mapping) or not isinstance(schema.get("$ref"), str):
            break
        found = _at(root, schema["$ref"])
        schema = (
            {**found, **{key: value for key, value in schema.items() if key != "$ref"}}
            if isinstance(found, Mapping)
            else found
        )
    return schema


_Path = tuple[str, ...]


class _Parts:
    """All schemas inside one, by where they are, and which ask for which."""

    def __init__(self, root: Any) -> None:
        self._root = root
        #: To each part those that it holds values against: the pointer, and whether that is the same value.
        self._asks: dict[_Path, list[tuple[_Path, bool]]] = {}
        self._twice: set[_Path] = set()
        self._patterns = 0
        self._options = 0

    def add(self, path: _Path, schema: Any) -> None:
        """Take in a schema and all that are in it."""
        if path in self._asks:
            return
        asks = self._asks[path] = []
        if len(self._asks) > MOST_PARTS:
            raise _error(path, f"there are more than {MOST_PARTS} schemas")
        if len(path) > 2 * DEEPEST:
            raise _error(path, f"nested deeper than {DEEPEST} levels")
        if not isinstance(schema, dict):
            return
        self._inspect(path, schema)
        if any(keyword in schema for keyword in _TWICE):
            self._twice.add(path)
        inside = list(_inside(path, schema))
        asks.extend((below, same) for below, _, same in inside)
        for below, part, _ in inside:
            self.add(below, part)
        if isinstance(schema.get("$ref"), str):
            target = tuple(steps(schema["$ref"][1:]))
            asks.append((target, True))
            self.add(target, _at(self._root, schema["$ref"]))
        for name, part in _named(schema, "$defs"):
            self.add((*path, "$defs", name), part)

    def count(self) -> None:
        """Return only if no value can be held against too many schemas."""
        checks: dict[_Path, int] = {}
        for group in _groups({path: [to for to, _ in asks] for path, asks in self._asks.items()}):
            members = set(group)
            inner = [(path, to, same) for path in group for to, same in self._asks[path] if to in members]
            if inner and len(inner) > len(group):
                raise _error(min(group), "comes back to itself by more than one way")
            if inner and all(same for _, _, same in inner):
                raise _error(min(group), "comes back to itself for the same value, without end")
            for path in group:
                asked = sum(checks[to] for to, _ in self._asks[path] if to not in members)
                checks[path] = 1 + asked * (2 if path in self._twice else 1)
            for path in group:  # Each can lead to every other of its circle.
                checks[path] = sum(checks[each] for each in group) if inner else checks[path]
                if checks[path] > MOST_CHECKS:
                    raise _error(path, f"a value could be held against more than {MOST_CHECKS} schemas")

    def _inspect(self, path: _Path, schema: Mapping[str, Any]) -> None:
        for keyword in _UNFOLLOWED:
            if keyword in schema:
                raise _error((*path, keyword), "is not supported: use $ref with a pointer such as #/$defs/amount")
        if path and "$id" in schema:
            raise _error((*path, "$id"), "is for the whole schema only")
        reference = schema.get("$ref")
        if isinstance(reference, str) and reference != "#" and not reference.startswith("#/"):
            raise _error(
                (*path, "$ref"), "leads out of the schema: only references such as #/$defs/amount are followed"
            )
        written = [schema["pattern"]] if isinstance(schema.get("pattern"), str) else []
        written += [name for name, _ in _named(schema, "patternProperties")]
        self._patterns += len(written)
        if self._patterns > MOST_PATTERNS:
            raise _error(path, f"there are more than {MOST_PATTERNS} patterns")
        if any(len(pattern) > LONGEST_PATTERN for pattern in written):
            raise _error(path, f"a pattern has at most {LONGEST_PATTERN} characters")
        options = schema.get("enum")
        self._options += len(options) if isinstance(options, list) else 0
        if self._options > MOST_OPTIONS:
            raise _error((*path, "enum"), f"there are more than {MOST_OPTIONS} options: use a table")


def _inside(path: _Path, schema: Mapping[str, Any]) -> Iterator[tuple[_Path, Any, bool]]:
    """Yield the schemas right inside `schema`: where, what, and whether it is for the same value."""
    for keywords, same in ((_SAME_ONE, True), (_PART_ONE, False)):
        for keyword in keywords:
            if isinstance(schema.get(keyword), dict | bool):
                yield (*path, keyword), schema[keyword], same
    for many, same in ((_SAME_MANY, True), (_PART_MANY, False)):
        for keyword in many:
            parts = schema.get(keyword)
            for number, part in enumerate(parts if isinstance(parts, list) else ()):
                yield (*path, keyword, str(number)), part, same
    for keyword in _PART_NAMED:
        for name, part in _named(schema, keyword):
            yield (*path, keyword, name), part, False
    for name, part in _named(schema, "dependentSchemas"):
        yield (*path, "dependentSchemas", name), part, True


def _named(schema: Mapping[str, Any], keyword: str) -> Iterator[tuple[str, Any]]:
    parts = schema.get(keyword)
    yield from parts.items() if isinstance(parts, dict) else ()


def _groups(asks: Mapping[_Path, list[_Path]]) -> Iterator[list[_Path]]:
    """Yield the parts in groups that can reach each other, each after all that it asks for (Tarjan's algorithm).

    Does not recurse: a chain of references can be as long as the schema.
    """
    order: dict[_Path, int] = {}
    lowest: dict[_Path, int] = {}
    open_: list[_Path] = []
    is_open: set[_Path] = set()
    for start in asks:
        work = [(start, iter(asks[start]))] if start not in order else []
        while work:
            path, rest = work[-1]
            if path not in order:
                order[path] = lowest[path] = len(order)
                open_.append(path)
                is_open.add(path)
            for to in rest:
                if to not in order:
                    work.append((to, iter(asks[to])))
                    break
                if to in is_open:
                    lowest[path] = min(lowest[path], order[to])
            else:
                work.pop()
                if work:
                    above = work[-1][0]
                    lowest[above] = min(lowest[above], lowest[path])
                if lowest[path] == order[path]:
                    at = open_.index(path)
                    group, open_[at:] = open_[at:], []
                    is_open.difference_update(group)
                    yield group


def _at(root: Any, reference: str) -> Any:
    """Return what `#/…` leads to, None when nothing is there."""
    here = root
    for step in steps(reference[1:]):
        if isinstance(here, dict) and step in here:
            here = here[step]
        elif isinstance(here, list) and step.isdecimal() and int(step) < len(here):
            here = here[int(step)]
        else:
            return None
    return here


def _error(path: _Path, text: str) -> RuleSetError:
    return RuleSetError(f"schema: {pointer(path) or 'as a whole'}: {text}", pointer=f"/schema{pointer(path)}")
