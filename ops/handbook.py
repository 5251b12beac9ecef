"""The handbook of the built-in rule sets, made of their definitions: `python -m ops.handbook` writes it anew.

A test makes it again and compares, so that it says what the rule sets do and nothing else.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from app.rules import builtin
from app.rules.across import rules as across

FILE = Path(builtin.__file__).parent / "README.md"

OPENING = """\
# Built-in rule sets

Made by `python -m ops.handbook` out of the definitions beside this page: change those, and run it again.

An example shows what is different from the good item at the top; a field that is `…` is left out. A finding of severity
`error` makes an item invalid, `warning` and `info` do not. Rules are asked only when the item has the right form, that
is, when there are no findings `schema.…`.
"""

#: JSON Schema keywords that say of what form a value is, and how people read them.
_FORMS = {
    "pattern": "`{}`",
    "format": "{}",
    "minLength": "{} or more characters",
    "maxLength": "{} characters at most",
    "minimum": "at least {}",
    "maximum": "at most {}",
    "maxItems": "at most {} elements",
}

_Definition = Mapping[str, Any]
_Row = Sequence[str]


def page() -> str:
    """Return the handbook, in Markdown."""
    return "\n".join([OPENING, *(line for definition in builtin.definitions() for line in chapter(definition))])


def chapter(definition: _Definition) -> Iterator[str]:
    """Yield the lines about one rule set."""
    good = definition["examples"][0]["item"]
    yield f"## {definition['name']}\n\n{definition['title']}.\n\n{definition['description']}\n"
    yield f"```json\n{orjson.dumps(good, option=orjson.OPT_INDENT_2).decode()}\n```\n"
    yield "### Fields\n"
    yield from table(("field", "needed", "what it is", "form"), fields(definition["schema"]))
    yield "### What is wrong with an item\n"
    yield from table(("code", "severity", "where", "message", "example"), rules(definition, good))
    yield "### What is wrong with its form\n"
    yield from table(("example", "findings", "what is different"), forms(definition, good))
    yield "### What is wrong between the rows of a file\n"
    yield from table(("code", "rule", "severity", "where", "message", "rows"), between(definition))
    yield "### What `autofix` mends\n"
    yield from table(("where", "normalisers"), normalisers(definition))


def fields(schema: _Definition) -> Iterator[_Row]:
    """Yield a row for each field, those of the elements of a list below it."""
    yield from _fields(schema, schema, "")


def rules(definition: _Definition, good: Mapping[str, Any]) -> Iterator[_Row]:
    """Yield a row for each rule, with the first example that breaks it."""
    for rule in definition["rules"]:
        code = f"rule.{rule['id']}"
        example = next(each for each in definition["examples"] if code in _codes(each))
        shown = f"{example['title']}: {difference(good, example['item'])}"
        yield f"`{code}`", rule["severity"], f"`{rule['pointer']}`", both(rule["message"]), shown


def forms(definition: _Definition, good: Mapping[str, Any]) -> Iterator[_Row]:
    """Yield a row for each example of a wrong form."""
    for example in definition["examples"]:
        if any(code.startswith("schema.") for code in _codes(example)):
            findings = "<br>".join(f"`{each['code']}` at `{each['pointer']}`" for each in example["findings"])
            yield example["title"], findings, difference(good, example["item"])


def between(definition: _Definition) -> Iterator[_Row]:
    """Yield a row for each rule across rows."""
    for rule, compiled in zip(definition["across"], across.read(definition), strict=True):
        same = "the same " + ", ".join(map(_field, rule["key"]))
        yield (
            f"`{compiled.kind.code}`",
            f"`{rule['id']}`",
            rule["severity"],
            f"`{compiled.kind.pointer}`" if compiled.kind.pointer else "the row",
            both(rule["message"]),
            same + _beside(rule),
        )


def normalisers(definition: _Definition) -> Iterator[_Row]:
    """Yield a row for each place that is normalised."""
    for each in definition["normalisers"]:
        yield f"`{each['pointer']}`", ", ".join(each["apply"])


def table(head: _Row, rows: Iterator[_Row]) -> Iterator[str]:
    """Yield the lines of a table."""
    yield _line(head)
    yield _line(["---"] * len(head))
    yield from map(_line, rows)
    yield ""


def difference(good: Mapping[str, Any], item: Mapping[str, Any]) -> str:
    """Return what has to be changed in the good item to have the other one."""
    changed = {name: value for name, value in item.items() if name not in good or good[name] != value}
    told = [f'"{name}": {orjson.dumps(value).decode()}' for name, value in changed.items()]
    told += [f'"{name}": …' for name in good if name not in item]
    return f"`{', '.join(told)}`"


def both(message: Mapping[str, str]) -> str:
    """Return a message in both languages."""
    return f"{message['en']}<br>{message['vi']}"


def main() -> None:
    """Write the handbook beside the definitions."""
    FILE.write_text(page(), encoding="utf-8")


def _fields(whole: _Definition, schema: _Definition, prefix: str) -> Iterator[_Row]:
    for name, given in schema["properties"].items():
        field = {**whole["$defs"][given["$ref"].rpartition("/")[2]], **given} if "$ref" in given else given
        needed = "yes" if name in schema["required"] else ""
        yield f"`{prefix}{name}`", needed, field.get("description", ""), "; ".join(_form(field))
        if "items" in field:
            yield from _fields(whole, field["items"], f"{prefix}{name}/*/")


def _form(field: _Definition) -> Iterator[str]:
    if "enum" in field:
        yield "one of " + ", ".join(f"`{option}`" for option in field["enum"])
    elif not {"pattern", "format"} & field.keys():
        yield {"string": "text", "array": "list", "integer": "whole number"}[field["type"]]
    yield from (told.format(field[keyword]) for keyword, told in _FORMS.items() if keyword in field)


def _beside(rule: _Definition) -> str:
    """Return what makes rows wrong that share their key."""
    match rule["kind"]:
        case "conflict":
            return f", another {_field(rule['value'])}"
        case "overlap":
            return f", and a day that is in {_field(rule['from'])} to {_field(rule['to'])} of both"
        case "change":
            value, order = _field(rule["value"]), _field(rule["order"])
            return f", and in the order of {order}, {value} changes by more than {Decimal(rule['most']) * 100:.0f} %"
        case _:
            return ""


def _field(pointer: str) -> str:
    return f"`{pointer[1:]}`"


def _codes(example: _Definition) -> set[str]:
    return {finding["code"] for finding in example["findings"]}


def _line(cells: _Row) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    main()
