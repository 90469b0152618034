"""The files of a recorded survey: what they are, and when each of them was taken."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from fractions import Fraction
from pathlib import Path
from typing import Final

from streams.files import ClipInfo, inspect_clip
from streams.messages import END_TS
from streams.survey import SurveyFile
from vision.errors import SurveyError

MAX_OVERLAP_S: Final = 2.0
"""Names tell whole seconds, and recorders begin a file before the last one has ended: what is in
both is left out of the later one."""

_TIME: Final = re.compile(
    r"(?<!\d)((?:19|20)\d\d)[-_.]?(\d\d)[-_.]?(\d\d)[-_. T]{0,3}"
    r"(\d\d)[-_.:h]?(\d\d)[-_.:m]?(\d\d)(?!\d)",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Recording:
    """One file at ``path``, by time, and what it holds."""

    path: Path
    file: SurveyFile
    info: ClipInfo


def time_in_name(path: Path, zone: tzinfo) -> float:
    """When a file was begun, UTC seconds, by the date and time in its name, as clocks in ``zone``
    showed them. Raises SurveyError where there is none, or more than one."""
    found = {match.groups() for match in _TIME.finditer(path.stem)}
    if len(found) == 1:
        try:
            year, month, day, hour, minute, second = map(int, found.pop())
            return datetime(year, month, day, hour, minute, second, tzinfo=zone).timestamp()
        except ValueError:
            pass
    raise SurveyError(
        f"the name of {path} tells no date and time, such as camera_2026-01-31_07-00-00.mp4: "
        "rename it, or give --start for each file"
    )


def recordings(
    paths: Sequence[Path],
    starts: Sequence[float],
    source_fps: Fraction | None,
    looking: Callable[[Path], None] = lambda _: None,
    *,
    whole: bool = True,
) -> list[Recording]:
    """The files at ``paths``, by time. ``starts`` says when each of them was begun, or when the
    first one was, which the others then follow one after another, UTC seconds. ``looking`` hears
    which one is read. Where they need not be ``whole``, one that is cut off is what is there of it.
    Raises ClipError, and SurveyError for files that overlap or differ."""
    found = list[Recording]()
    for number, path in enumerate(paths):
        looking(path)
        info = inspect_clip(path, source_fps, whole=whole)
        if found and (info.width, info.height) != (found[0].info.width, found[0].info.height):
            first = found[0]
            raise SurveyError(
                f"{path} has pictures of {info.width}x{info.height} px, and {first.path} of "
                f"{first.info.width}x{first.info.height}: survey them apart"
            )
        start_ts = starts[number] if number < len(starts) else found[-1].file.end_ts
        if not 0 <= start_ts < END_TS - info.duration_s:
            raise SurveyError(f"{path} would be of before 1970 or after 9999: correct --start")
        found.append(Recording(path, _file(path, info, start_ts), info))
    found.sort(key=lambda each: each.file.start_ts)
    for number in range(1, len(found)):
        each = found[number]
        before = max(found[:number], key=lambda one: one.file.end_ts)
        over_s = before.file.end_ts - each.file.start_ts
        if over_s > MAX_OVERLAP_S:
            raise SurveyError(
                f"{each.path} begins {over_s:.1f} s before {before.path} ends, so who passed "
                "meanwhile would count twice: correct --start, or leave one of them out"
            )
    return found


def _file(path: Path, info: ClipInfo, start_ts: float) -> SurveyFile:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        size = file.tell()
    return SurveyFile(
        name=path.name.encode(errors="surrogateescape").decode(errors="replace"),
        sha256=digest.hexdigest(),
        size=size,
        start_ts=start_ts,
        duration_s=info.duration_s,
        frames=info.frames,
    )
