"""What is to be done about an item, by the severest of its findings."""

import pytest

from app.rules import Severity
from app.rules.verdict import NextAction, next_action


@pytest.mark.parametrize(
    ("severities", "action"),
    [
        ([], "accept"),
        (["info"], "accept"),
        (["info", "warning"], "confirm"),
        (["warning", "error", "info"], "fix"),
    ],
)
def test_the_severest_finding_says_what_to_do(severities: list[Severity], action: str) -> None:
    assert next_action(severities) is NextAction(action)
