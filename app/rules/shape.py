"""The first stage: has the item the fields, types and forms that the rule set's JSON Schema (2020-12) asks for?

Patterns take linear time whatever they are, formats are checked, and a schema cannot make us fetch anything.
"""

from collections.abc import Iterable, Iterator
from functools import reduce
from operator import getitem
from typing import Any

import jsonschema_rs
import orjson

from app.rules.errors import RuleSetError
from app.rules.findings import JSON, LONGEST_POINTER, Finding, clip, cut, place, pointer
from app.rules.schema_cost import weight

#: Bytes that a compiled pattern may take.
LARGEST_PATTERN = 1_048_576

#: Bytes of an item times the options of the longest `enum`, up to which all breaches are worked out.
MOST_WORK = 2_000_000

#: Keywords that speak of several properties at once: each gets a finding that points at it.
_UNEXPECTED = {"additionalProperties", "unevaluatedProperties"}
#: Params that hold errors, schemas or values in the library's own form: no use to a reader of findings.
_INNER = {"context", "schema", "unexpected", "error", "message"}
#: Keywords whose params are the same for every item, so that they are worked out once for each place in the schema.
_STEADY = {
    "enum", "type", "pattern", "format", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
    "multipleOf", "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties",
}  # fmt: skip


class Shape:
    """A compiled JSON Schema."""

    def __init__(self, schema: dict[str, Any] | bool) -> None:
        """Compile `schema`. Raises RuleSetError: not a schema, unknown format, bad pattern, `$ref` to elsewhere."""
        self._weight = weight(schema)
        #: By place in the schema: what is the same in all findings from there.
        self._steady: dict[tuple[str | int, ...], tuple[str, dict[str, JSON], str]] = {}
        try:
            self._validator = jsonschema_rs.Draft202012Validator(
                schema,
                validate_formats=True,
                ignore_unknown_formats=False,
                pattern_options=jsonschema_rs.RegexOptions(size_limit=LARGEST_PATTERN),
                offline=True,
            )
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
            at = pointer(error.instance_path) if isinstance(error, jsonschema_rs.ValidationError) else ""
            raise RuleSetError(f"schema: {_explained(error)}", pointer=f"/schema{at}") from None

    def fits(self, item: Any) -> bool:
        """Return whether `item` breaks nothing: faster than looking for breaches, and most items have none."""
        return self._validator.is_valid(item)

    def findings(self, item: Any) -> Iterator[Finding]:
        """Yield one finding per breach, all of severity `error`."""
        if not self.fits(item):
            yield from self.breaches(item)

    def breaches(self, item: Any) -> Iterator[Finding]:
        """Yield the findings of an item that does not fit.

        Where there could be too many to work out, only those of the first breach, and one that says so.
        """
        # The library works out every error before it gives the first one, and a large list can have a hundred thousand.
        if len(orjson.dumps(item)) * self._weight <= MOST_WORK:
            yield from self._told(self._validator.iter_errors(item), item)
            return
        yield from self._told(self._first(item), item)
        yield Finding("", "item.first_only", "info", {}, "")

    def _told(self, errors: Iterable[jsonschema_rs.ValidationError], item: Any) -> Iterator[Finding]:
        for error in errors:
            path = tuple(error.schema_path)
            steady = self._steady.get(path)
            if steady:
                code, params, rule_id = steady
                yield Finding(_place(error.instance_path), code, "error", params.copy(), rule_id)
                continue
            for finding in _findings(error, item):
                if error.kind.name in _STEADY:
                    self._steady[path] = finding.code, finding.params.copy(), finding.rule_id
                yield finding

    def _first(self, item: Any) -> Iterator[jsonschema_rs.ValidationError]:
        try:
            self._validator.validate(item)
        except jsonschema_rs.ValidationError as error:
            yield error


def _place(path: list[str | int]) -> str:
    """Return what `place` does, sooner for a plain field."""
    if len(path) == 1 and isinstance(name := path[0], str) and "/" not in name and "~" not in name:
        return f"/{name}" if len(name) < LONGEST_POINTER else ""
    return place(path)


def _findings(error: jsonschema_rs.ValidationError, item: Any) -> Iterator[Finding]:
    keyword, rule_id = _keyword(error), cut("#" + pointer(error.schema_path), LONGEST_POINTER)
    for path, params in _places(error, keyword, item):
        yield Finding(place(path), f"schema.{keyword}", "error", clip(params), rule_id)


def _keyword(error: jsonschema_rs.ValidationError) -> str:
    """Return the keyword that is broken, the same however the schema around it is written."""
    # `additionalProperties: false` without `properties` beside it is reported as a `false` schema, once, unnamed.
    if error.kind.name == "falseSchema" and error.schema_path[-1:] == ["additionalProperties"]:
        return "additionalProperties"
    return error.kind.name


def _places(
    error: jsonschema_rs.ValidationError, keyword: str, item: Any
) -> Iterator[tuple[list[str | int], dict[str, Any]]]:
    """Yield each place in the item where the keyword is broken, and its params."""
    here, params = error.instance_path, error.kind.as_dict()
    if keyword in _UNEXPECTED:
        names = params.get("unexpected") or reduce(getitem, here, item)
        yield from (([*here, name], {"property": name}) for name in names)
    elif keyword == "required":
        yield [*here, params["property"]], params
    elif keyword == "propertyNames":
        name = str(params["error"].instance)
        yield [*here, name], {"property": name}
    else:
        yield here, {name: value for name, value in params.items() if name not in _INNER}


def _explained(error: jsonschema_rs.ValidationError | jsonschema_rs.ReferencingError) -> str:
    if isinstance(error, jsonschema_rs.ValidationError):
        return f"{pointer(error.instance_path) or 'as a whole'}: {error.message}"
    return error.message
