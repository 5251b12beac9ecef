"""Pages for people, taken apart, and what holds of each of them."""

from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

from flask.testing import FlaskClient

#: Elements that have no end tag (HTML, §13.1.2).
VOID = {"meta", "link", "br", "hr", "img", "input", "wbr"}


class Page(HTMLParser):
    """A page, taken apart."""

    def __init__(self, html: str, policy: str = "") -> None:
        super().__init__()
        self.policy = policy
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.style = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the tag and its attributes."""
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Have the element closed that was opened last."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Keep the text."""
        if self.open and self.open[-1] == "style":
            self.style += data
        else:
            self.text += data

    def values(self, name: str) -> list[str]:
        """Return what the attributes of this name say."""
        return [value for key, value in self.attributes if key == name]


def read(client: FlaskClient, path: str) -> Page:
    """Return the page at this path, as everybody may read it."""
    reply = client.get(path)
    assert (reply.status_code, reply.mimetype) == (200, "text/html")
    return Page(reply.text, reply.headers["Content-Security-Policy"])


def is_whole(page: Page) -> None:
    """Return only if every element is closed, and every link within the page leads somewhere."""
    ids, links = page.values("id"), page.values("href")
    assert page.open == []
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)


def needs_nothing(page: Page) -> None:
    """Return only if the page has no script and needs nothing from elsewhere, as its policy says."""
    style = b64encode(sha256(page.style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{style}';" in page.policy
    assert "unsafe" not in page.policy
    assert not {"script", "link", "img", "iframe", "form"} & set(page.tags)
    assert not page.values("src") + page.values("style")
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "url(" not in page.style
    assert "@import" not in page.style
