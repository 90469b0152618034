"""Connections are kept, and what becomes of them meanwhile is nobody's failure."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from api.delivery.sender import STOPPED
from tests.api.delivery.receiver import letter, sender, stored

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: a=b\r\n\r\nok"


class Server:
    """Answers on each connection as often as ``answers`` says for it, and closes it then: at once,
    or with the next message unanswered where ``late``."""

    def __init__(self, answers: list[int], *, late: bool, answer: bytes = OK) -> None:
        self.answers, self.late, self.answer = answers, late, answer
        self.got: list[tuple[int, bytes]] = []
        self.connections = 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/"

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            with connection:
                for _ in range(self.answers.pop(0) if self.answers else 99):
                    if not self.take(connection):
                        break
                    connection.sendall(self.answer)
                else:
                    if self.late:
                        self.take(connection)

    def take(self, connection: socket.socket) -> bool:
        data = b""
        while b"\r\n\r\n" not in data:
            if not (some := connection.recv(65_536)):
                return False
            data += some
        head, _, body = data.partition(b"\r\n\r\n")
        lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        while len(body) < int(lines[b"content-length"]):
            body += connection.recv(65_536)
        assert b"cookie" not in lines
        self.got.append((self.connections, lines[b"webhook-id"]))
        return True


@contextmanager
def serving(answers: list[int], *, late: bool = False, answer: bytes = OK) -> Iterator[Server]:
    server = Server(answers, late=late, answer=answer)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.socket.shutdown(socket.SHUT_RDWR)
        server.socket.close()


def test_messages_share_a_connection() -> None:
    with serving([]) as server:
        sending = sender(server.url)
        assert all(sending.send(letter(stored(), id=f"m{n}")).ok for n in range(3))
        assert server.got == [(1, b"m0"), (1, b"m1"), (1, b"m2")]
        sending.close()


@pytest.mark.parametrize("late", [False, True])
def test_what_was_closed_meanwhile_is_opened_again(late: bool) -> None:
    with serving([1, 1, 2], late=late) as server:
        sending = sender(server.url)
        assert all(sending.send(letter(stored(), id=f"m{n}")).ok for n in range(4))
        assert server.connections == 3
        assert {each for _, each in server.got} == {b"m0", b"m1", b"m2", b"m3"}
        sending.close()


def test_what_a_new_connection_does_not_answer_is_a_failure() -> None:
    with serving([0, 0], late=True) as server:
        sending = sender(server.url)
        answer = sending.send(letter(stored(), id="m"))
        assert not answer.ok
        assert "RemoteProtocolError" in answer.why
        assert server.got == [(1, b"m")], "it is not sent twice"
        sending.close()


@pytest.mark.parametrize("length", ["99", "99999999999", "9" * 5000, "-1", "many"])
def test_what_follows_the_head_keeps_nobody_waiting(length: str) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n".encode()
    with serving([], answer=head) as server:
        sending = sender(server.url, timeout_s=5.0)
        answers = [sending.send(letter(stored(), id=f"m{n}")) for n in range(2)]
        well = length.isdecimal() and len(length) < 21
        assert [answer.ok for answer in answers] == [well, well]
        assert server.connections == 2
        sending.close()


def test_close_is_for_ever_from_any_thread_and_any_time() -> None:
    with serving([]) as server:
        ends: list[Callable[[], None]] = []
        for messages in range(2):
            sending = sender(server.url)
            for _ in range(messages):
                assert sending.send(letter(stored())).ok
            ends.append(sending.close)
            thread = threading.Thread(target=sending.close)
            thread.start()
            thread.join(20)
            assert sending.send(letter(stored())) == STOPPED
        for end in ends:
            end()
