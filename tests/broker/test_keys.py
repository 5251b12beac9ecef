"""Keys: one hash slot a queue."""

import re

import pytest
from redis.crc import key_slot

from broker import keys, scripts
from broker.delays import park_ms


@pytest.mark.parametrize("namespace", ["", "ours"])
def test_all_keys_of_a_queue_lie_in_one_hash_slot(namespace: str) -> None:
    queue = keys.queue(namespace, "validation_requests")

    assert queue.stream == ("ours:" if namespace else "") + "validation_requests"
    assert len(set(queue.all)) == len(queue.all)
    assert {key_slot(key.encode()) for key in queue.all} == {key_slot(queue.stream.encode())}


@pytest.mark.parametrize("name", ["a{b}", "a}b", "{"])
def test_braces_in_a_name_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="braces"):
        keys.queue("", name)


def test_every_script_declares_the_keys_that_it_uses() -> None:
    found = {name: value for name, value in vars(scripts).items() if isinstance(value, scripts.Script)}

    assert len(found) >= 9
    for name, script in found.items():
        declared = re.search(r"^-- KEYS   (.*(?:\n--        .*)*)", script.source, re.MULTILINE)
        assert declared, name
        numbers = set(re.findall(r"\b(\d+) ", declared[1]))
        assert set(re.findall(r"KEYS\[(\d+)\]", script.source)) <= numbers, name
        assert "-- Result" in script.source, name


def test_a_parked_message_is_offered_after_as_long_as_it_waited_within_bounds() -> None:
    assert [park_ms(waited) for waited in (0, 500, 3_000, 60_000)] == [1_000, 1_000, 3_000, 10_000]
