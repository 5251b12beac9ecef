"""Words and paths, as pages for people show them."""

from app.api import documents


def test_words_are_told_as_they_are_and_code_as_code() -> None:
    assert documents.words("a `b<c` & d") == "a <code>b&lt;c</code> &amp; d"
    assert documents.words(None) == ""


def test_a_path_is_broken_between_its_parts_only() -> None:
    assert documents.breaks("/api/<b>/x") == "/api/<wbr>&lt;b&gt;/<wbr>x"
