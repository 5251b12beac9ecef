"""The page about the API: all of it is there, and it needs nothing but itself."""

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.api import docs
from app.api.problems import KINDS
from tests.api.calls import told

#: Elements that have no end tag (HTML, §13.1.2).
VOID = {"meta", "link", "br", "hr", "img", "input", "wbr"}


class Page(HTMLParser):
    """A page, taken apart."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.style = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            self.style += data
        else:
            self.text += data

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name]


@pytest.fixture
def page(client: FlaskClient) -> Page:
    """The page, as everybody may read it."""
    reply = client.get("/api/docs")
    assert (reply.status_code, reply.mimetype) == (200, "text/html")
    return Page(reply.text)


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


def test_the_page_is_whole_and_its_links_lead_somewhere(page: Page) -> None:
    ids, links = page.values("id"), page.values("href")

    assert page.open == []
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)
    assert {link for link in links if not link.startswith("#")} == {"/api/openapi.json"}


def test_the_page_needs_no_script_and_nothing_from_elsewhere(client: FlaskClient, page: Page) -> None:
    policy = client.get("/api/docs").headers["Content-Security-Policy"]

    style = b64encode(sha256(page.style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{style}';" in policy
    assert "unsafe" not in policy
    assert not {"script", "link", "img", "iframe", "form"} & set(page.tags)
    assert not page.values("src") + page.values("style")
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "url(" not in page.style
    assert "@import" not in page.style


def test_the_page_is_not_sent_again_to_whoever_has_it(client: FlaskClient) -> None:
    etag = client.get("/api/docs").headers["ETag"]

    assert client.get("/api/docs", headers={"If-None-Match": etag}).status_code == 304


def test_words_are_told_as_they_are_and_code_as_code() -> None:
    assert docs.words("a `b<c` & d") == "a <code>b&lt;c</code> &amp; d"
    assert docs.words(None) == ""


def test_a_path_is_broken_between_its_parts_only() -> None:
    assert docs.breaks("/api/<b>/x") == "/api/<wbr>&lt;b&gt;/<wbr>x"


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
