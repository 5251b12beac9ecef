"""Plain requests, read in one go: what nearly all of them are.

What may surprise: nothing is refused here. What is not plain beyond doubt is left to gunicorn's own parser, which reads
it or says what is wrong with it. So there is one judge of what HTTP is, and this page can only be stricter.
"""

import re
from typing import Any

from gunicorn.util import unquote_to_wsgi_str

from ops.serving.terms import Terms

#: Method, target, path and query, the latter in visible ASCII; a fragment does not belong there.
REQUEST_LINE = re.compile(r"(GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) ((/[!\"$->@-~]*)(?:\?([!\"$-~]*))?) HTTP/1\.1")
#: Without the underscore, by which X_Api_Key would pass for X-Api-Key.
NAME = re.compile(r"[A-Za-z0-9-]+")
#: What a line is made of (RFC 9110 §5.5). Where these are taken away, nothing but the ends of the lines may be left.
TEXT = bytes((0x09, *range(0x20, 0x7F), *range(0x80, 0x100)))
#: RFC 9112 §6.2, and not more than anybody sends.
LENGTH = re.compile(r"[0-9]{1,15}")

#: Fields that change how the request, or its body, is to be read.
NOT_PLAIN = frozenset({"TRANSFER-ENCODING", "EXPECT"})

#: So many names are remembered: callers may think up any number of them.
MOST_NAMES = 500
#: The environ's key for each name that has been seen, as it was written.
_keys: dict[str, str] = {}


def read(head: bytes, terms: Terms, *, trusted: bool) -> dict[str, Any] | None:
    """Return the environ (PEP 3333) that this head makes, None where the request is not plain.

    The head comes without the empty line that ends it. Each of its fields is there only once. What a proxy says of how
    it was called counts where the client is trusted.
    """
    request_line, *lines = head.decode("latin-1").split("\r\n")
    if len(head) > terms.most_head or len(request_line) > terms.most_line or len(lines) > terms.most_fields:
        return None
    if len(head.translate(None, TEXT)) != 2 * len(lines) or (said := REQUEST_LINE.fullmatch(request_line)) is None:
        return None
    environ = terms.environ.copy()
    method, environ["RAW_URI"], path, environ["QUERY_STRING"] = said.groups("")
    environ["REQUEST_METHOD"] = method
    environ["PATH_INFO"] = unquote_to_wsgi_str(path) if "%" in path else path
    for line in lines:
        name, colon, value = line.partition(":")
        key = _keys.get(name) or learn(name)
        if not key or not colon or key in environ:
            return None
        environ[key] = value.strip(" \t")
    if "CONTENT_LENGTH" in environ and not LENGTH.fullmatch(environ["CONTENT_LENGTH"]):
        return None
    if trusted:
        schemes = {environ[key] == secure for key, secure in terms.schemes if key in environ}
        if len(schemes) > 1:
            return None
        if True in schemes:
            environ["wsgi.url_scheme"] = "https"
    return environ


def learn(name: str) -> str:
    """Return the environ's key for a field of this name, an empty one where a request that has it is not plain."""
    upper = name.upper()
    if not NAME.fullmatch(name) or upper in NOT_PLAIN:
        return ""
    key = upper.replace("-", "_")
    if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        key = f"HTTP_{key}"
    if len(_keys) < MOST_NAMES:
        _keys[name] = key
    return key
