from collections.abc import Iterator

import pytest
from flask import Flask

from app.settings import Settings
from tests.applications import application


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    """The application on this test's own database."""
    with application(settings) as app:
        yield app
