"""Which clips are looked through for incidents, what is done to them, and what must be reported,
from a YAML file (``docs/evaluation.md``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Final, get_args

from streams import samples
from streams.evaluation.changes import (
    FAULTS,
    MOST,
    RAMPS_S,
    ChangeKind,
    Edge,
    backwards,
    changed,
    loop,
)
from streams.evaluation.clips import ONNX, Entry, Rate, entries
from streams.evaluation.paste import People
from streams.evaluation.pasting import Laid, pasted, read_paste
from streams.expectations import EVENT_FIELDS, EventExpectation, read_event, read_window
from streams.files import ClipInfo, ClipSource
from streams.yamlfile import Item, did_you_mean, listed, quoted, read_yaml
from vision.errors import ExpectationError
from vision.scene import Scene
from vision.types import Frame

FILM_FIELDS = (
    "name", "clip", "sample", "local", "scene", "model", "fps", "source_fps", "watch", "loop_s",
    "reverse", "paste", "changes", "changed_s", "events",
)  # fmt: skip
CHANGE_FIELDS = ("kind", "strength", "edge")
EXPECTED_FIELDS = (
    *(field for field in EVENT_FIELDS if field not in ("tolerance", "none")), "due_s", "optional",
)  # fmt: skip
EXAMPLE = "[{clip: FILE, scene: FILE, events: […]}]"
RATE: Final = Fraction(5)
"""Frames a second that are analysed unless the list says otherwise."""
CHANGED_S: Final = (20.0, 40.0)
NOTICED_S: Final = 3.0
"""Seconds in which a change of the view must be noticed, and its end."""
SLACK_S: Final = 1.0
"""Seconds by which a fault may be said to have begun before the change: what froze froze with the
last picture before it."""
MAX_LOOP_S = 3600.0
UNTOUCHED: Final = "none"


@dataclass(frozen=True, slots=True)
class Change:
    """What is done to the camera from ``start_s`` to ``end_s``, as ``changes.changed`` does it."""

    kind: ChangeKind
    start_s: float
    end_s: float
    strength: float | None = None
    edge: Edge = "window"

    @property
    def name(self) -> str:
        """The kind, and what is not as usual."""
        strength = [] if self.strength is None else [f"{self.strength:g}"]
        return " ".join([self.kind, *strength, *([] if self.edge == "window" else [self.edge])])


@dataclass(frozen=True, slots=True)
class Expected:
    """An event that must be reported, or may be where it is ``optional``. It should be at
    ``due_s`` (seconds since the first frame); None: at the middle of its start's window and the
    rule's own dwell later."""

    event: EventExpectation
    due_s: float | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Film:
    """One clip as the pipeline gets to see it. ``clip`` is what it is called in the list, ``name``
    is its own; ``model`` is None where nobody is looked for and only the camera's own rules
    watch; ``scene_path`` is the file of ``scene``, None where there is none. ``reverse`` plays it
    backwards."""

    clip: str
    path: Path
    info: ClipInfo
    scene_path: Path | None
    scene: Scene
    model: str | None
    rate: Rate
    source_fps: Fraction | None
    loop_s: float | None
    laid: tuple[Laid, ...]
    change: Change | None
    expected: tuple[Expected, ...]
    reverse: bool = False

    @property
    def name(self) -> str:
        """What tells it from the other films."""
        return self.clip if self.change is None else f"{self.clip}, {self.change.name}"

    @property
    def files(self) -> tuple[Path, ...]:
        """What is read of it."""
        models = (Path(self.model),) if self.model and self.model.endswith(ONNX) else ()
        return self.path, *((self.scene_path,) if self.scene_path else ()), *models

    def frames(self, rate: Rate, people: People) -> Iterator[Frame]:
        """Its pictures, ``rate`` a second; their ``ts`` is seconds since the first. ``people`` are
        in front of what is laid into them. Raises ClipError where the clip breaks off, or is too
        large to play backwards."""
        fps = None if rate == "full" else rate
        with ClipSource(
            self.path, camera_id=self.clip, source_fps=self.source_fps, fps=fps
        ) as source:
            if self.reverse:
                shown = backwards(source)
            else:
                shown = source.frames() if self.loop_s is None else loop(source, self.loop_s)
            if self.laid:
                shown = pasted(shown, self.laid, self.path, self.source_fps, people)
            change = self.change
            if change is not None:
                shown = changed(
                    shown,
                    change.kind,
                    change.start_s,
                    change.end_s,
                    strength=change.strength,
                    edge=change.edge,
                )
            yield from shown


@dataclass(frozen=True, slots=True, eq=False)
class FilmList:
    """What is to be looked through; ``skipped`` and ``files`` as in ``manifest.Manifest``."""

    films: tuple[Film, ...]
    skipped: tuple[str, ...]
    files: tuple[Path, ...]


def load_films(
    path: Path, places: samples.Places, *, default_model: str, skip_missing: bool = False
) -> FilmList:
    """The films of a list. Raises as ``manifest.load_manifest`` does."""
    top = read_yaml(path, ExpectationError)
    here, skipped = entries(
        top, path.parent, places, FILM_FIELDS, example=EXAMPLE, skip_missing=skip_missing
    )
    films = tuple(film for entry in here for film in _films(entry, default_model))
    files = dict.fromkeys(file for film in films for file in film.files)
    return FilmList(films, tuple(skipped), (path, *files))


def _films(entry: Entry, default_model: str) -> list[Film]:
    """The clip of ``entry`` as it is, or once for each change."""
    fields, clip = entry.fields, entry.opened()
    size = clip.info.width, clip.info.height
    camera_only = "watch" in fields and _one_of(fields["watch"], ("all", "camera")) == "camera"
    if camera_only:
        for name in ("scene", "model", "paste"):
            if name in fields:
                fields[name].fail("'watch: camera' looks for nobody; remove this field")
    drawn = None if camera_only else entry.scene(size)
    if drawn is None and not camera_only:
        entry.fail_without_scene()
    scene_path, scene = drawn or (None, Scene(size))
    untouched = Film(
        clip=entry.name,
        path=clip.path,
        info=clip.info,
        scene_path=scene_path,
        scene=scene,
        model=None if camera_only else entry.model(default_model),
        rate=entry.rate(RATE),
        source_fps=clip.source_fps,
        loop_s=_seconds(fields["loop_s"]) if "loop_s" in fields else None,
        laid=read_paste(fields["paste"], size) if "paste" in fields else (),
        change=None,
        expected=_expected(entry, scene, camera_only),
        reverse="reverse" in fields and fields["reverse"].flag(),
    )
    if untouched.reverse and untouched.loop_s is not None:
        fields["reverse"].fail("'loop_s' plays it forth and back; remove one of the two")
    changes = _changes(fields, untouched)
    return [
        untouched
        if change is None
        else replace(untouched, change=change, expected=(*untouched.expected, _of_change(change)))
        for change in changes
    ]


def _of_change(change: Change) -> Expected:
    """What a change of the view must bring: one event of its own kind, in time."""
    start_s, end_s = change.start_s, change.end_s
    return Expected(
        EventExpectation(
            kind=f"camera_{FAULTS[change.kind]}",
            rule=None,
            place=None,
            start_s=(start_s - SLACK_S, start_s + NOTICED_S),
            raised_s=(start_s - SLACK_S, start_s + NOTICED_S),
            end_s=(end_s - NOTICED_S, end_s + NOTICED_S),
            count=1,
            tolerance=0,
        ),
        due_s=start_s,
    )


def _expected(entry: Entry, scene: Scene, camera_only: bool) -> tuple[Expected, ...]:
    if "events" not in entry.fields:
        if camera_only:
            return ()
        entry.item.fail(
            "field 'events' is missing; add 'events: []' where nothing must be reported"
        )
    found: list[Expected] = []
    for item in entry.fields["events"].items():
        event = read_event(item, scene, EXPECTED_FIELDS)
        fields = item.mapping()
        if event.kind is None:
            item.fail("field 'kind' is missing; add 'kind: intrusion'")
        if not fields.keys() & {"start_s", "due_s"}:
            item.fail("nothing says when; add 'start_s: [from, to]' or 'due_s'")
        if event.count == 0:
            item.fail("what is not listed must not be reported anyway; remove this entry")
        due_s = fields["due_s"].number() if "due_s" in fields else None
        optional = "optional" in fields and fields["optional"].flag()
        one = replace(event, count=1)
        found += [Expected(one, due_s, optional)] * (1 if event.count is None else event.count)
    return tuple(found)


def _changes(fields: Mapping[str, Item], film: Film) -> list[Change | None]:
    """What is done to the clip, each in a film of its own; None for nothing."""
    if "changes" not in fields:
        if "changed_s" in fields:
            fields["changed_s"].fail("nothing is changed; add 'changes: [pan]' or remove this")
        return [None]
    window = fields.get("changed_s")
    start_s, end_s = CHANGED_S if window is None else read_window(window)
    length_s = film.info.duration_s if film.loop_s is None else film.loop_s
    if not 0 < start_s < end_s < length_s:
        (fields["changes"] if window is None else window).fail(
            f"a change from {start_s:g} to {end_s:g} s does not fit into {length_s:g} s; write "
            "'loop_s', or another 'changed_s: [from, to]'"
        )
    found: list[Change | None] = []
    names: set[str] = set()
    for item in fields["changes"].items():
        change = _change(item, start_s, end_s)
        if change is not None and 2 * RAMPS_S[change.kind] > end_s - start_s:
            item.fail(
                f"a {change.kind} takes {RAMPS_S[change.kind]:g} s to come and as long to go, more "
                f"than there is from {start_s:g} to {end_s:g} s; write a longer 'changed_s'"
            )
        name = UNTOUCHED if change is None else change.name
        if name in names:
            item.fail(f"{quoted(name)} is listed already; remove one of the two")
        names.add(name)
        found.append(change)
    if not found:
        fields["changes"].fail("nothing is listed; write what is done, or remove the field")
    return found


def _change(item: Item, start_s: float, end_s: float) -> Change | None:
    if not item.is_mapping:
        kind = _one_of(item, (UNTOUCHED, *FAULTS))
        return None if kind == UNTOUCHED else Change(_kind(kind), start_s, end_s)
    fields = item.mapping()
    item.refuse_unknown(fields, CHANGE_FIELDS)
    kind = _kind(_one_of(item.required(fields, "kind", "pan"), tuple(FAULTS)))
    strength = None
    if "strength" in fields:
        strength = fields["strength"].number()
        least = -MOST[kind] if kind in ("pan", "tilt") else 0
        if strength == 0 or not least <= strength <= MOST[kind]:
            fields["strength"].fail(
                f"{strength:g} is no strength of a {kind}; write a number up to {MOST[kind]:g}"
            )
    edges: dict[str, Edge] = {edge: edge for edge in get_args(Edge)}
    edge = edges[_one_of(fields["edge"], tuple(edges))] if "edge" in fields else "window"
    return Change(kind, start_s, end_s, strength, edge)


def _kind(name: str) -> ChangeKind:
    kinds: dict[str, ChangeKind] = {kind: kind for kind in get_args(ChangeKind)}
    return kinds[name]


def _seconds(item: Item) -> float:
    value = item.number()
    if not 0 < value <= MAX_LOOP_S:
        item.fail(f"{value:g} is no length; write seconds, up to {MAX_LOOP_S:g}")
    return value


def _one_of(item: Item, known: tuple[str, ...]) -> str:
    name = item.text()
    if name not in known:
        hint = did_you_mean(name, known) or f"; known are {listed(known)}"
        item.fail(f"{quoted(name)} is unknown here{hint}")
    return name
