from collections.abc import Iterator

import pytest

from tests.telemetry.collector import Collector


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A server that takes errors and spans."""
    with Collector() as collector:
        yield collector
