"""Where the `type` of a problem leads: a page about it, for each that there is."""

import pytest
from flask.testing import FlaskClient

from app.api import problems
from app.api.explanations import EXPLANATIONS
from tests.api import pages
from tests.api.calls import problem

CODES = dict(problems.codes())


def test_every_problem_is_explained_and_nothing_else() -> None:
    assert EXPLANATIONS.keys() == CODES.keys()


def test_the_type_of_every_problem_leads_to_what_it_means_and_what_to_do(client: FlaskClient) -> None:
    for code, (status, title) in CODES.items():
        page = pages.read(client, problems.type_of(code))

        pages.is_whole(page)
        pages.needs_nothing(page)
        meaning, remedy = (words.replace("`", "") for words in EXPLANATIONS[code])
        for words in (code, str(status), title, meaning, remedy):
            assert words in page.text
        assert set(page.values("href")) >= {problems.type_of(other) for other in CODES}


@pytest.mark.parametrize("code", ["error", "invalid_requests", "INVALID_REQUEST", "%00"])
def test_what_is_no_problem_is_one(client: FlaskClient, code: str) -> None:
    problem(client.get(f"/problems/{code}"), 404, "not_found")


def test_a_problem_leads_to_the_page_about_itself(client: FlaskClient) -> None:
    told = problem(client.get("/api/nothing"), 404, "not_found")

    assert client.get(told["type"]).status_code == 200


def test_the_page_is_not_sent_again_to_whoever_has_it(client: FlaskClient) -> None:
    first = client.get("/problems/not_found")

    again = client.get("/problems/not_found", headers={"If-None-Match": first.headers["ETag"]})

    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["Content-Security-Policy"] == first.headers["Content-Security-Policy"]
