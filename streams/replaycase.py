"""A replay case: an alert that people closed, as a folder that says again, without worker and bus,
whether a scene tells of it: a true alarm has to be told of, a false one must not be.

The folder holds the camera's scene, what was kept around the alert as blocks of a segment, what is
expected, and a clip where there is one, which nothing reads.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from streams.citydocument import yaml_of
from streams.commands import MAX_TRACKS_BYTES
from streams.messages import MAX_NAME_CHARS
from streams.output import output_error
from streams.replaying import steps
from streams.scenefile import load_scene, scene_of
from streams.trackblocks import BlockError, blocks
from streams.yamlfile import Item, quoted, read_yaml
from vision.errors import ExpectationError, OutputError
from vision.kept import Kept
from vision.replay import Replay, why_not
from vision.scene import Scene
from vision.trials import Incident, rule_of
from vision.types import Event, JsonValue

SCENE: Final = "scene.yaml"
TRACKS: Final = "alert.tracks"
EXPECTED: Final = "expected.yaml"
CLIP: Final = "clip.mp4"
README: Final = "README.md"
FIELDS: Final = (
    "alert", "camera", "kind", "rule", "place", "told", "revision", "start", "raised", "end",
    "tracks",
)  # fmt: skip
SHOWN: Final = 5
FOLDER_MODE, FILE_MODE = 0o700, 0o600


@dataclass(frozen=True, slots=True)
class Expected:
    """The alert: of which rule it was, and whether it is to be ``told``; ``revision`` is that of
    the scene by which it was."""

    camera: str
    kind: str
    rule: str
    place: str
    told: bool
    revision: int
    incident: Incident

    def is_told_by(self, event: Event) -> bool:
        """Whether ``event`` tells of it, by a rule of that name or of that kind at that place."""
        same = event.rule == self.rule or event.place == self.place
        return event.kind == self.kind and same and self.incident.is_told_by(event)

    def __str__(self) -> str:
        alarm = "a true alarm" if self.told else "a false alarm"
        return (
            f"{alarm}, {self.kind} of rule {quoted(self.rule)} at {_iso(self.incident.raised_ts)}"
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a case: whether what is expected ``holds``, and what was told, in a
    sentence."""

    holds: bool
    said: str


def cases_in(folder: Path) -> list[Path]:
    """The folders of cases in ``folder``, or itself where it is one; by name. Raises
    ExpectationError where there is none."""
    if (folder / EXPECTED).exists():
        return [folder]
    try:
        found = sorted(each for each in folder.iterdir() if (each / EXPECTED).exists())
    except OSError as error:
        why = (error.strerror or "error").lower()
        raise ExpectationError(f"{folder} cannot be read ({why}): name a folder of cases") from None
    if not found:
        raise ExpectationError(
            f"{folder} holds no case, which has an {EXPECTED}: save one with 'matakota alerts case'"
        )
    return found


def run_case(folder: Path, scene: Path | None = None) -> Outcome:
    """Replay the case in ``folder`` with its own scene, or with another one. Raises
    ExpectationError for a case that cannot be run, SceneError for a scene that cannot be used."""
    expected = read_expected(folder / EXPECTED)
    drawn = load_scene(folder / SCENE if scene is None else scene)
    try:
        with (folder / TRACKS).open("rb") as file:
            data = file.read(MAX_TRACKS_BYTES + 1)
    except OSError as error:
        why = (error.strerror or "error").lower()
        raise ExpectationError(f"{folder / TRACKS} cannot be read ({why}): save it anew") from None
    return replayed(expected, drawn, data, str(folder / TRACKS))


def replayed(expected: Expected, scene: Scene, data: bytes, label: str) -> Outcome:
    """What the rules of ``scene`` tell of the blocks in ``data``. Raises as ``run_case``."""
    if len(data) > MAX_TRACKS_BYTES:
        raise ExpectationError(f"{label} is over {MAX_TRACKS_BYTES >> 20} MiB: is it of a case?")
    own = rule_of(scene, expected.rule)
    why = None if own is None else why_not(own)
    if why is not None:
        raise ExpectationError(f"rule {quoted(expected.rule)} {why}: it cannot be replayed")
    rules, events, pictures = Replay(scene), dict[str, Event](), 0
    for step in steps(_pictures(data, expected.camera, label), scene):
        said = () if step.follows else rules.broken()
        events |= {event.id: event for event in (*said, *rules.update(step.tracked))}
        pictures += 1
    events |= {event.id: event for event in rules.finish()}
    if not pictures:
        raise ExpectationError(f"{label} holds no tracks of camera {quoted(expected.camera)}")
    told = [event for event in events.values() if expected.is_told_by(event)]
    if told:
        first = min(told, key=lambda event: event.raised_ts)
        return Outcome(expected.told, f"{expected}: told as {_shown(first)}")
    others = sorted(events.values(), key=lambda event: event.raised_ts)
    rest = "; ".join(map(_shown, others[:SHOWN])) if others else "nothing"
    more = f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
    return Outcome(not expected.told, f"{expected}: not told; told was {rest}{more}")


def _pictures(data: bytes, camera: str, label: str) -> Iterator[Kept]:
    for block in blocks(data):
        try:
            pictures = [] if block is None else block.pictures()
        except BlockError:
            block = None
        if block is None:
            raise ExpectationError(f"{label} is damaged: save the case anew, or restore the file")
        yield from (kept for kept in pictures if kept.camera_id == camera)


# --- files


def save_case(
    folder: Path,
    expected: Expected,
    scene: Mapping[str, JsonValue],
    tracks: bytes,
    clip: bytes | None = None,
) -> None:
    """Write a case into ``folder``, which is made and must hold nothing; for its owner alone, since
    it tells where people were. Raises OutputError."""
    files = {
        SCENE: yaml_of(scene).encode(),
        TRACKS: tracks,
        README: _readme(expected, clip is not None).encode(),
        **({} if clip is None else {CLIP: clip}),
        # last, so that half a case is none
        EXPECTED: yaml_of(_fields(expected)).encode(),
    }
    try:
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        if next(folder.iterdir(), None) is not None:
            raise OutputError(f"{folder} is not empty: name a new folder")
        for name, data in files.items():
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            descriptor = os.open(folder / name, flags, FILE_MODE)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
    except OSError as error:
        raise output_error(folder, error, "folder") from None


def _fields(expected: Expected) -> dict[str, object]:
    incident = expected.incident
    place = {"place": expected.place} if expected.place else {}
    end = {} if incident.end_ts is None else {"end": _iso(incident.end_ts)}
    return {
        "alert": incident.id,
        "camera": expected.camera,
        "kind": expected.kind,
        "rule": expected.rule,
        **place,
        "told": expected.told,
        "revision": expected.revision,
        "start": _iso(incident.start_ts),
        "raised": _iso(incident.raised_ts),
        **end,
        "tracks": sorted(incident.track_ids),
    }


def _readme(expected: Expected, clip: bool) -> str:
    wanted = "must tell of it" if expected.told else "must not tell of it"
    shown = f" `{CLIP}` shows it, with heads and plates masked." if clip else ""
    return (
        f"# Alert {expected.incident.id}\n\n"
        f"Camera {expected.camera}: {expected}. A scene {wanted}: "
        f"`matakota cases run . --scene new.yaml` says whether it does.{shown}\n"
    )


def read_expected(path: Path) -> Expected:
    """What is expected, from a file. Raises ExpectationError, one line with file, line, field and
    the next step."""
    top = read_yaml(path, ExpectationError)
    fields = top.mapping()
    top.refuse_unknown(fields, FIELDS)

    def text(name: str, example: str) -> str:
        return top.required(fields, name, example).text(MAX_NAME_CHARS)

    start_ts = _time(top.required(fields, "start", "'2026-01-31T00:00:00.000Z'"))
    raised_ts = _time(top.required(fields, "raised", "'2026-01-31T00:00:00.000Z'"))
    end_ts = _time(fields["end"]) if "end" in fields else None
    if raised_ts < start_ts or (end_ts is not None and end_ts < start_ts):
        top.fail("it was raised, or was over, before it began; correct 'start', 'raised' or 'end'")
    tracks = fields["tracks"].items() if "tracks" in fields else []
    incident = Incident(
        text("alert", "5f0c1e"),
        start_ts,
        raised_ts,
        end_ts,
        frozenset(each.integer() for each in tracks),
    )
    place = fields.get("place")
    return Expected(
        camera=text("camera", "gate-7"),
        kind=text("kind", "intrusion"),
        rule=text("rule", "intrusion@yard"),
        place="" if place is None else place.text(MAX_NAME_CHARS),
        told=top.required(fields, "told", "false").flag(),
        revision=fields["revision"].integer() if "revision" in fields else 0,
        incident=incident,
    )


def scene_in(document: Mapping[str, JsonValue], camera: str) -> Scene:
    """The scene in a stored document. Raises SceneError."""
    return scene_of(dict(document), f"scene of {quoted(camera)}")


def _time(item: Item) -> float:
    text = item.text()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        item.fail(f"{quoted(text)} is no time; write '2026-01-31T00:00:00.000Z'")
    return moment.timestamp()


def _shown(event: Event) -> str:
    end = "" if event.end_ts is None else f" to {_iso(event.end_ts)}"
    return f"{event.kind} of rule {quoted(event.rule)} at {_iso(event.raised_ts)}{end}"


def _iso(ts: float) -> str:
    return f"{datetime.fromtimestamp(ts, UTC).isoformat(timespec='milliseconds')[:-6]}Z"
