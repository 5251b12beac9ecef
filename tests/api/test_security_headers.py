import pytest
from flask.testing import FlaskClient

from tests.api.calls import VALIDATE


@pytest.mark.parametrize("path", ["/healthz", "/api/tokens", VALIDATE, "/nothing", "/metrics"])
def test_nothing_is_for_a_browser_to_run_or_guess_or_keep(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["Referrer-Policy"] == "no-referrer"
