"""Languages: in which one the texts of findings are told, by `Accept-Language` (RFC 9110 §12.5.4).

Findings are stored as code and params, so one answer can be read in any language, at any time. Problems are in English.
"""

from functools import lru_cache

from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from app.rules.catalogue import ENGLISH, LANGUAGES

#: What an answer with findings says of itself: caches must not give it to readers of another language.
VARY = {"Vary": "Accept-Language"}

PARAMETER = {
    "in": "header",
    "name": "Accept-Language",
    "schema": {"type": "string"},
    "description": f"Language of the messages: {', '.join(LANGUAGES)}; `{ENGLISH}` when none of these is accepted.",
}
HEADER = {"Content-Language": {"schema": {"type": "string"}, "description": "Language of the messages."}}


@lru_cache(maxsize=256)  # A client mostly says the same.
def chosen(header: str | None) -> str:
    """Return the language that an Accept-Language likes best of those there are, English when it likes none."""
    if header is None:
        return ENGLISH
    liked: dict[str, float] = {}
    for tag, quality in parse_accept_header(header, LanguageAccept):
        # `vi-VN` asks for `vi` as much as `vi` does (RFC 4647 §3.4); Werkzeug would prefer any other language to it.
        language = tag.partition("-")[0].lower()
        liked[language] = max(quality, liked.get(language, 0))
    return LanguageAccept(list(liked.items())).best_match(LANGUAGES, default=ENGLISH)


def headers(language: str) -> dict[str, str]:
    """Return the headers of an answer whose messages are in `language`."""
    return {"Content-Language": language, **VARY}
