"""What counts as a right answer when the samples are put through the platform, and what is said of a wrong one."""

from collections.abc import Mapping
from typing import Any

import pytest

from ops import sample_run
from ops.samples import Sample

SAMPLE = Sample(
    "fx_rate",
    {"quote": "USD "},
    expected=frozenset({("/quote", "schema.pattern")}),
    suggested=frozenset({("/quote", "USD")}),
)
TRIM = {"op": "replace", "path": "/quote", "value": "USD", "confidence": 0.99, "reason": "trim"}
FOUND = {"pointer": "/quote", "code": "schema.pattern", "suggestion": TRIM}


def body(*findings: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """Return what the platform says of a request with one item."""
    return {"state": "done", "verdict": "invalid", "items": [{"findings": list(findings)}]} | changes


def test_an_answer_with_the_findings_and_the_suggestion_is_right() -> None:
    answer = sample_run.answer(SAMPLE, body(FOUND), 0.1)

    assert answer.is_right
    assert "wrong answers    0" in list(sample_run.report([answer]))


def test_more_suggestions_than_expected_are_no_mistake() -> None:
    plain = Sample("fx_rate", {"quote": "USD "}, expected=SAMPLE.expected, suggested=frozenset())

    assert sample_run.answer(plain, body(FOUND), 0.1).is_right


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (body(), "    not found: schema.pattern at '/quote'"),
        (body(FOUND, {"pointer": "/base", "code": "schema.enum"}), "    not expected: schema.enum at '/base'"),
        (body(FOUND | {"suggestion": None}), "    not suggested: 'USD' at '/quote'"),
        (body(FOUND | {"suggestion": TRIM | {"value": "USN"}}), "    not suggested: 'USD' at '/quote'"),
        (body(FOUND | {"suggestion": TRIM | {"op": "move"}}), "    not suggested: 'USD' at '/quote'"),
        ({"state": "failed"}, "    not found: schema.pattern at '/quote'"),
    ],
)
def test_a_wrong_answer_is_told_with_what_is_wrong_with_it(said: dict[str, Any], told: str) -> None:
    answer = sample_run.answer(SAMPLE, said, 0.1)

    assert not answer.is_right
    lines = list(sample_run.report([answer]))
    assert "wrong answers    1" in lines
    assert told in lines
