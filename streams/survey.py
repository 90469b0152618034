"""A recorded survey as it lies in its folder: what was recorded, what was seen, what was counted.

``survey.json`` says of what and how, ``scene.yaml`` what was drawn, ``counts.jsonl`` holds the
intervals as a worker states them, and exists once all is counted. ``chunks/`` holds for each part
of a file who was seen in it (``trackblocks``) and what that came to: a survey that is interrupted
goes on behind the last of them. Parts begin at round times and each is looked at from some time
before it until some time after it, as if it were alone but for the camera's view, so that it never
matters where a survey was interrupted. Who passed counts in the part in which that was decided.
"""

from __future__ import annotations

import fcntl
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from streams.messages import CountsMessage, MessageError, decode, encode
from streams.output import Place, output_error
from streams.scenefile import load_scene
from streams.trackblocks import BlockError, blocks
from vision.bins import SECONDS, Interval
from vision.errors import SurveyError
from vision.kept import Kept
from vision.merging import merged
from vision.region import Box
from vision.scene import Scene

MANIFEST: Final = "survey.json"
SCENE: Final = "scene.yaml"
COUNTS: Final = "counts.jsonl"
CHUNKS: Final = "chunks"
LOCK: Final = ".lock"

CHUNK_MIN: Final = 15
"""A kill loses so many minutes of a recording at most, in each process."""
LEAD_S: Final = 60.0
"""Who is there at a part's beginning, and the view, are known from so long before it."""
TAIL_S: Final = 15.0
"""Whether what was in doubt at its end was watched is known so long after it."""

M = TypeVar("M", bound=BaseModel)


class _Form(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SurveyFile(_Form):
    """A file of the recording: its name without its folder, its hash and size, and when its first
    picture was taken (UTC seconds), for how long and how many it goes on."""

    name: str
    sha256: str
    size: int
    start_ts: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    duration_s: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    frames: int

    @property
    def end_ts(self) -> float:
        return self.start_ts + self.duration_s


class Chunk(NamedTuple):
    """A part of the file of that ``number``: the seconds from ``start`` up to ``end``, looked at
    from ``lead_ts`` until ``until_ts``; ``last`` is the file's last one."""

    number: int
    start: int
    end: int
    lead_ts: float
    until_ts: float
    last: bool

    @property
    def name(self) -> str:
        return f"{self.number:04d}-{self.start}"

    @property
    def tracks(self) -> str:
        return f"{CHUNKS}/{self.name}.tracks"

    @property
    def counted(self) -> str:
        return f"{CHUNKS}/{self.name}.json"


class Manifest(_Form):
    """What a survey is of, and all that decides what comes out of it.

    ``picture_size`` (w, h) px is that of the pictures, ``frame_size`` the one that tracks are in
    px of. ``looked_for`` are the classes that were looked for, ``groups`` numbers those that may
    continue each other, ``seen`` is the part of a picture of ``frame_size`` that was looked at.
    ``of`` is the hash of the survey that this one counts again.
    """

    schema_version: Literal[1] = 1
    program: str
    camera: Annotated[str, Field(min_length=1, max_length=120)]
    files: Annotated[tuple[SurveyFile, ...], Field(min_length=1)]
    scene_sha256: str
    model: str
    model_sha256: str
    providers: tuple[str, ...]
    fps: str | None
    source_fps: str | None
    picture_size: tuple[int, int]
    frame_size: tuple[int, int]
    looked_for: tuple[str, ...]
    groups: dict[str, int]
    seen: Box | None
    chunk_s: Annotated[int, Field(ge=SECONDS, multiple_of=SECONDS)]
    lead_s: float = LEAD_S
    tail_s: float = TAIL_S
    of: str | None = None

    @property
    def seconds(self) -> float:
        """How long all files are together."""
        return sum(file.duration_s for file in self.files)

    def begins(self, number: int) -> float:
        """When the first picture of that file was taken that is in none before it."""
        file = self.files[number]
        return max(file.start_ts, *(each.end_ts for each in self.files[:number]), 0.0)

    def chunks(self, number: int) -> list[Chunk]:
        """The parts of the file of that number, by time; none where all is in those before it."""
        file, size, begins = self.files[number], self.chunk_s, self.begins(number)
        starts = range(math.floor(begins / size) * size, math.ceil(file.end_ts), size)
        return [
            Chunk(
                number,
                start,
                start + size,
                max(begins, start - self.lead_s),
                start + size + self.tail_s,
                start == starts[-1],
            )
            for start in starts
        ]

    def before(self, number: int) -> Chunk | None:
        """The last part of the files before that one, None where there is none."""
        parts = (self.chunks(each) for each in reversed(range(number)))
        return next((found[-1] for found in parts if found), None)

    def seen_in(self, scene: Scene) -> Box | None:
        """What was looked at, in px of ``scene``. Raises SceneError for one of another shape."""
        by = scene.scale_from(self.frame_size) * 2
        if self.seen is None:
            return None
        x, y, w, h = (round(side * factor) for side, factor in zip(self.seen, by, strict=True))
        return x, y, w, h

    @property
    def text(self) -> str:
        """As it stands in its file."""
        return self.model_dump_json(indent=1) + "\n"


class Counted(_Form):
    """What a part came to, and how the camera's view looked when the next one began, or when its
    file ended. Minutes before the part hold only who passed in them and was decided in it."""

    view: str | None
    intervals: tuple[CountsMessage, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """A survey that is counted: ``intervals`` by time, of ``scene``."""

    folder: Path
    manifest: Manifest
    scene: Scene
    intervals: tuple[Interval, ...]

    @property
    def camera(self) -> str:
        return self.manifest.camera

    @property
    def model(self) -> str:
        return self.manifest.model

    @property
    def files(self) -> tuple[SurveyFile, ...]:
        return self.manifest.files

    def pictures(self, from_ts: float, to_ts: float) -> Iterator[Kept]:
        """Who was seen in each analysed picture from ``from_ts`` up to ``to_ts``. Numbers of tracks
        begin anew where ``Kept.run`` is another. Raises SurveyError."""
        for number in range(len(self.files)):
            for chunk in self.manifest.chunks(number):
                if chunk.start < to_ts and chunk.end > from_ts:
                    for kept in pictures(self.folder, chunk):
                        inside = chunk.start <= kept.ts < chunk.end
                        if inside and from_ts <= kept.ts < to_ts:
                            yield kept


def read(folder: Path) -> Survey:
    """The survey in ``folder``. Raises SurveyError where there is none, or it is not finished."""
    manifest = manifest_of(folder)
    try:
        lines = (folder / COUNTS).read_text("utf-8").splitlines()
    except FileNotFoundError:
        raise SurveyError(
            f"the survey in {folder} is not finished: run the command that began it again"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SurveyError(f"{folder / COUNTS} cannot be read ({error}): survey anew") from None
    return Survey(
        folder, manifest, scene_of(folder, manifest), tuple(_interval(folder, s) for s in lines)
    )


def manifest_of(folder: Path) -> Manifest:
    """What the survey in ``folder`` is of. Raises SurveyError where there is none."""
    if not (folder / MANIFEST).exists():
        raise SurveyError(f"there is no survey in {folder}: name a folder that 'survey' wrote")
    return _load(folder / MANIFEST, Manifest)


def scene_of(folder: Path, manifest: Manifest) -> Scene:
    """What was drawn for the survey in ``folder``. Raises SceneError."""
    return load_scene(folder / SCENE, default_frame_size=manifest.picture_size)


def counted(folder: Path, chunk: Chunk) -> Counted | None:
    """What a part came to, None where it is not counted yet. Raises SurveyError."""
    path = folder / chunk.counted
    return _load(path, Counted) if path.exists() else None


def pictures(folder: Path, chunk: Chunk) -> Iterator[Kept]:
    """All pictures of a part that were kept, those before and after it included. Raises
    SurveyError where there are none, or they are damaged."""
    path = folder / chunk.tracks
    try:
        for block in blocks(path.read_bytes()):
            if block is None:
                raise BlockError("a part of it is torn")
            yield from block.pictures()
    except FileNotFoundError:
        raise SurveyError(
            f"{path} is missing, so nothing can be counted again: name the folder that 'survey' "
            "wrote"
        ) from None
    except (OSError, BlockError) as error:
        raise SurveyError(f"{path} is damaged ({error}): survey anew") from None


def finish(folder: Path, found: Sequence[Counted]) -> list[Interval]:
    """State what all parts came to together, by time, and write it to ``folder``."""
    every = [message.interval for each in found for message in each.intervals]
    every.sort(key=lambda each: each.start_ts)
    whole = []
    for start_ts, group in groupby(every, lambda each: each.start_ts):
        # two files may share a minute, and who passed in one may be decided in a later part
        of_one = list(group)
        one = of_one[0] if len(of_one) == 1 else merged(of_one, start_ts, SECONDS)
        whole.append(replace(one, version=1))
    lines = [encode(CountsMessage.of(each, synthetic=False)) + "\n" for each in whole]
    put(folder / COUNTS, "".join(lines).encode())
    return whole


def begin(folder: Path, manifest: Manifest, scene: bytes) -> None:
    """Begin a survey in ``folder``, which is its owner's alone from then on, or find in it what was
    begun with the same. Raises SurveyError where it holds something else, and OutputError."""
    path = folder / MANIFEST
    if path.exists():
        _refuse_another(folder, manifest, _load(path, Manifest))
    elif any(each.name != LOCK and not _left(each) for each in folder.iterdir()):
        raise SurveyError(f"{folder} holds other files: name an empty folder, or a new one")
    with _errors(folder):
        # it says where people were
        folder.chmod(0o700)
        for each in [*folder.glob(".*.part-*"), *folder.glob(f"{CHUNKS}/.*.part-*")]:
            each.unlink(missing_ok=True)
    put(folder / SCENE, scene)
    put(path, manifest.text.encode())
    with _errors(folder):
        # a folder without a survey must not have it: it would be taken for somebody else's
        (folder / CHUNKS).mkdir(mode=0o700, exist_ok=True)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Nobody else writes to ``folder``, which is made where it is missing. Raises SurveyError and
    OutputError."""
    with _errors(folder):
        folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(folder / LOCK, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SurveyError(
                f"another survey is writing to {folder}: wait until it ends, or name another --out"
            ) from None
        yield
    finally:
        os.close(descriptor)


def put(path: Path, content: bytes) -> None:
    """Write a file whole, on the disk when this returns, or not at all. Raises OutputError."""
    place = Place(path, option="--out")
    try:
        with place.errors():
            place.part.write_bytes(content)
        place.commit()
        with place.errors():
            descriptor = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
    finally:
        place.discard()


@contextmanager
def _errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise output_error(folder, error, "--out") from error


def _left(path: Path) -> bool:
    """Whether an earlier try left this file before there was a survey."""
    return path.name == SCENE or (path.name.startswith(".") and ".part-" in path.name)


_FIELDS: Final = {
    "program": "was begun with another version of matakota",
    "camera": "is of another camera",
    "picture_size": "is of pictures of another size",
    "files": "is of other files, or of other times",
    "scene_sha256": "is of another scene",
    "model": "is of another model",
    "model_sha256": "is of another model",
    "fps": "was begun with another --fps",
    "source_fps": "was begun with another --source-fps",
    "providers": "was begun with another --provider",
    "chunk_s": "was begun with another --chunk",
    "of": "counts another survey",
}


def _refuse_another(folder: Path, wanted: Manifest, there: Manifest) -> None:
    for field in Manifest.model_fields:
        if getattr(wanted, field) != getattr(there, field):
            why = _FIELDS.get(field, f"differs in {field}")
            raise SurveyError(
                f"the survey in {folder} {why}: name another --out, or repeat the command that "
                "began it"
            )


def _load(path: Path, form: type[M]) -> M:
    try:
        return form.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or path.name
        raise SurveyError(f"{path} is damaged ({where}: {first['msg']}): survey anew") from None
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise SurveyError(f"{path} cannot be read ({why}): correct that") from None


def _interval(folder: Path, line: str) -> Interval:
    try:
        message = decode(line)
    except MessageError as error:
        raise SurveyError(f"{folder / COUNTS} is damaged ({error}): survey anew") from None
    if not isinstance(message, CountsMessage):
        raise SurveyError(f"{folder / COUNTS} is damaged (it tells of an alert): survey anew")
    return message.interval
