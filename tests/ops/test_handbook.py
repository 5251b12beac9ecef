"""The handbook of the built-in rule sets says what they do, because it is made of them."""

import pytest

from app.rules import builtin
from ops import handbook


def test_the_handbook_is_what_the_definitions_make() -> None:
    assert handbook.FILE.read_text(encoding="utf-8") == handbook.page(), "run `python -m ops.handbook`"


@pytest.mark.parametrize("definition", builtin.definitions(), ids=lambda definition: definition["name"])
def test_every_field_and_every_rule_is_in_its_chapter(definition: dict[str, object]) -> None:
    chapter = "\n".join(handbook.chapter(definition))

    schema, rules, across = definition["schema"], definition["rules"], definition["across"]
    assert isinstance(schema, dict)
    assert isinstance(rules, list)
    assert isinstance(across, list)
    assert all(f"| `{field}` |" in chapter for field in schema["properties"])
    assert all(f"| `rule.{rule['id']}` |" in chapter for rule in rules)
    assert all(f"| `{rule['id']}` |" in chapter for rule in across)


def test_a_difference_is_what_changed_and_what_was_left_out() -> None:
    told = handbook.difference({"a": 1, "b": "x", "c": None}, {"a": 1, "b": "y", "d": [2]})

    assert told == '`"b": "y", "d": [2], "c": …`'


def test_a_table_keeps_its_columns_whatever_is_in_a_cell() -> None:
    (_, _, line, _) = handbook.table(("a", "b"), iter([("x|y", "z")]))

    assert line == r"| x\|y | z |"
