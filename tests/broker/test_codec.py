"""Messages as bytes, and back: what Dramatiq's own encoder does with them, by whatever way."""

import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
from dramatiq.encoder import PickleEncoder
from dramatiq.errors import DecodeError
from dramatiq.message import Message, get_encoder, set_encoder
from hypothesis import given
from hypothesis import strategies as st

from broker.codec import decode, encode
from tests.broker.looks import message

_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters())
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)


@pytest.fixture
def pickling() -> Iterator[None]:
    """Messages are pickled meanwhile."""
    before = get_encoder()
    set_encoder(PickleEncoder())
    yield
    set_encoder(before)


@given(st.lists(_VALUES, max_size=3), st.dictionaries(st.text(), _VALUES, max_size=3))
def test_any_message_comes_back_as_it_was(args: list[Any], options: dict[str, Any]) -> None:
    sent = message("note", *args, **{f"option {name}": value for name, value in options.items()})

    came = decode(encode(sent))

    assert encode(sent) == sent.encode()
    # As text, so that 1, 1.0 and True differ.
    assert repr(came) == repr(Message.decode(sent.encode()))


@pytest.mark.parametrize("number", [10**18, 2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**400])
def test_integers_of_any_size_stay_what_they_are(number: int) -> None:
    came = decode(encode(message("note", number)))

    assert came.args == (number,)
    assert type(came.args[0]) is int


def test_what_is_no_json_and_python_writes_all_the_same_is_read() -> None:
    came = decode(encode(message("note", math.inf, math.nan, "\ud800", 1)))

    assert repr(came.args) == repr((math.inf, math.nan, "\ud800", 1))


def test_messages_are_encoded_as_dramatiq_does() -> None:
    plain = message("note", {"price": "ä\n", 3: True}, [1, None, (2**70, -0.0, 1e300, float("inf"))], option=2.5)
    circle = list[Any]()
    circle.append(circle)

    assert encode(plain) == plain.encode()
    for odd in (object(), {(1, 2): 3}):
        with pytest.raises(TypeError):
            encode(message("note", odd))
    with pytest.raises(RecursionError):
        encode(message("note", circle))


@pytest.mark.usefixtures("pickling")
def test_another_encoder_is_asked_as_it_stands() -> None:
    sent = message("note", {1, 2})

    assert encode(sent) == sent.encode()
    assert decode(sent.encode()) == sent


@pytest.mark.parametrize("body", [b"", b"\xff", b"{", b"1", b"[1,2,3,4,5,6,7]", b'"1234567"', b'{"args":[]}'])
def test_what_is_no_message_is_refused(body: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(body)


@pytest.mark.parametrize(
    ("part", "value"), [("kwargs", []), ("options", None), ("actor_name", 1), ("queue_name", None), ("message_id", 7)]
)
def test_a_message_with_a_part_of_a_wrong_kind_is_refused(part: str, value: Any) -> None:
    parts = json.loads(message("note").encode())

    with pytest.raises(TypeError, match=part):
        decode(json.dumps(parts | {part: value}).encode())


def test_a_message_without_its_time_gets_one_as_dramatiq_gives_it() -> None:
    parts = json.loads(message("note").encode())
    del parts["message_timestamp"]

    assert decode(json.dumps(parts).encode()).message_timestamp > 0
