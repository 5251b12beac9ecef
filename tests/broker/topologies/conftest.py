"""The same behaviours on each kind of Redis; formations are of Debian's Redis 7.0."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import pytest

from ops.chaos.formations import Formation, cluster, sentinel
from tests.broker.servers import DEBIAN
from tests.broker.topologies.tls import tls
from tests.debian import required


@pytest.fixture(scope="session", autouse=True)
def installed() -> None:
    """Redis 7.0 is installed; without it these tests cannot run. In CI it must be."""
    required(DEBIAN, "redis-server")


@contextmanager
def formed(kind: str, folder: Path) -> Iterator[Formation]:
    """Run a formation of this kind."""
    running: dict[str, Callable[[Path], AbstractContextManager[Formation]]]
    running = {"sentinel": partial(sentinel, binary=DEBIAN), "cluster": partial(cluster, binary=DEBIAN), "tls": tls}
    with running[kind](folder) as formation:
        yield formation


@pytest.fixture(scope="session", params=["tls", "sentinel", "cluster"])
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Formation]:
    """A formation for all tests that do it no harm."""
    with formed(request.param, tmp_path_factory.mktemp(request.param)) as formation:
        yield formation


@pytest.fixture
def formation(kept: Formation) -> Formation:
    """An empty formation."""
    kept.empty()
    return kept
