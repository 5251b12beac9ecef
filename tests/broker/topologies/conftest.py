"""The same behaviours on each kind of Redis; formations are of Debian's Redis 7.0."""

from collections.abc import Iterator

import pytest

from tests.broker.servers import DEBIAN
from tests.broker.topologies import formations
from tests.broker.topologies.formations import Formation
from tests.debian import required


@pytest.fixture(scope="session", autouse=True)
def installed() -> None:
    """Redis 7.0 is installed; without it these tests cannot run. In CI it must be."""
    required(DEBIAN, "redis-server")


@pytest.fixture(scope="session", params=["tls", "sentinel", "cluster"])
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Formation]:
    """A formation for all tests that do it no harm."""
    form = getattr(formations, request.param)
    with form(tmp_path_factory.mktemp(request.param)) as formation:
        yield formation


@pytest.fixture
def formation(kept: Formation) -> Formation:
    """An empty formation."""
    kept.empty()
    return kept
