"""Looks at one file of a survey, part by part, in a process of its own: who was seen, and what
that came to. The process tells on its standard output how far it is, a JSON object a line.
"""

from __future__ import annotations

import json
import logging
import math
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Final

import cv2
import structlog

from models.errors import ModelError
from models.zoo import resolve
from streams.detector import Detectors
from streams.files import ClipSource
from streams.keeper import BLOCK_S, MAX_PICTURES, MAX_ROWS
from streams.messages import CountsMessage
from streams.parentage import die_with_parent
from streams.replaying import steps
from streams.survey import Chunk, Counted, Manifest, counted, manifest_of, pictures, put, scene_of
from streams.trackblocks import encode
from vision.bins import Interval
from vision.errors import ClipError, MatakotaError, SurveyError
from vision.kept import Kept, kept_of
from vision.pipeline import Pipeline
from vision.recount import Recount
from vision.scene import Scene
from vision.types import Frame, Tracked

TOLD_S: Final = 0.5
"""So often is it told how far a file is."""
SLACK_S: Final = 1.0
"""A file says its length to about a picture; one that goes on for longer says it wrongly."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Job:
    """The file of that ``number`` of the survey in ``folder`` lies at ``path``; ``model`` is as it
    was asked for, and its weights are in ``cache``. With ``gaps``, what comes after a place that
    cannot be decoded, or where the file was cut off, is a gap, and no error."""

    folder: Path
    number: int
    path: Path
    model: str
    cache: Path
    gaps: bool = False

    @property
    def arguments(self) -> list[str]:
        """For the process that does it."""
        words = self.folder, self.number, self.path, self.model, self.cache, int(self.gaps)
        return [str(word) for word in words]

    @staticmethod
    def of(folder: str, number: str, path: str, model: str, cache: str, gaps: str) -> Job:
        """The job of these ``arguments``."""
        return Job(Path(folder), int(number), Path(path), model, Path(cache), bool(int(gaps)))


def look_through(job: Job, detectors: Detectors, told: Callable[[float], None]) -> None:
    """Look at all parts of a file that are not counted yet. ``told`` hears the time of the
    picture that was looked at last, UTC seconds. Raises MatakotaError."""
    manifest = manifest_of(job.folder)
    left = [each for each in manifest.chunks(job.number) if counted(job.folder, each) is None]
    if left:
        _File(job, manifest, detectors).look(left, told)


class _File:
    def __init__(self, job: Job, manifest: Manifest, detectors: Detectors) -> None:
        self._job, self._manifest, self._detectors = job, manifest, detectors
        self._scene = scene_of(job.folder, manifest)
        self._source = ClipSource(
            job.path,
            camera_id=manifest.camera,
            source_fps=_rate(manifest.source_fps),
            fps=_rate(manifest.fps),
            start_ts=manifest.files[job.number].start_ts,
            whole=not job.gaps,
        )
        self._running: list[_Part] = []

    def look(self, left: list[Chunk], told: Callable[[float], None]) -> None:
        file = self._manifest.files[self._job.number]
        with self._source as source:
            try:
                for frame in source.frames(left[0].lead_ts):
                    if frame.ts > file.end_ts + SLACK_S:
                        raise SurveyError(
                            f"{self._job.path} goes on after the {file.duration_s:.1f} s that it "
                            "is said to last: convert it to MP4, and survey anew"
                        )
                    while left and frame.ts >= left[0].lead_ts:
                        self._running.append(self._begun(left.pop(0)))
                    self._step(frame)
                    told(frame.ts)
            except ClipError as error:
                # what the disk does not give now it may give later
                if error.passing or not self._job.gaps:
                    raise
                log.warning("the rest of a file is a gap", why=str(error))
        # a file may be shorter than it says
        for chunk in left:
            self._running.append(self._begun(chunk))
        for part in [*self._running]:
            self._finish(part)

    def _step(self, frame: Frame) -> None:
        for part in [*self._running]:
            if frame.ts >= part.chunk.until_ts:
                self._finish(part)
            else:
                part.step(frame)

    def _begun(self, chunk: Chunk) -> _Part:
        """The part begins with the view as the part before it knows it."""
        if self._running:
            before = self._running[-1]
            view = before.hand_on()
        else:
            view = self._left(chunk)
        size = self._source.info.width, self._source.info.height
        finder, settings = self._detectors.get(self._job.model, size, self._scene)
        pipeline = Pipeline(_bare(self._scene), finder, settings, view)
        return _Part(chunk, pipeline, self._manifest)

    def _left(self, chunk: Chunk) -> str | None:
        """The view as the part before ``chunk``, of this file or the one before, left it."""
        chunks = self._manifest.chunks(chunk.number)
        place = chunks.index(chunk)
        if place == 0 and waits_for(self._job.folder, self._manifest, self._scene, chunk.number):
            raise SurveyError(
                f"the file before {self._job.path} is not counted yet, so nobody knows how the "
                "camera's view looked: count that first"
            )
        before = chunks[place - 1] if place else self._manifest.before(chunk.number)
        done = None if before is None else counted(self._job.folder, before)
        return None if done is None else done.view

    def _finish(self, part: _Part) -> None:
        folder = self._job.folder
        put(folder / part.chunk.tracks, b"".join(part.blocks()))
        found = count(folder, part.chunk, self._manifest, self._scene)
        found = found.model_copy(update={"view": part.hand_on()})
        put(folder / part.chunk.counted, found.model_dump_json(by_alias=True).encode())
        self._running.remove(part)


class _Part:
    """A part that is looked at."""

    def __init__(self, chunk: Chunk, pipeline: Pipeline, manifest: Manifest) -> None:
        self.chunk = chunk
        self._view: str | None = None
        self._handed_on = False
        self._pipeline = pipeline
        self._manifest = manifest
        self._packed: list[bytes] = []
        self._pictures: list[Kept] = []
        self._rows = self._number = 0
        self._known: frozenset[int] = frozenset()

    def hand_on(self) -> str | None:
        """How the view looked when this was first asked: what the next part began with, be it
        nothing yet, is kept for whoever goes on after an interruption."""
        if not self._handed_on:
            self._view, self._handed_on = self.learnt, True
        return self._view

    @property
    def learnt(self) -> str | None:
        return self._pipeline.learnt

    def step(self, frame: Frame) -> None:
        self._keep(self._pipeline.step(frame).tracked)

    def blocks(self) -> list[bytes]:
        """All that was seen."""
        self._pack()
        return self._packed

    def _keep(self, tracked: Tracked) -> None:
        w, h = self._pipeline.scene.frame_size
        kept = kept_of(
            tracked,
            frame_size=(w, h),
            looked_for=self._manifest.looked_for,
            known=self._known,
            run=self.chunk.lead_ts,
            number=self._number,
        )
        full = len(self._pictures) >= MAX_PICTURES or self._rows >= MAX_ROWS
        if self._pictures and (full or kept.ts - self._pictures[0].ts >= BLOCK_S):
            self._pack()
        self._pictures.append(kept)
        self._rows += len(kept.rows)
        self._number += 1
        self._known = frozenset(kept.rows.id.tolist())

    def _pack(self) -> None:
        if self._pictures:
            self._packed.append(encode(self._pictures))
        self._pictures, self._rows = [], 0


def count(folder: Path, chunk: Chunk, manifest: Manifest, scene: Scene) -> Counted:
    """What a part comes to by ``scene``, out of what was seen of it. Raises SurveyError and
    SceneError."""
    found = list[Interval]()
    for each in _recounted(pictures(folder, chunk), chunk, manifest, scene):
        if chunk.start <= each.start_ts < chunk.end:
            found.append(each)
        elif each.counts or each.late:
            found.append(_passed(each))
    return Counted(
        view=None, intervals=tuple(CountsMessage.of(each, synthetic=False) for each in found)
    )


def _passed(interval: Interval) -> Interval:
    """Who passed in a minute that another part watched."""
    nothing = MappingProxyType[str, float]({})
    return replace(
        interval, observed_s=0.0, frames=0, blind_s=0.0, observed=nothing, occupied=nothing
    )


def _recounted(
    kept: Iterable[Kept], chunk: Chunk, manifest: Manifest, scene: Scene
) -> list[Interval]:
    recount = Recount(
        manifest.camera,
        scene,
        scene.classes or manifest.looked_for,
        groups=manifest.groups,
        seen=manifest.seen_in(scene),
        since_ts=chunk.start,
        until_ts=math.inf if chunk.last else chunk.end,
    )
    for step in steps(kept, scene):
        recount.update(step.tracked)
    if not chunk.last:
        return recount.finish()
    later = manifest.files[chunk.number + 1 :]
    next_ts = later[0].start_ts if later else math.inf
    return recount.finish(manifest.files[chunk.number].end_ts, next_ts)


def waits_for(folder: Path, manifest: Manifest, scene: Scene, number: int) -> Chunk | None:
    """What has to be counted before the file of that number can be looked at: the part at whose
    end it is known how the camera's view looks, where ``scene`` does not state it."""
    before = manifest.before(number)
    if scene.view is not None or before is None or (folder / before.counted).exists():
        return None
    return before


def _bare(scene: Scene) -> Scene:
    """``scene`` with nothing drawn on it: who is there is only followed."""
    presets = tuple(replace(each, scene=_bare(each.scene)) for each in scene.presets)
    return replace(scene, lines=(), zones=(), movements=(), rules=(), presets=presets)


def _rate(text: str | None) -> Fraction | None:
    return None if text is None else Fraction(text)


# --- the process itself


class Teller:
    """Tells how far a file is, now and then."""

    def __init__(self) -> None:
        self._told_s = -TOLD_S

    def __call__(self, ts: float) -> None:
        now_s = time.monotonic()
        if now_s - self._told_s >= TOLD_S:
            self._told_s = now_s
            tell({"ts": ts})


def tell(what: Mapping[str, str | float]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main(parent: str, *arguments: str) -> None:
    """Do the job of these ``arguments``, and die with the process ``parent``."""
    die_with_parent(int(parent))
    cv2.setNumThreads(1)
    # what is told is told on standard output
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    job = Job.of(*arguments)
    try:
        providers = manifest_of(job.folder).providers
        detectors = Detectors(lambda name: resolve(name, cache=job.cache), providers)
        look_through(job, detectors, Teller())
    except (MatakotaError, ModelError) as error:
        tell({"error": str(error)})


if __name__ == "__main__":
    main(*sys.argv[1:])
