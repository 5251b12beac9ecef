"""URLs of every kind of Redis, and connections that do not stay with a server which is no master any more."""

import pytest
import redis
from redis.exceptions import ResponseError
from redis.sentinel import SentinelConnectionPool

from broker import connect
from broker.client import read_timeout_ms, twin
from broker.cluster import Cluster
from tests.broker.servers import Server


def test_a_sentinel_url_names_the_sentinels_and_their_master() -> None:
    client = connect("rediss+sentinel://me:s%40fe@one:1,two/main?db=3&socket_timeout=2&sentinel_password=other")

    pool = client.connection_pool
    assert isinstance(pool, SentinelConnectionPool)
    assert pool.service_name == "main"
    asked = [one.connection_pool.connection_kwargs for one in pool.sentinel_manager.sentinels]
    assert [(one["host"], one["port"], one["password"]) for one in asked] == [
        ("one", 1, "other"),
        ("two", 26379, "other"),
    ]
    assert all(one["retry"].get_retries() == 0 for one in asked)
    options = pool.connection_kwargs
    assert (options["username"], options["password"], options["db"]) == ("me", "s@fe", 3)
    assert options["retry"].get_retries() == 0
    assert read_timeout_ms(client) == read_timeout_ms(twin(client)) == 2_000
    assert issubclass(pool.connection_class, redis.SSLConnection)


def test_a_cluster_url_names_some_nodes() -> None:
    client: object = connect("rediss+cluster://me:secret@[::1]:1,two?socket_timeout=2")

    assert isinstance(client, Cluster)
    assert client.addresses == [("::1", 1), ("two", 6379)]
    assert (client.options["username"], client.options["password"], client.options["ssl"]) == ("me", "secret", True)
    assert read_timeout_ms(client) == read_timeout_ms(twin(client)) == 2_000


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://one:1",
        "redis+sentinel:///main",
        "redis+cluster://",
        "redis+cluster://one:1/3",
        "redis+cluster://one:1?decode_responses=true",
        "redis+sentinel://one:1/main?decode_responses=true",
        "http://one:1",
    ],
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        connect(url)


def test_a_connection_ends_when_its_server_is_no_master_any_more(own_server: Server) -> None:
    with own_server.client() as client, own_server.client() as other:
        client.set("key", 1)
        (connection,) = client.connection_pool._available_connections
        other.replicaof("127.0.0.1", "1")

        # Redis 6.2 says it in the middle of a text.
        with pytest.raises(ResponseError, match="read only replica"):
            client.eval("return redis.call('SET', KEYS[1], 2)", 1, "key")

        assert connection._sock is None
