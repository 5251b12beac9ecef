"""Commands over kept connections: as safe as over redis-py's own."""

import os
import threading
import time
from typing import Any

import pytest
import redis

from broker import RedisStreamsBroker, connect
from broker.calls import call, call_all
from tests.broker.looks import message
from tests.broker.servers import Server, wait_for


def test_a_connection_is_kept_from_one_command_to_the_next(server: Server, redis_client: redis.Redis) -> None:
    client = connect(server.url)

    numbers = {call(client, "CLIENT", "ID") for _ in range(20)}

    assert len(numbers) == 1
    client.close()


def test_threads_never_read_each_others_replies(server: Server) -> None:
    client = connect(server.url)
    wrong: list[Any] = []

    def talk(number: int) -> None:
        for count in range(200):
            text = f"{number}:{count}".encode()
            if (reply := call(client, "ECHO", text)) != text:
                wrong.append(reply)

    threads = [threading.Thread(target=talk, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
    client.close()


def test_commands_that_are_sent_together_are_done_in_turn_whatever_becomes_of_one(server: Server) -> None:
    client = connect(server.url)

    first, refused, third = call_all(client, ("ECHO", "first"), ("NONSENSE",), ("ECHO", "third"))

    assert (first, third) == (b"first", b"third")
    assert isinstance(refused, redis.ResponseError)
    assert call(client, "ECHO", "fourth") == b"fourth"
    client.close()


def test_the_command_after_one_that_blocks_is_done_as_soon_as_that_ends(
    server: Server, redis_client: redis.Redis
) -> None:
    client = connect(server.url)
    replies: list[Any] = []
    thread = threading.Thread(
        target=lambda: replies.extend(call_all(client, ("BLPOP", "list", 30), ("EXISTS", "other"))), daemon=True
    )
    thread.start()
    wait_for(lambda: any(one["cmd"] == "blpop" for one in redis_client.client_list()))

    redis_client.set("other", "1")
    redis_client.rpush("list", "item")

    thread.join(30)
    assert replies == [[b"list", b"item"], 1]
    client.close()


def test_commands_are_sent_together_over_other_clients_as_well(redis_client: redis.Redis) -> None:
    options = redis_client.connection_pool.connection_kwargs
    client = redis.Redis(connection_pool=redis.BlockingConnectionPool(**options))  # type: ignore[no-untyped-call]  # theirs

    first, refused = call_all(client, ("ECHO", "first"), ("NONSENSE",))

    assert first == b"first"
    assert isinstance(refused, redis.ResponseError)
    client.close()


def test_a_reply_that_came_too_late_is_read_by_nobody(server: Server) -> None:
    client = connect(server.url, read_timeout_s=0.1)

    with pytest.raises(redis.TimeoutError):
        call_all(client, ("BLPOP", "nothing", 0.3), ("ECHO", "late"))

    for number in range(50):
        assert call(client, "ECHO", str(number)) == str(number).encode()
        time.sleep(0.01)
    client.close()


def test_an_error_of_redis_leaves_the_connection_usable(server: Server) -> None:
    client = connect(server.url)
    before = call(client, "CLIENT", "ID")

    with pytest.raises(redis.ResponseError):
        call(client, "NONSENSE")

    assert call(client, "CLIENT", "ID") == before
    client.close()


def test_a_connection_that_was_closed_while_it_rested_is_replaced(server: Server, redis_client: redis.Redis) -> None:
    client = connect(server.url)
    gone = call(client, "CLIENT", "ID")
    redis_client.client_kill_filter(_id=str(gone))
    wait_for(lambda: all(int(one["id"]) != gone for one in redis_client.client_list()))
    time.sleep(0.02)

    assert call(client, "PING") == b"PONG"
    client.close()


def test_a_forked_process_uses_connections_of_its_own(server: Server) -> None:
    client = connect(server.url)
    parents = call(client, "CLIENT", "ID")
    reading, writing = os.pipe()

    child = os.fork()
    if child == 0:
        try:
            os.write(writing, str(call(client, "CLIENT", "ID")).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)

    assert int(os.read(reading, 100)) != parents
    assert call(client, "CLIENT", "ID") == parents
    os.close(reading)
    os.close(writing)
    client.close()


def test_closing_a_broker_closes_all_its_connections(server: Server, redis_client: redis.Redis) -> None:
    before = len(redis_client.client_list())
    broker = RedisStreamsBroker(url=server.url)
    broker.declare_queue("default")
    consumer = broker.consume("default", timeout=20)
    broker.enqueue(message("nobody"))
    next(consumer)
    consumer.close()

    broker.close()

    wait_for(lambda: len(redis_client.client_list()) == before, what="all connections being closed")
