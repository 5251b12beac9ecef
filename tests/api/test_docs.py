"""The page about the API: all of it is there, and it needs nothing but itself."""

import re
from itertools import pairwise
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.api import docs
from app.api.problems import KINDS
from tests.api import pages
from tests.api.calls import told
from tests.api.pages import Page


@pytest.fixture
def page(client: FlaskClient) -> Page:
    """The page, as everybody may read it."""
    return pages.read(client, "/api/docs")


def test_every_operation_is_on_the_page_with_its_parameters(client: FlaskClient, page: Page) -> None:
    spec: dict[str, Any] = told(client.get("/api/openapi.json"))

    for path, item in spec["paths"].items():
        for method in item.keys() & set(docs.METHODS):
            assert f"{method.upper()} {path}" in page.text
            for parameter in [*item.get("parameters", []), *item[method].get("parameters", [])]:
                assert parameter["name"] in page.text
    assert spec["paths"]


def test_every_code_of_a_problem_is_on_the_page(page: Page) -> None:
    assert {f"problem-{error.code}" for error in KINDS} <= set(page.values("id"))


def test_the_page_is_whole_and_its_links_lead_somewhere(client: FlaskClient, page: Page) -> None:
    pages.is_whole(page)
    for link in {link for link in page.values("href") if not link.startswith("#")}:
        assert client.get(link).status_code == 200


def test_the_page_needs_no_script_and_nothing_from_elsewhere(page: Page) -> None:
    pages.needs_nothing(page)


def test_the_page_is_not_sent_again_to_whoever_has_it(client: FlaskClient) -> None:
    first = client.get("/api/docs")

    again = client.get("/api/docs", headers={"If-None-Match": first.headers["ETag"]})

    assert again.status_code == 304
    assert again.headers["Content-Security-Policy"] == first.headers["Content-Security-Policy"]


def test_every_operation_has_a_call_to_copy(client: FlaskClient, page: Page) -> None:
    spec: dict[str, Any] = told(client.get("/api/openapi.json"))

    for tag in spec["tags"]:
        for each in docs.operations(spec, tag["name"]):
            assert each["sample"] in page.text
            assert ("$TOKEN" in each["sample"]) == (each["scope"] is not None)


def test_a_call_to_copy_has_what_the_operation_needs(client: FlaskClient) -> None:
    spec: dict[str, Any] = told(client.get("/api/openapi.json"))

    samples = {each["id"]: each["sample"] for tag in spec["tags"] for each in docs.operations(spec, tag["name"])}

    assert '\'{"ruleset":"fx_rate@1","item":{"date":' in samples["post-api-validation-validate"]
    assert "diff?from={from}&to={to}" in samples["get-api-rulesets-name-diff"]
    assert "-X DELETE" in samples["delete-api-rulesets-name-draft"]
    assert "If-Match" in samples["delete-api-rulesets-name-draft"]
    assert '-u "$ID:$SECRET" -d grant_type=client_credentials' in samples["post-oauth-token"]


def test_the_way_of_an_extension_is_on_the_page(page: Page) -> None:
    assert "Idempotency-Key" in page.text
    assert "export async function validate" in page.text


def test_headings_follow_one_another(page: Page) -> None:
    levels = [int(tag[1]) for tag in page.tags if re.fullmatch("h[1-6]", tag)]

    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
