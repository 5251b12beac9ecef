"""The texts of findings in every language: one template per code, `{name}` standing for a param.

Filled by a small function of its own: `str.format` on a template from a rule author could reach into objects or pad a
text to gigabytes.

`texts.json` beside this module has every code there is, each stable once it was in a release:

- `schema.<keyword>`: a keyword of the rule set's JSON Schema is broken.
- `rule.<id>`: a rule is broken; its text comes with the rule set. `rule.eval_error`: a rule could not be evaluated.
- `ref.unknown`: a code is not in its table, where the rule set's facts give that a severity.
- `item.…`: the item as a whole cannot be read, or there is more to say of it than is shown.
- `fix.<normaliser>`: a value was corrected because the caller asked for that; always of severity info.
- `file.duplicate_key`, `file.overlap`, `file.conflict`, `file.change`: rows of one file do not go together; the text
  comes with the rule set. `file.not_csv`, `file.not_json`, `file.wrong_cells`: a row of a file cannot be read.
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import orjson

from app.rules import builtin

#: By finding code, then by language.
Texts = Mapping[str, Mapping[str, str]]

ENGLISH = "en"
#: Every language that the catalogue has, the one to fall back on first.
LANGUAGES = (ENGLISH, "vi")

#: For a rule whose rule set is not at hand, or a schema keyword without a text of its own.
FALLBACK: Mapping[str, str] = {ENGLISH: "Breaks {code}.", "vi": "Vi phạm {code}."}

_PLACE = re.compile(r"\{(\w+)\}")
_LITERALS = {None: "null", True: "true", False: "false"}


def render(code: str, rule_id: str, params: Mapping[str, Any], own: Texts | None, language: str) -> str:
    """Return the text of `code` in `language`, else in English, from the rule set's `own` texts where it has one."""
    rules = own if own is not None else _builtin_texts()
    across = rules.get(f"across.{rule_id}") if code.startswith("file.") else None
    wording = across or rules.get(code) or platform().get(code, FALLBACK)
    return fill(wording.get(language) or wording[ENGLISH], {**params, "code": code})


def fill(template: str, params: Mapping[str, Any]) -> str:
    """Return `template` with every `{name}` that has a param replaced by it; others stay as they are."""
    return _PLACE.sub(lambda place: _text(params[place[1]]) if place[1] in params else place[0], template)


def texts(definition: Mapping[str, Any]) -> Texts:
    """Return the texts that a rule set brings: `rule.<id>` for its rules, `across.<id>` for those across rows."""
    return {
        f"{kind}.{rule['id']}": {ENGLISH: rule["message"]} if isinstance(rule["message"], str) else rule["message"]
        for kind, rules in (("rule", definition["rules"]), ("across", definition.get("across", ())))
        for rule in rules
    }


@cache
def platform() -> Texts:
    """Return the platform's own texts."""
    found: Texts = orjson.loads(resources.files(__package__).joinpath("texts.json").read_bytes())
    return found


@cache
def _builtin_texts() -> Texts:
    return {code: wording for definition in builtin.definitions() for code, wording in texts(definition).items()}


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_text(each) for each in value)
    return _LITERALS[value] if value is None or isinstance(value, bool) else str(value)
