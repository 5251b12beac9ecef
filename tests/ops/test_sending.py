"""How answers go out: the head with the first piece of the body, and each further piece at once."""

from types import SimpleNamespace

import pytest

from ops.sending import Pieces, Response


def answering(socket: Pieces, *headers: tuple[str, str]) -> Response:
    request = SimpleNamespace(method="GET", version=(1, 1), should_close=lambda: False)
    response = Response(request, socket, None)
    response.start_response("200 OK", list(headers))
    return response


def test_the_head_goes_out_with_the_first_piece_of_the_body() -> None:
    socket = Pieces()

    answering(socket, ("Content-Length", "5")).write(b"hello")

    (sent,) = socket
    assert sent.startswith(b"HTTP/1.1 200 OK\r\n")
    assert sent.endswith(b"\r\n\r\nhello")


def test_what_comes_later_does_not_wait_for_more() -> None:
    socket = Pieces()
    response = answering(socket)

    response.write(b"first")
    response.write(b"second")
    response.close()

    assert len(socket) == 3
    assert socket[0].endswith(b"\r\n\r\n5\r\nfirst\r\n")
    assert socket[1:] == [b"6\r\nsecond\r\n", b"0\r\n\r\n"]


def test_an_answer_without_a_body_is_only_a_head() -> None:
    socket = Pieces()

    answering(socket, ("Content-Length", "0")).close()

    (sent,) = socket
    assert sent.endswith(b"\r\n\r\n")


def test_what_is_no_piece_is_not_sent() -> None:
    socket = Pieces()

    with pytest.raises(TypeError):
        answering(socket).write("text")

    assert socket == []
