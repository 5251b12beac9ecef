"""ETags: what is known is not sent again; a weakened tag is good for that, and never for a change."""

import pytest
from flask import Flask, request

from app.api import etags
from app.errors import PreconditionMissing


def write(app: Flask, method: str = "GET", **headers: str) -> tuple[int, bytes, str | None]:
    """Return status, body and tag of the answer to a request with these headers."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with app.test_request_context("/", method=method, headers=named):
        reply = etags.write(request, {"a": 1}, "tag")
        return reply.status_code, reply.get_data(), reply.headers.get("ETag")


@pytest.mark.parametrize("known", ['"tag"', 'W/"tag"', '"other", "tag"', "*"])
def test_what_is_known_is_not_sent_again(app: Flask, known: str) -> None:
    assert write(app, If_None_Match=known) == (304, b"", '"tag"')


@pytest.mark.parametrize("known", ['"other"', "", '"Tag"'])
def test_what_is_not_known_is_sent(app: Flask, known: str) -> None:
    assert write(app, If_None_Match=known) == (200, b'{"a":1}', '"tag"')


def test_a_change_is_always_answered(app: Flask) -> None:
    assert write(app, "POST", If_None_Match='"tag"')[0] == 200


def test_an_answer_with_a_tag_may_be_kept_and_has_to_be_asked_for(app: Flask) -> None:
    with app.test_request_context("/"):
        reply = etags.write(request, {}, "tag")

    assert reply.headers["Cache-Control"] == "private, no-cache"


@pytest.mark.parametrize(
    ("said", "matches"),
    [('"tag"', True), ('"a", "tag"', True), ("*", True), ('W/"tag"', False), ('"other"', False), ("", False)],
)
def test_a_change_is_made_for_a_strong_tag_only(app: Flask, said: str, matches: bool) -> None:
    with app.test_request_context("/", method="PUT", headers={"If-Match": said}):
        assert ("tag" in etags.expected(request)) is matches


def test_a_change_for_no_state_at_all_is_refused(app: Flask) -> None:
    with app.test_request_context("/", method="PUT"), pytest.raises(PreconditionMissing):
        etags.expected(request)


def test_the_tag_of_a_value_is_that_of_its_content() -> None:
    assert etags.of({"a": 1, "b": 2}) == etags.of({"b": 2, "a": 1}) != etags.of({"a": 1, "b": 3})
