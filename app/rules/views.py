"""Views: an item as conditions see it, with facts in place of texts, and without what no condition reads.

To convert a value for CEL takes most of the time of a check, so a value that nothing reads is left out. Conditions
cannot tell: a field that is there stays there, and what has another type than they expect is passed on as it is.
"""

from collections.abc import Callable
from typing import Any

from app.rules.facts import Facts
from app.rules.uses import Use

#: Returns a value as conditions see it. The value itself does not change; the view is not to be changed.
View = Callable[[Any], Any]

_WHOLE = Use(whole=True)
_UNREAD = Use()


def view(use: Use, facts: Facts | None = None) -> View:
    """Return the view of a value that is read no further than `use` says."""
    return _view(use, facts) or _same


def _view(use: Use, facts: Facts | None) -> View | None:
    """Return the view, None when it is the value itself."""
    if use == _UNREAD:
        return _there
    if use.whole and facts is None:
        return None
    text = _texts(use, facts) if facts and facts.read else _same
    mapping, sequence = _mapping(use, facts or Facts()), _sequence(use, facts or Facts())

    def seen(value: Any) -> Any:
        if value.__class__ is dict:
            return mapping(value)
        if value.__class__ is str:
            return text(value)
        if value.__class__ is list:
            return sequence(value)
        return value

    return seen


def _texts(use: Use, facts: Facts) -> Callable[[str], Any]:
    """Return what makes of a text what conditions see of it."""
    told = facts.told
    # A map of facts has a size and can be walked, like any map.
    if use.whole or use.size or use.elements:
        return told
    names = tuple(use.fields)

    def seen(text: str) -> Any:
        found = told(text)
        return found if found is text else {name: found[name] for name in names if name in found}

    return seen


def _mapping(use: Use, facts: Facts) -> View:
    all_fields = use.whole or use.size or use.elements is not None
    if all_fields:  # Whoever counts or walks a map reads its keys, so none can be left out.
        views = {name: _view(_WHOLE, inner) or _same for name, inner in facts.fields.items()}
        return lambda value: value | {name: seen(value[name]) for name, seen in views.items() if name in value}
    parts = {name: _view(inner, facts.fields.get(name)) for name, inner in use.fields.items()}
    plain = tuple(name for name, seen in parts.items() if seen is None)
    told = tuple((name, seen) for name, seen in parts.items() if seen is not None)
    if not told:
        return lambda value: {name: value[name] for name in plain if name in value}

    def seen(value: Any) -> Any:
        part = {name: value[name] for name in plain if name in value}
        for name, view in told:
            if name in value:
                part[name] = view(value[name])
        return part

    return seen


def _sequence(use: Use, facts: Facts) -> View:
    if use.whole or use.member:
        element = _view(_WHOLE, facts.elements)
    else:
        element = _view(use.elements or _UNREAD, facts.elements)
    return _same if element is None else lambda value: list(map(element, value))


def _same(value: Any) -> Any:
    return value


def _there(_: Any) -> None:
    return None
