"""The first stage: has the item the fields, types and forms that the rule set's JSON Schema (2020-12) asks for?

Patterns take linear time whatever they are, formats are checked, and a schema cannot make us fetch anything.
"""

from collections.abc import Iterator
from functools import reduce
from operator import getitem
from typing import Any

import jsonschema_rs

from app.rules.errors import RuleSetError
from app.rules.findings import Finding, clip, pointer

#: Keywords that speak of several properties at once: each gets a finding that points at it.
_UNEXPECTED = {"additionalProperties", "unevaluatedProperties"}
#: Params that hold errors, schemas or values in the library's own form: no use to a reader of findings.
_INNER = {"context", "schema", "unexpected", "error", "message"}


class Shape:
    """A compiled JSON Schema."""

    def __init__(self, schema: dict[str, Any] | bool) -> None:
        """Compile `schema`. Raises RuleSetError: not a schema, unknown format, bad pattern, `$ref` to elsewhere."""
        try:
            self._validator = jsonschema_rs.Draft202012Validator(
                schema,
                validate_formats=True,
                ignore_unknown_formats=False,
                pattern_options=jsonschema_rs.RegexOptions(),
                offline=True,
            )
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
            raise RuleSetError(f"schema: {_explained(error)}") from None

    def findings(self, item: Any) -> Iterator[Finding]:
        """Yield one finding per breach, all of severity `error`."""
        if self._validator.is_valid(item):  # Faster than looking for errors, and most items have none.
            return
        for error in self._validator.iter_errors(item):
            yield from _findings(error, item)


def _findings(error: jsonschema_rs.ValidationError, item: Any) -> Iterator[Finding]:
    keyword, rule_id = _keyword(error), "#" + pointer(error.schema_path)
    for path, params in _places(error, keyword, item):
        yield Finding(pointer(path), f"schema.{keyword}", "error", clip(params), rule_id)


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
