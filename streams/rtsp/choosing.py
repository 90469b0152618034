"""Which stream of a camera is opened next: the one at its address, or a smaller one beside it.

The address stays the truth. There is one connection at a time: a sub-stream is tried in place of
the main stream and never beside it, since many cameras serve only so many. What came of it is
remembered, and it is seldom tried again. No input or output; times are monotonic seconds.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final, Literal, Protocol, TypeAlias

from streams.config import SUBSTREAM_AUTO, SUBSTREAM_OFF
from streams.health import Code
from streams.rtsp.dialing import AttemptError
from streams.rtsp.substream import Size, alike, sub_path

Stream: TypeAlias = Literal["main", "sub"]

TRIAL_S = 8.0
"""A sub-stream shows its first picture within this, or the main stream is opened."""
SETTLED_S = 30.0
"""The main stream is left for another try only after it showed pictures for so long."""
STEADY_S = 600.0
"""Pictures of the sub-stream for so long, and its failures are forgotten."""
FIRST_HOLD_S, LONGEST_HOLD_S = 300.0, 21_600.0
"""How long one that worked before is left alone after it failed; doubled each time."""
ABSENT_HOLD_S, LONGEST_ABSENT_S = 3600.0, 86_400.0
"""And one that was never there. The main stream is not even interrupted for it."""
JITTER = 0.25
SMALL_PX: Final = 640 * 480
"""A main stream of no more is one already."""
DARK_HOLD_S = 10.0
"""One that worked before is left alone for so long where the main stream shows nothing at all."""
RATE_AFTER_S = 10.0
LEAST_RATE = 0.8
"""Of the pictures that are due, a sub-stream must bring so many in the last ``RATE_AFTER_S``."""
NEVER_SPOKE: Final = frozenset({Code.UNRESOLVED, Code.ADDRESS_REFUSED, Code.UNREACHABLE})
"""The camera was not reached, whatever it was to be asked for."""


class Wish(Protocol):
    """What the analysis of a camera wants of its sub-stream, as of now: it may change while the
    camera runs. ``setting`` is ``off``, ``auto`` or a path; ``drawn`` the size of the picture
    that its scene is drawn on, None without one; ``stretch`` whether the scene takes any shape."""

    @property
    def setting(self) -> str: ...

    @property
    def drawn(self) -> Size | None: ...

    @property
    def stretch(self) -> bool: ...

    def misfit(self, size: Size) -> str:
        """Why pictures of ``size`` (w, h) do not do, empty where they do."""
        ...


class SwitchError(AttemptError):
    """The connection is left for another stream of the same camera."""

    def __init__(self, why: str) -> None:
        super().__init__(Code.DISCONNECTED, why)


class Choice:
    """The stream of one camera, whose main one is at ``path``. ``stream`` is that of the attempt
    that was begun last."""

    def __init__(self, path: str, wish: Callable[[], Wish] | None = None) -> None:
        self.stream: Stream = "main"
        self.path = path
        self._main_path = path
        self._wish = wish
        self._main: Size | None = None
        self._sub: Size | None = None
        self._tried: str | None = None
        self._worked = self._shown = self._excused = False
        self._hold_until = 0.0
        self._pause_s = 0.0
        self._since_s, self._before = 0.0, 0

    def begin(self, now: float) -> None:
        """Choose for the next attempt."""
        path = self._candidate()
        self._shown, self._since_s, self._before = False, 0.0, 0
        if path is not None and path != self._tried:
            # another one: nothing is known of it
            self._sub, self._hold_until, self._pause_s = None, 0.0, 0.0
            self._worked = self._excused = False
        if path is None or now < self._hold_until:
            self.stream, self.path = "main", self._main_path
        else:
            self.stream, self.path = "sub", path
            self._tried = path

    def check(self, size: Size, pictures: int, live_s: float, due: float | None, now: float) -> str:
        """Why the stream should be left whose pictures are of ``size`` now, empty to stay;
        ``pictures`` came in ``live_s`` seconds, of which ``due`` a second are needed."""
        self._shown = True
        if self.stream == "main":
            self._main = size
            return self._better(live_s, now)
        if self._candidate() != self.path:
            return "it is not wanted any more"
        self._sub, why = size, self._misfit(size)
        if why:
            return why
        self._worked = True
        if due and (window_s := live_s - self._since_s) >= RATE_AFTER_S:
            rate = (pictures - self._before) / window_s
            self._since_s, self._before = live_s, pictures
            if self._guessed and rate < LEAST_RATE * due:
                return f"{rate:.1f} pictures a second are too few"
        self._pause_s = 0.0 if live_s >= STEADY_S else self._pause_s
        self._excused &= live_s < SETTLED_S
        return ""

    def over(self, failure: AttemptError, *, reached: bool, now: float) -> str | None:
        """The attempt is over, which had ``reached`` the camera or not. Why another stream is to
        be opened now, None where it is the camera that failed."""
        if self.stream == "sub":
            if not reached:
                return None
            broke = failure.code is Code.DECODER_FAILED
            if broke and not self._excused:
                # this machine's trouble; twice in a row it may be what the stream does to it
                self._excused = True
                return None
            if self._candidate() == self.path:
                self._hold(now, known=self._worked or broke)
            return failure.detail or str(failure.code)
        if isinstance(failure, SwitchError):
            return failure.detail
        broke = failure.code is Code.DECODER_FAILED
        # where this machine decodes neither, the sub-stream did nothing to it
        self._excused &= not broke
        if failure.code in NEVER_SPOKE and self._worked:
            # the camera was away, and its sub-stream is not to blame
            self._hold_until = 0.0
        elif not self._shown and failure.code is not Code.UNAUTHORIZED and (self._worked or broke):
            # better a smaller picture than none
            self._hold_until = min(self._hold_until, now + DARK_HOLD_S)
        return None

    @property
    def _guessed(self) -> bool:
        return self._wish is not None and self._wish().setting == SUBSTREAM_AUTO

    def _candidate(self) -> str | None:
        """The sub-stream that is wanted now."""
        wish = None if self._wish is None else self._wish()
        if wish is None or wish.setting == SUBSTREAM_OFF:
            return None
        if wish.setting != SUBSTREAM_AUTO:
            return None if wish.setting == self._main_path else wish.setting
        if self._main is not None and _area(self._main) <= SMALL_PX:
            return None
        known = self._main or wish.drawn
        # what is not known to be the same picture is not shown
        return None if known is None else sub_path(self._main_path, known[0] / known[1])

    def _misfit(self, size: Size) -> str:
        wish = None if self._wish is None else self._wish()
        if wish is None:
            return ""
        shown = f"{size[0]}x{size[1]}"
        whole = self._main or wish.drawn
        if whole is not None and not wish.stretch and not alike(whole[0] / whole[1], size):
            return f"{shown} is another shape than {whole[0]}x{whole[1]}"
        # a scene may be drawn on a smaller picture than the camera's
        main = self._main
        if wish.setting == SUBSTREAM_AUTO and main is not None and _area(size) > _area(main):
            return f"{shown} is no smaller than {main[0]}x{main[1]}"
        return wish.misfit(size)

    def _better(self, live_s: float, now: float) -> str:
        """Why to leave a main stream that works."""
        path = self._candidate()
        if path is None or live_s < SETTLED_S:
            return ""
        if path == self._tried:
            never = not self._worked or self._sub is None or self._misfit(self._sub)
            if never or now < self._hold_until:
                return ""
        return "its sub-stream is tried"

    def _hold(self, now: float, *, known: bool) -> None:
        first, longest = FIRST_HOLD_S, LONGEST_HOLD_S
        if not known:
            first, longest = ABSENT_HOLD_S, LONGEST_ABSENT_S
        self._pause_s = min(max(2 * self._pause_s, first), longest)
        self._hold_until = now + self._pause_s * random.uniform(1 - JITTER, 1 + JITTER)


def _area(size: Size) -> int:
    return size[0] * size[1]
