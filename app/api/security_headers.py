"""Security headers, on every answer: nothing here is for a browser to run, frame, guess the type of, or keep."""

from http import HTTPStatus

from flask import Flask, Response

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def install(app: Flask) -> None:
    """Have the headers set on every answer of `app` that does not set them itself."""
    app.after_request(add)


def add(response: Response) -> Response:
    """Set what is missing, and take away the type of what has no body."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if response.status_code == HTTPStatus.NO_CONTENT:
        # Werkzeug calls everything HTML, even what is not there.
        response.headers.pop("Content-Type", None)
    return response
