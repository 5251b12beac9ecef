"""Which language an answer's messages are in."""

import pytest

from app.api import languages


@pytest.mark.parametrize(
    ("header", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("vi", "vi"),
        ("vi-VN,vi;q=0.9,en;q=0.8", "vi"),
        ("en-GB,vi;q=0.9", "en"),
        ("vi-VN;q=0.3,en;q=0.2", "vi"),
        ("en;q=0.2,VI;q=0.7", "vi"),
        ("de,vi;q=0.1", "vi"),
        ("de,fr", "en"),
        ("*", "en"),
        ("en;q=0,*", "vi"),
        ("vi;q=0", "en"),
        ("not a header;;q=x", "en"),
    ],
)
def test_the_language_liked_best_of_those_there_are_is_chosen(header: str | None, language: str) -> None:
    assert languages.chosen(header) == language
