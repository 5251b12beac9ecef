"""How answers go out: the head with the first piece of the body, and each further piece at once."""

import pytest

from ops.serving import answers
from ops.serving.answers import Answer

ENVIRON = {"REQUEST_METHOD": "GET", "SERVER_PROTOCOL": "HTTP/1.1"}


class Wire:
    """What goes over the wire, in place of a socket."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def send(self, piece: bytes) -> int:
        self.pieces.append(piece)
        return len(piece)


def answering(wire: Wire, *headers: tuple[str, str]) -> Answer:
    answer = Answer(wire, ENVIRON, lambda: True)
    answer.start("200 OK", list(headers))
    return answer


def test_the_head_goes_out_with_the_first_piece_of_the_body() -> None:
    wire = Wire()

    answering(wire, ("Content-Length", "5")).write(b"hello")

    (sent,) = wire.pieces
    assert sent.startswith(b"HTTP/1.1 200 OK\r\n")
    assert sent.endswith(b"\r\n\r\nhello")


def test_what_comes_later_does_not_wait_for_more() -> None:
    wire = Wire()
    answer = answering(wire)

    answer.write(b"first")
    answer.write(b"second")
    answer.end()

    assert wire.pieces[0].endswith(b"\r\n\r\n5\r\nfirst\r\n")
    assert wire.pieces[1:] == [b"6\r\nsecond\r\n", b"0\r\n\r\n"]


def test_an_answer_without_a_body_is_only_a_head() -> None:
    wire = Wire()

    answering(wire, ("Content-Length", "0")).end()

    (sent,) = wire.pieces
    assert sent.endswith(b"\r\n\r\n")


def test_what_is_no_piece_is_not_sent() -> None:
    wire = Wire()

    with pytest.raises(TypeError):
        answering(wire).write("text")  # type: ignore[arg-type]  # what an application might do

    assert wire.pieces == []


@pytest.mark.parametrize(
    ("status", "name", "value"),
    [
        ("200 OK\r\nA: b", "A", "b"),
        ("OK", "A", "b"),
        ("200 OK", "A\r\nB", "b"),
        ("200 OK", "A: b\r\nB", "b"),
        ("200 OK", "", "b"),
        ("200 OK", "A", "b\r\nB: c"),
        ("200 OK", "A", "b\n"),
        ("200 OK", "A", "b\0"),
        ("200 OK", "A", "\u20ac"),
        ("200 OK", "Content-Length", "many"),
    ],
)
def test_a_head_that_could_be_misread_is_not_sent(status: str, name: str, value: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # all kinds of it
        Answer(Wire(), ENVIRON, lambda: True).start(status, [(name, value)])


def test_an_application_that_changes_its_mind_in_time_has_the_other_answer_sent() -> None:
    wire = Wire()
    answer = answering(wire, ("Content-Length", "5"), ("A", "b"))

    answer.start("500 Oh", [("Content-Length", "2")], (ValueError, ValueError(), None))
    answer.write(b"no")

    assert wire.pieces[0].startswith(b"HTTP/1.1 500 Oh\r\n")
    assert b"A: b" not in wire.pieces[0]
    with pytest.raises(ZeroDivisionError):
        answer.start("500 Oh", [], (ZeroDivisionError, ZeroDivisionError(), None))


def test_an_answer_is_started_once_and_before_its_pieces() -> None:
    with pytest.raises(AssertionError):
        answering(Wire()).start("200 OK", [])
    with pytest.raises(AssertionError):
        Answer(Wire(), ENVIRON, lambda: True).write(b"hello")


def test_names_that_an_application_thinks_up_are_not_all_remembered() -> None:
    answering(Wire(), *((f"X-{number}", "a") for number in range(2 * answers.MOST_NAMES)))

    assert len(answers._kinds) <= answers.MOST_NAMES
