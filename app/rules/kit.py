"""The test kit of rule authors: does a rule set find in its own examples what its author says that it finds?

A rule set carries `examples`, items with the findings to expect. An example is one item, so that rules across rows are
not tried.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from app.rules.errors import RuleSetError
from app.rules.findings import Finding
from app.rules.ruleset import RuleSet

#: The largest item of an example, in bytes of JSON. Two hundred of them are tried when a stranger publishes.
LARGEST_ITEM = 65_536

#: A finding as examples name it: code and pointer.
Found = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Failure:
    """An example that the rule set judges otherwise than its author says. Both sides are sorted, repeats included.

    `index` counts the examples from 0.
    """

    index: int
    title: str
    expected: tuple[Found, ...]
    got: tuple[Found, ...]

    @property
    def missing(self) -> tuple[Found, ...]:
        """What was expected and not found."""
        return _surplus(self.expected, self.got)

    @property
    def unexpected(self) -> tuple[Found, ...]:
        """What was found and not expected."""
        return _surplus(self.got, self.expected)


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of the examples of a rule set, of which `examples` were tried.

    `never_hit` are the ids of the rules that no example breaks, in the order of the `rules` that there are.
    """

    examples: int
    rules: int
    failures: tuple[Failure, ...]
    never_hit: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every example was judged as its author says. Rules that none of them breaks are no failure."""
        return not self.failures


def trial(ruleset: RuleSet, definition: Mapping[str, Any], *, turn: Callable[[], None] = lambda: None) -> Trial:
    """Return what becomes of the examples of `definition`, which `ruleset` was compiled from.

    An example passes when it brings exactly the findings that it names, in any order, each as often as it is named.
    `turn` is called before each of them, for others who wait for this process; what it raises is raised.

    Raises:
        RuleSetError: the item of an example is too large. The text says which.
    """
    examples = definition.get("examples", [])
    rules = [rule["id"] for rule in definition["rules"]]
    failures: list[Failure] = []
    hit: set[str] = set()
    for index, example in enumerate(examples):
        turn()
        _measure(index, example["item"])
        findings = ruleset.check(example["item"])
        hit.update(_broken(findings))
        expected = tuple(sorted((each["code"], each["pointer"]) for each in example["findings"]))
        got = tuple(sorted((each.code, each.pointer) for each in findings))
        if got != expected:
            failures.append(Failure(index, example["title"], expected, got))
    return Trial(len(examples), len(rules), tuple(failures), tuple(each for each in rules if each not in hit))


def _measure(index: int, item: Any) -> None:
    size = len(orjson.dumps(item))
    if size > LARGEST_ITEM:
        raise RuleSetError(
            f"has {size} bytes of JSON, an example at most {LARGEST_ITEM}", pointer=f"/examples/{index}/item"
        )


def _broken(findings: Iterable[Finding]) -> set[str]:
    """Return the ids of the rules that an item breaks; one that cannot be evaluated is not broken by it."""
    return {finding.rule_id for finding in findings if finding.code == f"rule.{finding.rule_id}"}


def _surplus(these: tuple[Found, ...], those: tuple[Found, ...]) -> tuple[Found, ...]:
    return tuple(sorted((Counter(these) - Counter(those)).elements()))
