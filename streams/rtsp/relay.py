"""Between FFmpeg and a camera: everything passes through here, so that FFmpeg never chooses whom
it talks to.

FFmpeg follows RTSP redirects by itself, to any address and any number of times, and no option
turns that off. So it is given a port of its own process, and this relay passes the bytes to the
one connection to the camera that was made before. Answers are read before FFmpeg sees them: one
that ends the attempt is not passed on but becomes a health code. The relay also sees when each
picture came and whether a part of it is missing, which FFmpeg does not tell.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import ssl
import struct
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from streams.health import Code

MAX_HEAD_BYTES = 1 << 14
MAX_BODY_BYTES = 1 << 18
MAX_GARBAGE_BYTES = 1 << 18
MAX_STALE = 2
"""How often a camera may say that the login's nonce is too old."""
KEPT_PICTURES, FIRST_PICTURES = 1024, 64
CHUNK_BYTES = 1 << 16
"""Below the size for which malloc asks the kernel anew each time."""
HANDSHAKE_S = 4.0
ACCEPT_S = 5.0

_START = re.compile(rb"RTSP/[0-9.]{0,8}( |$)|[A-Z_]{1,20}( [^\r\n]*)?(\r|$)")
_ANSWER = re.compile(rb"RTSP/1\.\d ([0-9]{3})(?:[ \r]|$)")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})[ \t]*\r\n", re.IGNORECASE)
_CHANNEL = re.compile(rb"\r\ntransport:[^\r]*interleaved=([0-9]{1,3})", re.IGNORECASE)
_STALE = re.compile(rb"\r\nwww-authenticate:[^\r]*stale=\"?true", re.IGNORECASE)
_LOGIN = re.compile(rb"\r\nauthorization:", re.IGNORECASE)
_RTP = struct.Struct(">BBHI")


@dataclass(slots=True)
class Arrival:
    """Picture ``number`` from 0: when its first part came (UTC seconds), and whether parts of it
    are missing."""

    number: int
    ts: float
    damaged: bool


class Conversation:
    """What FFmpeg and a camera say to each other, judged as it passes. No input or output.

    ``code`` is why it has to end, None while all is well; ``playing`` is whether PLAY was
    answered, and ``waiting`` whether an answer is due before that; ``pictures`` is how many have
    begun to come. ``has_login`` is whether FFmpeg was given a login. Safe for one thread that
    feeds it and another that asks for ``arrival``.
    """

    def __init__(self, *, has_login: bool) -> None:
        self.code: Code | None = None
        self.playing = self.waiting = False
        self.pictures = 0
        self._has_login = has_login
        self._answers = 0
        self._stale = 0
        self._asked = b""
        self._method = b""
        self._with_login = False
        self._pending = b""
        self._skip = 0
        self._garbage = 0
        self._channel: int | None = None
        self._sequence: int | None = None
        self._complete = True
        self._arrivals: OrderedDict[int, Arrival] = OrderedDict()
        self._first: list[int] = []

    def arrival(self, rtp_time: int) -> Arrival | None:
        """What is known of the picture with this RTP time stamp (modulo 2**32)."""
        return self._arrivals.get(rtp_time & 0xFFFFFFFF)

    def rtp_time(self, index: int) -> int | None:
        """The RTP time stamp of picture ``index`` from 0, None for all but the first few."""
        return self._first[index] if index < len(self._first) else None

    def asked(self, data: bytes) -> None:
        """FFmpeg says ``data`` to the camera. Only what comes before PLAY matters."""
        if self.playing:
            return
        self._asked = (self._asked + data)[-MAX_HEAD_BYTES:]
        while (end := self._asked.find(b"\r\n\r\n")) >= 0:
            head = self._asked[: end + 2]
            self._asked = self._asked[end + 4 :]
            self._method = head.partition(b" ")[0]
            self._with_login = _LOGIN.search(head) is not None
            self.waiting = True

    def answered(self, data: bytes, now_s: float) -> bytes:
        """The camera says ``data`` at ``now_s`` (UTC seconds); what of it FFmpeg may see now.

        Heads of messages are held back until they are whole. Once ``code`` is set nothing more
        is to be passed on.
        """
        buffer = self._pending + data if self._pending else data
        n, at, passed, parts = len(buffer), 0, 0, []
        while at < n and self.code is None:
            if self._skip:
                step = min(self._skip, n - at)
                self._skip -= step
                at += step
            elif buffer[at] == 0x24 and self._answers:
                if n - at < 4:
                    break
                size = buffer[at + 2] << 8 | buffer[at + 3]
                if n - at < 4 + min(size, 12):
                    break
                if size >= 12 and buffer[at + 1] == (self._channel or 0):
                    self._see_packet(buffer, at + 4, now_s)
                at += 4
                self._skip = size
            elif self.playing and not _START.match(buffer, at, min(at + MAX_HEAD_BYTES, n)):
                parts.append(buffer[passed:at])
                at = passed = self._resume(buffer, at)
            else:
                end = buffer.find(b"\r\n\r\n", at)
                if end < 0:
                    self._see_beginning(buffer[at:])
                    break
                self._see_head(buffer[at : end + 2])
                at = end + 4
        self._pending = buffer[at:]
        if self.code is not None:
            return b""
        parts.append(buffer[passed:at])
        return b"".join(parts)

    def _resume(self, buffer: bytes, at: int) -> int:
        """Where packets go on after bytes that mean nothing; FFmpeg would lose its way there."""
        sync = re.compile(rb"\$[\x00-\x03]|RTSP/1").search(buffer, at + 1)
        end = sync.start() if sync else len(buffer)
        self._garbage += end - at
        if self._garbage > MAX_GARBAGE_BYTES:
            self.code = Code.CORRUPT
        return end

    def _see_beginning(self, text: bytes) -> None:
        if not _START.match(text) or len(text) > MAX_HEAD_BYTES:
            self.code = Code.NOT_RTSP

    def _see_head(self, head: bytes) -> None:
        """A whole head, with the end of its last line."""
        answer = _ANSWER.match(head)
        if not answer and (not _START.match(head) or head.startswith(b"RTSP/")):
            self.code = Code.NOT_RTSP
            return
        length = _LENGTH.search(head)
        self._skip = int(length[1]) if length else 0
        if len(head) > MAX_HEAD_BYTES or self._skip > MAX_BODY_BYTES:
            self.code = Code.NOT_RTSP
        elif not answer:
            # The camera asks for something; REDIRECT would send us elsewhere.
            self.code = Code.REDIRECTED if head.startswith(b"REDIRECT ") else None
        else:
            self._answers += 1
            self.waiting = False
            self._see_status(int(answer[1]), head)

    def _see_status(self, status: int, head: bytes) -> None:
        if 300 <= status < 400:
            self.code = Code.REDIRECTED
        elif self.playing:
            # Some cameras know none of the requests that keep a session alive, and go on.
            pass
        elif status == 401:
            self._stale += self._with_login
            challenge = self._has_login and (
                not self._with_login or (self._stale <= MAX_STALE and _STALE.search(head))
            )
            self.code = None if challenge else Code.UNAUTHORIZED
        elif status == 403:
            self.code = Code.UNAUTHORIZED
        elif status in (404, 410):
            self.code = Code.NOT_FOUND
        elif status >= 400:
            self.code = Code.SERVER_ERROR
        elif status >= 200:
            channel = _CHANNEL.search(head) if self._channel is None else None
            self._channel = int(channel[1]) if channel else self._channel
            self.playing = self._method == b"PLAY"

    def _see_packet(self, buffer: bytes, at: int, now_s: float) -> None:
        """An RTP packet of the video begins at ``at`` (RFC 3550, 5.1)."""
        flags, kind, sequence, rtp_time = _RTP.unpack_from(buffer, at)
        if flags >> 6 != 2:
            return
        lost = self._sequence is not None and sequence != (self._sequence + 1) & 0xFFFF
        self._sequence = sequence
        picture = self._arrivals.get(rtp_time)
        if lost and not self._complete and self._arrivals:
            next(reversed(self._arrivals.values())).damaged = True
        if picture is None:
            self._arrivals[rtp_time] = Arrival(self.pictures, now_s, lost)
            self.pictures += 1
            if len(self._first) < FIRST_PICTURES:
                self._first.append(rtp_time)
            if len(self._arrivals) > KEPT_PICTURES:
                self._arrivals.popitem(last=False)
        elif lost:
            picture.damaged = True
        # The marker is on a picture's last packet.
        self._complete = bool(kind & 0x80)


class Relay:
    """Passes one connection on, in a thread. ``port`` of 127.0.0.1 is open for one client.

    ``camera`` is connected and blocking, and belongs to the relay from now on. Where ``secure``,
    it is encrypted but not verified: cameras sign their certificates themselves.
    """

    def __init__(self, camera: socket.socket, *, secure: bool, has_login: bool) -> None:
        self.talk = Conversation(has_login=has_login)
        self._camera = camera
        self._secure = secure
        self._code: Code | None = None
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._thread.start()

    @property
    def code(self) -> Code | None:
        """Why the camera's side ended it, None where it did not."""
        return self.talk.code or self._code

    def join(self, timeout_s: float) -> None:
        """Wait until it ended, so that ``code`` is known."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        client: socket.socket | None = None
        try:
            if self._secure:
                self._camera = _encrypted(self._camera)
            self._listener.settimeout(ACCEPT_S)
            client, _ = self._listener.accept()
            self._listener.close()
            client.settimeout(None)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._code = self._pass_on(client)
        except TimeoutError:
            self._code = Code.STALLED
        except ssl.SSLError:
            self._code = Code.DISCONNECTED if self.talk.playing else Code.NOT_RTSP
        except OSError:
            self._code = Code.DISCONNECTED
        finally:
            for held in (self._listener, self._camera, client):
                if held is not None:
                    with contextlib.suppress(OSError):
                        held.close()

    def _pass_on(self, client: socket.socket) -> Code | None:
        """Until either side ends or the talk has to. Raises OSError for the camera's side."""
        talk, camera = self.talk, self._camera
        waiting = select.poll()
        waiting.register(camera, select.POLLIN)
        waiting.register(client, select.POLLIN)
        camera_fd = camera.fileno()
        while True:
            ready = [fd for fd, _ in waiting.poll()]
            if client.fileno() in ready:
                data = _read(client)
                if not data:
                    return None
                talk.asked(data)
                camera.sendall(data)
            while camera_fd in ready:
                got = _received(camera)
                if got is None:
                    break
                if not got:
                    return Code.DISCONNECTED
                data = talk.answered(got, time.time())
                if talk.code is not None:
                    return talk.code
                try:
                    client.sendall(data)
                except OSError:
                    return None
                # What TLS has decrypted already makes no socket readable.
                if not isinstance(camera, ssl.SSLSocket) or not camera.pending():
                    break


def _read(client: socket.socket) -> bytes:
    try:
        return client.recv(CHUNK_BYTES)
    except OSError:
        return b""


def _received(camera: socket.socket) -> bytes | None:
    """What a camera sent; None where it was for TLS itself, such as tickets for a later session:
    to wait for more than that would keep the client's requests waiting too."""
    if not isinstance(camera, ssl.SSLSocket):
        return camera.recv(CHUNK_BYTES)
    camera.settimeout(0.0)
    try:
        return camera.recv(CHUNK_BYTES)
    except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return None
    finally:
        camera.settimeout(None)


def _encrypted(camera: socket.socket) -> ssl.SSLSocket:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    camera.settimeout(HANDSHAKE_S)
    secured = context.wrap_socket(camera)
    secured.settimeout(None)
    return secured
