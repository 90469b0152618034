"""Tracks of a recording as a table: one row for each track in each analysed picture, CSV.

A row is one box of one track, as it is known once the track is over (``vision/histories.py``).
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from typing import Final

from vision.histories import Histories, History
from vision.types import Tracked

COLUMNS: Final = (
    "camera", "track_id", "class", "ts", "offset_s", "left", "top", "right", "bottom", "seen",
)  # fmt: skip


class TrackFile:
    """Writes the tracks of one camera through ``write``, each when it has ended. Times are seconds,
    ``ts`` in UTC since 1970 and ``offset_s`` since ``start_ts``; places are pixels of the scene's
    picture; ``seen`` is 0 where a box is interpolated."""

    def __init__(self, write: Callable[[str], None], start_ts: float) -> None:
        self._rows = csv.writer(_Writer(write), lineterminator="\n")
        self._start_ts = start_ts
        self._histories = Histories()
        self._camera_id = ""
        self._rows.writerow(COLUMNS)

    def update(self, tracked: Tracked) -> None:
        """Take one step."""
        self._camera_id = tracked.camera_id
        self._write(self._histories.update(tracked))

    def finish(self) -> None:
        """The source has ended: write the tracks that are still in sight."""
        self._write(self._histories.finish())

    def _write(self, histories: list[History]) -> None:
        for each in histories:
            for ts, box, seen in zip(each.ts, each.xyxy.tolist(), each.seen, strict=True):
                self._rows.writerow(
                    (
                        self._camera_id, each.id, each.class_name, f"{ts:.3f}",
                        f"{ts - self._start_ts:.3f}", *(f"{side:.1f}" for side in box), int(seen),
                    )
                )  # fmt: skip


class _Writer:
    """What ``csv`` wants of a file."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self.write = write
