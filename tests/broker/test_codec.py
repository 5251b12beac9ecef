"""Messages as bytes, and back: what Dramatiq's own encoder does with them, by whatever way."""

import collections
import enum
import json
import math
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

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

    assert repr(Message.decode(encode(sent))) == repr(Message.decode(sent.encode()))
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


class Size(enum.Enum):
    """Dramatiq's encoder does not know it."""

    SMALL = "small"


class Pair(NamedTuple):
    """Dramatiq's encoder takes it for a list."""

    one: int
    two: int


class Weight(enum.IntEnum):
    """Dramatiq's encoder takes it for a number."""

    LIGHT = 1


@pytest.mark.parametrize(
    "value",
    [
        {"price": "ä\n", 3: True, None: 1, 2.5: 2},
        [1, None, (2**70, -0.0, 1e300, 1e16, 5e-324, math.inf)],
        Weight.LIGHT,
        collections.OrderedDict(b=1, a=2),
        Pair(1, 2),
    ],
)
def test_whatever_dramatiq_encodes_is_encoded_to_the_same(value: Any) -> None:
    sent = message("note", value, option=2.5)

    assert repr(Message.decode(encode(sent))) == repr(Message.decode(sent.encode()))


@pytest.mark.parametrize(
    "value", [object(), {(1, 2): 3}, uuid.UUID(int=1), Size.SMALL, datetime.now(UTC), b"bytes", {1, 2}, 1j]
)
def test_what_dramatiq_cannot_encode_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        encode(message("note", [value]))


def test_a_circle_is_refused() -> None:
    circle = list[Any]()
    circle.append(circle)

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


@pytest.mark.parametrize("part", ["queue_name", "actor_name", "message_id"])
def test_a_name_that_dramatiq_cannot_encode_is_refused(part: str) -> None:
    with pytest.raises(TypeError):
        encode(message("note").copy(**{part: uuid.UUID(int=1)}))
