"""An RTSP camera as a live source: it connects, watches its decoder, and tries again by itself."""

from __future__ import annotations

import math
import random
import socket
import threading
import time
from collections.abc import Callable, Sequence
from ipaddress import IPv4Network, IPv6Network
from types import TracebackType
from typing import Self

import structlog

from streams.address import RtspAddress
from streams.config import Credential
from streams.health import SENTENCES, Code, Health, State
from streams.rtsp.choosing import TRIAL_S, Choice, Stream, SwitchError, Wish
from streams.rtsp.decoding import Decoding
from streams.rtsp.dialing import AttemptError, Connecting, Lookup
from streams.rtsp.forkserver import ForkServer, ForkServerError
from streams.rtsp.order import Order
from streams.rtsp.ring import Ring
from vision.types import Frame

log = structlog.get_logger()

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 4.0
LONGEST_LOGIN_PAUSE_S = 30.0
"""Many cameras lock an account after a few wrong logins. The first pauses are short all the same:
some refuse every login while they boot."""
JITTER = 0.25
STEADY_S = 30.0
"""Pictures for this long, and the next pause is a short one again."""
WARN_S = 60.0
SLICE_S = 0.2
LOOK_S = 1.0
"""How often it is asked whether the stream is still the right one."""


class RtspSource:
    """The newest pictures of one camera, as ``LiveSource`` promises.

    ``networks`` are those in which its address may lie; ``fps`` is how many pictures a second of
    media time are due, None for all; ``ring``, which is the source's from now on, keeps the packets
    that come; ``wish`` says what is wanted of a smaller stream of the camera, None for nothing:
    where that fails the main one goes on, and nothing is said against the camera. ``next`` is for
    one thread; ``close`` may be called from any, and ends a waiting ``next`` at once.
    """

    def __init__(
        self,
        camera_id: str,
        address: RtspAddress,
        credential: Credential | None,
        *,
        networks: Sequence[IPv4Network | IPv6Network],
        fps: float | None,
        forkserver: ForkServer,
        ring: Ring | None = None,
        wish: Callable[[], Wish] | None = None,
    ) -> None:
        if fps is not None and not fps > 0:
            raise ValueError(f"a frame rate is above 0, not {fps}")
        self._camera_id = camera_id
        self._address = address
        self._credential = credential
        self._networks = tuple(networks)
        self._fps = fps
        self._forkserver = forkserver
        self._ring = ring
        self._health = Health(State.STARTING, None, time.time())
        self._using = threading.Lock()
        self._closing = threading.Event()
        self._lookup: Lookup | None = None
        self._socket: Connecting | None = None
        self._decoder: Decoding | None = None
        self._retry_at = 0.0
        self._pause_s = self._login_pause_s = 0.0
        # Which of its addresses is tried first.
        self._turn = 0
        self._index = self._dropped = self._connects = self._failures = 0
        self._last_ts = 0.0
        self._choice = Choice(address.path, wish)
        self._stream: Stream | None = None
        self._trial_ends = self._look_at = math.inf
        self._first_index = self._taken = 0
        self._size: tuple[int, int] | None = None
        self._resized_at = self._damaged_at = -math.inf

    @property
    def camera_id(self) -> str:
        """The camera whose frames these are."""
        return self._camera_id

    @property
    def health(self) -> Health:
        """How the camera is, as of the latest ``next``."""
        return self._health

    @property
    def dropped(self) -> int:
        """Pictures that were due and replaced by newer ones before they were asked for."""
        decoder = self._decoder
        return self._dropped + (decoder.dropped if decoder is not None else 0)

    @property
    def connects(self) -> int:
        """Attempts that brought a picture."""
        return self._connects

    @property
    def ring(self) -> Ring | None:
        """The latest packets, None where they are not kept."""
        return self._ring

    @property
    def stream(self) -> Stream | None:
        """The one that the latest picture came from."""
        return self._stream

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection and the decoder. Safe to repeat, and from any thread."""
        self._closing.set()
        decoder = self._decoder
        if decoder is not None:
            decoder.wake()
        with self._using:
            self._release()
            if self._ring is not None:
                self._ring.close()
            self._set_health(State.STOPPED, None)

    def next(self, timeout_s: float) -> Frame | None:
        """The newest frame that was not handed out yet, waiting up to ``timeout_s`` seconds;
        None where none came, and after ``close``."""
        deadline = time.monotonic() + timeout_s
        with self._using:
            while not self._closing.is_set():
                try:
                    frame = self._step(deadline)
                except AttemptError as failure:
                    if self._closing.is_set():
                        break
                    if not self._switched(failure):
                        self._fail(failure.code, failure.detail)
                    frame = None
                except (OSError, MemoryError) as error:
                    # The machine is short of descriptors or memory, which may pass.
                    self._fail(Code.DECODER_FAILED, str(error) or type(error).__name__)
                    frame = None
                if frame is not None:
                    return frame
                if time.monotonic() >= deadline:
                    break
        return None

    def _step(self, deadline: float) -> Frame | None:
        """One step on the way to a picture, waiting until ``deadline`` at most."""
        if self._decoder is not None:
            return self._take(self._decoder, deadline)
        if self._socket is not None:
            connected = self._socket.wait(min(deadline, time.monotonic() + SLICE_S))
            if connected is not None:
                self._socket = None
                self._start_decoder(connected)
        elif self._lookup is not None:
            ips = self._lookup.wait(min(deadline, time.monotonic() + SLICE_S))
            if ips is not None:
                self._lookup = None
                first = self._turn % len(ips)
                self._socket = Connecting(ips[first:] + ips[:first], self._address.port)
        elif (pause := self._retry_at - time.monotonic()) > 0:
            self._closing.wait(max(0.0, min(pause, deadline - time.monotonic())))
        else:
            self._choice.begin(time.monotonic())
            self._lookup = Lookup(self._address, self._networks)
        return None

    def _start_decoder(self, camera: socket.socket) -> None:
        login = self._credential
        order = Order(
            path=self._choice.path,
            secure=self._address.secure,
            user=None if login is None else login.user,
            password=None if login is None else login.password,
            fps=self._fps,
            index=self._index,
            not_before=self._last_ts,
        )
        self._trial_ends = time.monotonic() + TRIAL_S
        self._first_index, self._taken, self._look_at = self._index, 0, 0.0
        with camera:
            try:
                books = () if self._ring is None else self._ring.open()
                self._decoder = Decoding(self._forkserver, order, camera, books)
            except (ForkServerError, OSError) as error:
                raise AttemptError(Code.DECODER_FAILED, str(error)) from error

    def _take(self, decoder: Decoding, deadline: float) -> Frame | None:
        came = decoder.next(deadline)
        now = time.monotonic()
        if decoder.corrupt_grew:
            self._damaged_at = now
        if came is None:
            late = decoder.live_since is None and now > self._trial_ends
            if late and self._choice.stream == "sub":
                raise SwitchError("it shows no picture")
            if self._health.state is State.LIVE:
                self._set_health(State.LIVE, self._warning(decoder, now))
            return None
        picture, index, ts = came
        self._taken += 1
        size = picture.size
        self._judge(decoder, size, index, now)
        if self._size is not None and size != self._size and self._stream == self._choice.stream:
            self._resized_at = now
        if self._choice.stream == "sub" != self._stream:
            log.info("its sub-stream is analysed", camera=self._camera_id, size=size)
        self._size, self._stream = size, self._choice.stream
        self._index = index + 1
        self._last_ts = max(self._last_ts, ts)
        if decoder.live_since is None:
            decoder.live_since = now
            self._login_pause_s = 0.0
            self._connects += 1
        elif now - decoder.live_since > STEADY_S:
            self._pause_s = 0.0
        self._set_health(State.LIVE, self._warning(decoder, now))
        return Frame(self._camera_id, index, self._last_ts, picture)

    def _judge(self, decoder: Decoding, size: tuple[int, int], index: int, now: float) -> None:
        """Raise SwitchError where another stream is the right one."""
        if now < self._look_at and size == self._size:
            return
        self._look_at = now + LOOK_S
        live_s = 0.0 if decoder.live_since is None else now - decoder.live_since
        # what this machine is too slow for the camera sent all the same; what was replaced by a
        # newer one has an index too
        came = max(index - self._first_index, self._taken + decoder.dropped)
        why = self._choice.check(size, came, live_s, self._fps, now)
        if why:
            raise SwitchError(why)

    def _switched(self, failure: AttemptError) -> bool:
        """Whether this attempt was over for its stream alone: another one is opened soon."""
        stream, reached, now = self._choice.stream, self._decoder is not None, time.monotonic()
        why = self._choice.over(failure, reached=reached, now=now)
        if why is None:
            return False
        self._release()
        # a camera that serves so many at once has to notice that this one is gone
        self._retry_at = now + FIRST_PAUSE_S * random.uniform(1 - JITTER, 1 + JITTER)
        log.info("a stream of the camera is left", camera=self._camera_id, stream=stream, why=why)
        return True

    def _warning(self, decoder: Decoding, now: float) -> Code | None:
        if now - self._resized_at < WARN_S:
            return Code.RESOLUTION_CHANGED
        if now - self._damaged_at < WARN_S:
            return Code.CORRUPT
        return Code.CLOCK_SKEW if decoder.skewed else None

    def _fail(self, code: Code, detail: str) -> None:
        """This attempt is over: say why, and wait before the next."""
        if self._decoder is None or self._decoder.live_since is None:
            self._turn += 1
        self._release()
        self._failures += 1
        if code is Code.UNAUTHORIZED:
            pause_s = min(max(2 * self._login_pause_s, FIRST_PAUSE_S), LONGEST_LOGIN_PAUSE_S)
            self._login_pause_s = pause_s
        else:
            pause_s = min(max(2 * self._pause_s, FIRST_PAUSE_S), LONGEST_PAUSE_S)
            self._pause_s, self._login_pause_s = pause_s, 0.0
        self._retry_at = time.monotonic() + pause_s * random.uniform(1 - JITTER, 1 + JITTER)
        self._set_health(State.DOWN, code, detail)

    def _release(self) -> None:
        decoder, self._decoder = self._decoder, None
        if decoder is not None:
            self._index = max(self._index, decoder.index)
            self._dropped += decoder.dropped
            decoder.close()
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._closing.is_set() or (self._lookup is not None and self._lookup.done):
            self._lookup = None

    def _set_health(self, state: State, code: Code | None, detail: str = "") -> None:
        old = self._health
        if (state, code) == (old.state, old.code) or old.state is State.STOPPED:
            return
        self._health = Health(state, code, time.time())
        said = {"camera": self._camera_id, "code": code}
        if state is State.DOWN and code is not None:
            said |= {"detail": detail} if detail else {}
            log.warning(f"camera is down: {SENTENCES[code]}", **said)
        elif code is not None:
            log.warning(f"camera is live, but: {SENTENCES[code]}", **said)
        else:
            log.info(f"camera is {state}", camera=self._camera_id)
