"""Where a camera's smaller stream may be: how the makers name it beside the main one.

Only path and query are looked at and changed: host, port and login are never part of the question,
so whoever asks there asks the same camera. A scheme that is not in the table is not guessed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from vision.scene import SHAPE_TOLERANCE

Size: TypeAlias = tuple[int, int]
"""Width and height, px."""

SIZES: Final[tuple[Size, ...]] = ((640, 360), (640, 480), (640, 400))
"""What a camera is asked for that makes any size: those that Axis lists for 16:9, 4:3 and 16:10."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """How a maker's addresses name both: all of path and query matches ``main`` where it is the
    main stream, and ``sub`` is what it becomes, with ``{size}`` where a size is asked for.
    ``see`` is where that is written."""

    maker: str
    main: re.Pattern[str]
    sub: str
    see: str


def _path(pattern: str) -> re.Pattern[str]:
    """Case is the camera's business, and what follows in the query stays."""
    return re.compile(pattern + r"(?P<rest>\?.*)?", re.IGNORECASE)


SCHEMES: Final = (
    Scheme(
        "Hikvision",
        _path(r"(?P<head>(?:/ISAPI)?/Streaming/Channels/\d{1,3}0)1(?P<slash>/?)"),
        r"\g<head>2\g<slash>\g<rest>",
        "enpinfo.hikvision.com, RTSP: the id is channel * 100 + stream, 1 main, 2 sub",
    ),
    Scheme(
        "Dahua, Amcrest",
        re.compile(r"(?P<head>/cam/realmonitor\?(?:.*&)?subtype=)0(?P<rest>&.*)?", re.IGNORECASE),
        r"\g<head>1\g<rest>",
        "Dahua HTTP API for IPC and SD, chapter RTSP: subtype 0 main, 1 extra stream",
    ),
    Scheme(
        "Axis, with a size",
        re.compile(
            r"(?P<head>/axis-media/media\.amp\?(?:.*&)?resolution=)\d+x\d+(?P<rest>&.*)?",
            re.IGNORECASE,
        ),
        r"\g<head>{size}\g<rest>",
        "developer.axis.com, RTSP URL: resolution, videocodec, camera",
    ),
    Scheme(
        "Axis",
        re.compile(
            r"(?P<head>/axis-media/media\.amp)(?:\?(?P<rest>(?!.*resolution=).+))?", re.IGNORECASE
        ),
        r"\g<head>?resolution={size}&\g<rest>",
        "developer.axis.com, RTSP URL: resolution, videocodec, camera",
    ),
    Scheme(
        "Uniview, cameras",
        _path(r"(?P<head>(?:/media)?/video)1"),
        r"\g<head>2\g<rest>",
        "Uniview RTSP URL formats: /media/video1 main, /media/video2 sub",
    ),
    Scheme(
        "Uniview, recorders",
        _path(r"(?P<head>/unicast/c\d{1,3}/s)0(?P<tail>/live)"),
        r"\g<head>1\g<tail>\g<rest>",
        "Uniview RTSP URL formats: /unicast/cN/s0/live main, s1 sub",
    ),
    Scheme(
        "Reolink",
        _path(r"/(?:h26[45])?(?P<head>Preview_\d{1,2}_)main"),
        r"/h264\g<head>sub\g<rest>",
        "support.reolink.com, Introduction to RTSP: _main and _sub; a sub-stream is H.264",
    ),
    Scheme(
        "TP-Link Tapo and VIGI",
        _path(r"(?P<head>(?:/[^/?]+)?/stream)1"),
        r"\g<head>2\g<rest>",
        "tapo.com, How to view Tapo cameras through RTSP: stream1 high, stream2 low quality",
    ),
    Scheme(
        "Vivotek",
        _path(r"/live1?\.sdp"),
        r"/live2.sdp\g<rest>",
        "Vivotek user manuals, RTSP streaming: live.sdp, live2.sdp",
    ),
    Scheme(
        "Vivotek, several channels",
        _path(r"(?P<head>/live\d{1,2}s)1\.sdp"),
        r"\g<head>2.sdp\g<rest>",
        "Vivotek user manuals, RTSP streaming: live1s1.sdp, live1s2.sdp",
    ),
    Scheme(
        "Bosch",
        re.compile(r"(?P<head>/[^?]*\?(?:.*&)?inst=)1(?P<rest>&.*)?", re.IGNORECASE),
        r"\g<head>2\g<rest>",
        "Bosch, RTSP usage: inst is the number of the stream",
    ),
    Scheme(
        "Foscam",
        _path(r"/videoMain"),
        r"/videoSub\g<rest>",
        "foscam.com, RTSP: videoMain and videoSub",
    ),
    Scheme(
        "Avycon and others",
        _path(r"/profile1"),
        r"/profile2\g<rest>",
        "avycon.freshdesk.com, RTSP syntax: 1 main, 2 sub",
    ),
    Scheme(
        "whoever says main and sub: Milesight, old Hikvision, Avycon",
        _path(r"(?P<head>(?:/[^/?]+)*/)main(?P<tail>(?:/[^/?]+)*/?)"),
        r"\g<head>sub\g<tail>\g<rest>",
        "support.milesight.com, RTSP stream: /main, /sub; also /h264/ch1/main/av_stream",
    ),
)
"""The first that matches is asked for. Hanwha is missing: its profiles are what somebody made of
them. Data, to be added to with the document that says so."""


def sub_path(path: str, shape: float | None) -> str | None:
    """Where the sub-stream of the main stream at ``path`` (with its query) may be, None where
    nobody says. ``shape`` is the picture's width over its height; it is needed where a camera is
    asked for a size."""
    for scheme in SCHEMES:
        match = scheme.main.fullmatch(path)
        if match is None:
            continue
        found = match.expand(scheme.sub).removesuffix("&")
        if "{size}" in found:
            size = next((size for size in SIZES if shape and alike(shape, size)), None)
            if size is None:
                return None
            found = found.replace("{size}", f"{size[0]}x{size[1]}")
        return None if found == path else found
    return None


def alike(shape: float, size: Size) -> bool:
    """Whether a picture of ``size`` has this ``shape`` (width over height), just as a scene of
    that shape would say: 640x352 is 2.3 % off 640x360, and not taken for it."""
    return abs(shape * size[1] / size[0] - 1) <= SHAPE_TOLERANCE
