"""H.264 over RTP (RFC 3550, RFC 6184) as a camera sends it inside an RTSP connection.

Pictures are cut into fragments once; each client's stream only adds the headers.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterable, Sequence
from typing import TypeAlias

PAYLOAD_TYPE = 96
CLOCK_HZ = 90_000
MAX_PAYLOAD_BYTES = 1400
"""What fits an Ethernet frame; cameras keep to it over TCP too."""
NTP_EPOCH_S = 2_208_988_800
"""Seconds between 1900, where NTP begins, and 1970."""

Fragment: TypeAlias = tuple[bytes, memoryview]
"""What stands before the bytes of a slice (the FU-A header, or nothing), and the bytes."""

_FU_A = 28
_SENDER_REPORT, _SOURCE_DESCRIPTION, _BYE = 200, 202, 203


def fragments(nals: Iterable[bytes]) -> tuple[Fragment, ...]:
    """The payloads of one picture: a NAL unit that fits goes alone, others as FU-A."""
    found: list[Fragment] = []
    for nal in nals:
        if len(nal) <= MAX_PAYLOAD_BYTES:
            found.append((b"", memoryview(nal)))
            continue
        body = memoryview(nal)[1:]
        indicator, kind = (nal[0] & 0xE0) | _FU_A, nal[0] & 0x1F
        step = MAX_PAYLOAD_BYTES - 2
        for at in range(0, len(body), step):
            start, end = at == 0, at + step >= len(body)
            head = bytes((indicator, start << 7 | end << 6 | kind))
            found.append((head, body[at : at + step]))
    return tuple(found)


class RtpStream:
    """One client's stream: its own random source, sequence and first time, as the RFC asks.

    Everything it returns is framed for the RTSP connection (RFC 2326, 10.12): media on
    ``channel``, reports on the next one. Times are given in ticks of 1/90000 s since the start.
    """

    def __init__(self, channel: int) -> None:
        self.ssrc = random.getrandbits(32)
        self.sequence = random.getrandbits(16)
        self.first_time = random.getrandbits(32)
        self._channel = channel
        self._packets = self._octets = 0

    def picture(self, parts: Sequence[Fragment], ticks: int) -> list[bytes]:
        """The packets of one picture; the last carries the marker."""
        time = self._time(ticks)
        packets = []
        for number, (head, body) in enumerate(parts, 1):
            size = len(head) + len(body)
            marked = PAYLOAD_TYPE | (number == len(parts)) << 7
            header = struct.pack(
                ">BBHBBHII",
                *(0x24, self._channel, 12 + size, 0x80, marked, self.sequence, time, self.ssrc),
            )
            self.sequence = (self.sequence + 1) & 0xFFFF
            self._packets += 1
            self._octets += size
            packets.append(b"".join((header, head, body)))
        return packets

    def report(self, ticks: int, wall_ts: float) -> bytes:
        """The sender report that ties ``ticks`` to the camera's clock ``wall_ts``, UTC seconds."""
        return self._framed(self._reports(ticks, wall_ts))

    def bye(self, ticks: int, wall_ts: float) -> bytes:
        """The last report and the end of the stream."""
        end = struct.pack(">BBHI", 0x81, _BYE, 1, self.ssrc)
        return self._framed(self._reports(ticks, wall_ts) + end)

    def _reports(self, ticks: int, wall_ts: float) -> bytes:
        ntp = round((wall_ts + NTP_EPOCH_S) * (1 << 32)) & (1 << 64) - 1
        counts = (self._packets & 0xFFFFFFFF, self._octets & 0xFFFFFFFF)
        sender = struct.pack(
            ">BBHIQIII", 0x80, _SENDER_REPORT, 6, self.ssrc, ntp, self._time(ticks), *counts
        )
        # CNAME "camera", closed by two zero octets that fill the last word
        name = b"\x01\x06camera" + bytes(4)
        source = struct.pack(">BBHI", 0x81, _SOURCE_DESCRIPTION, 1 + len(name) // 4, self.ssrc)
        return sender + source + name

    def _framed(self, packet: bytes) -> bytes:
        return struct.pack(">BBH", 0x24, self._channel + 1, len(packet)) + packet

    def _time(self, ticks: int) -> int:
        return (self.first_time + ticks) & 0xFFFFFFFF
