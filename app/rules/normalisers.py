"""Normalisers: corrections that cannot change what a value means, made when the caller asks for them.

Each is reported as a finding of its own. A value that no normaliser changes, or that is no text, stays as it is.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from app.rules import numerals
from app.rules.errors import RuleSetError
from app.rules.findings import Finding, clip, pointer, steps

#: Every fix is reported, so there are at most this many in one item; what is left then stays as it was sent.
MOST_FIXES = 100
#: Longer texts are not touched.
LONGEST = 10_000

#: White space and what looks like none: no-break and zero-width spaces, and the byte order mark.
WHITE = "".join(chr(point) for point in range(0x3001) if chr(point).isspace()) + "\u200b\u2060\ufeff"
_RUN = re.compile(f"[{re.escape(WHITE)}]+")

Fix = Callable[[str], str]


def trim(text: str) -> str:
    """Return `text` without the white space around it."""
    return text.strip(WHITE)


def squeeze(text: str) -> str:
    """Return `text` with each run of white space inside it as one space; what stands around it stays."""
    start, end = len(text) - len(text.lstrip(WHITE)), len(text.rstrip(WHITE))
    return text if start >= end else text[:start] + _RUN.sub(" ", text[start:end]) + text[end:]


def number(locale: str | None, text: str) -> str:
    """Return the number that `text` is as a decimal string, or `text` when it is none for certain.

    What comes out is no longer written as `locale` says: it must not go in again.
    """
    return numerals.read(text, locale) or text


_FIXES: Mapping[str, Fix] = {"trim": trim, "squeeze": squeeze, "upper": str.upper, "lower": str.lower}


@dataclass(frozen=True, slots=True)
class Place:
    """One field, or one field of every element of a list, with its named fixes in the order they are made."""

    field: str
    inner: str | None
    fixes: tuple[tuple[str, Fix], ...]

    def owners(self, item: dict[str, Any]) -> Iterator[tuple[dict[str, Any], tuple[str | int, ...]]]:
        """Yield each object that may hold the field, with the path to it; of what is inside `item`, new copies."""
        if self.inner is None:
            yield item, (self.field,)
        elif isinstance(elements := item.get(self.field), list):
            item[self.field] = copies = [each.copy() if isinstance(each, dict) else each for each in elements]
            for index, each in enumerate(copies):
                if isinstance(each, dict):
                    yield each, (self.field, index, self.inner)


class Normalisers:
    """The normalisers of one rule set."""

    def __init__(self, rules: Sequence[Mapping[str, Any]]) -> None:
        """Take the `normalisers` of a definition. Raises RuleSetError."""
        self._places = [_place(f"/normalisers/{index}", rule) for index, rule in enumerate(rules)]

    def applied(self, item: Any) -> tuple[Any, tuple[Finding, ...]]:
        """Return a corrected copy of `item` and one finding for each fix, in the order they were made.

        The item given stays as it is; it is also what comes back when there is nothing to correct.
        """
        if not isinstance(item, dict):
            return item, ()
        findings: list[Finding] = []
        corrected = item.copy()
        for place in self._places:
            for owner, path in place.owners(corrected):
                _fix(owner, path, place.fixes, findings)
        return (corrected, tuple(findings)) if findings else (item, ())


def _place(where: str, rule: Mapping[str, Any]) -> Place:
    names, locale = rule["apply"], rule.get("locale")
    if {"upper", "lower"} <= set(names):
        raise _refused(f"{where}/apply", "one of upper and lower undoes the other")
    if locale is not None and "number" not in names:
        raise _refused(f"{where}/locale", "only number reads it")
    if locale is not None and not numerals.known(locale):
        raise _refused(f"{where}/locale", f"there is no locale {locale}")
    fixes: dict[str, Fix] = {**_FIXES, "number": partial(number, locale)}
    field, *below = steps(rule["pointer"])
    inner = below[-1] if below else None
    return Place(field, inner, tuple((name, fixes[name]) for name in names))


def _refused(place: str, why: str) -> RuleSetError:
    return RuleSetError(f"{place}: {why}", pointer=place)


def _fix(
    owner: dict[str, Any],
    path: Sequence[str | int],
    fixes: Iterable[tuple[str, Fix]],
    findings: list[Finding],
) -> None:
    """Correct the value that `path` ends at in `owner`, with one more finding for each fix that changed it."""
    text = owner.get(str(path[-1]))
    for name, fix in fixes:
        if not isinstance(text, str) or len(text) > LONGEST or len(findings) == MOST_FIXES:
            return
        fixed = fix(text)
        if fixed != text:
            owner[str(path[-1])] = fixed
            findings.append(Finding(pointer(path), f"fix.{name}", "info", clip({"from": text, "to": fixed}), ""))
            text = fixed
