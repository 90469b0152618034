"""Which pictures of a live stream are due, and what is known of each before it is decoded."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass

from av.packet import Packet
from av.video.stream import VideoStream

from streams.rtsp.relay import Conversation

PICK_TOLERANCE_S = 1e-3
NO_TIME_STEP_S = 0.04
"""Between pictures of a stream without times."""


class Picker:
    """Picks the first picture at or after every k / fps of media time; all without a rate."""

    def __init__(self, fps: float | None) -> None:
        self._fps = fps
        self._slot: int | None = None

    def pick(self, media_s: float) -> bool:
        """Whether the picture at ``media_s`` (seconds) is due. Time may start anew."""
        if self._fps is None:
            return True
        slot = math.floor((media_s + PICK_TOLERANCE_S) * self._fps)
        due = slot != self._slot
        self._slot = slot
        return due


@dataclass(frozen=True, slots=True)
class Stamp:
    """What is known of a coded picture: when it came and when the camera says that it was taken
    (UTC seconds), its media time (seconds), whether a part of it is missing, and how many newer
    pictures have come since."""

    arrival_s: float
    camera_s: float | None
    media_s: float
    damaged: bool
    behind: int


class Times:
    """Puts together FFmpeg's times and what the relay saw.

    FFmpeg counts in the steps of RTP from a beginning of its own, and often leaves the first
    picture without a time. Its packets and the relay's pictures are the same ones in the same
    order, so the first that has both gives the difference.
    """

    def __init__(self, talk: Conversation) -> None:
        self._talk = talk
        self._packets = 0
        self._base: int | None = None
        self._media_s = 0.0

    def of(self, packet: Packet[VideoStream]) -> Stamp:
        """What is known of the next packet that the demuxer handed out."""
        rtp_time: int | None
        if packet.pts is not None and self._base is not None:
            rtp_time = packet.pts + self._base
        else:
            rtp_time = self._talk.rtp_time(self._packets)
            if packet.pts is not None and rtp_time is not None:
                self._base = rtp_time - packet.pts
        self._packets += 1
        arrival = None if rtp_time is None else self._talk.arrival(rtp_time)
        arrival_s = time.time() if arrival is None else arrival.ts
        damaged = packet.is_corrupt or (arrival is not None and arrival.damaged)
        behind = 0 if arrival is None else self._talk.pictures - 1 - arrival.number
        if packet.pts is not None:
            self._media_s = float(packet.pts * packet.time_base)
        elif self._packets > 1:
            self._media_s += NO_TIME_STEP_S
        return Stamp(arrival_s, _camera_s(packet), self._media_s, damaged, behind)


def _camera_s(packet: Packet[VideoStream]) -> float | None:
    """When the camera took it by its own clock, UTC seconds, where it says so (RTCP)."""
    if not packet.has_sidedata("prft"):
        return None
    # AVProducerReferenceTime begins with the wall clock, int64 microseconds.
    return int.from_bytes(bytes(packet.get_sidedata("prft"))[:8], sys.byteorder, signed=True) / 1e6
