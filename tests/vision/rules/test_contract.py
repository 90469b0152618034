"""What every incident kind keeps to, whoever wrote it. A new kind needs nothing here."""

from __future__ import annotations

import dataclasses
import importlib
import re
import typing
from collections.abc import Mapping, Set
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.needs import REPO
from tests.vision.rules.scenarios import T0, Scenario, Walker, film, last_words, play, rule
from vision.policy import STREAM_KINDS
from vision.rules import registry
from vision.rules.base import Rule
from vision.scene import RuleConfig
from vision.types import Detections, Event, Tracked

KINDS = sorted(registry.kinds())
UNITS = {
    "_s": "s",
    "_px": "px",
    "_share": "0..1",
    "_score": "0..1",
    "_heights": "box heights",
    "_m": "m",
    "_kmh": "km/h",
    "_deg": "°",
    "_per_m2": "/m²",
    "_count": "",
}
"""Endings of numeric settings, and what the documentation calls their unit."""
COMMON_DETAILS = {"class", "class_share", "foot_px", "box_px"}
DOCS = REPO / "docs" / "incidents.md"

every_kind = pytest.mark.parametrize("kind", KINDS)


def scenario(kind: str) -> Scenario:
    """The kind's own recorded scenario, ``SCENARIO`` of its test file."""
    found = importlib.import_module(f"tests.vision.rules.test_{kind}").SCENARIO
    assert isinstance(found, Scenario)
    return found


def fresh(kind: str, *, name: str = "watch") -> Rule:
    return rule(kind, scenario(kind).settings, name=name)


def played(kind: str, *, name: str = "watch", **filming: Any) -> list[Event]:
    steps = scenario(kind).film(**filming)
    return play(fresh(kind, name=name), steps, scenario(kind).scene)


def empty_step(index: int, *, ended: tuple[int, ...] = ()) -> Tracked:
    nothing = np.zeros(0, np.int32)
    return Tracked(
        "cam", index, T0 + index / 10, ("person",), Detections.empty(), nothing, (), ended
    )


# --- settings -----------------------------------------------------------------------------------


def numeric(hint: Any) -> bool:
    """Whether values of this type are numbers, also optional ones and tuples of them."""
    return hint in (int, float) or any(numeric(part) for part in typing.get_args(hint))


@every_kind
def test_settings_are_frozen_with_defaults_units_and_help(kind: str) -> None:
    made = registry.kinds()[kind]
    assert made.place in ("zone", "line", "camera")
    assert isinstance(made.classes, tuple)
    assert dataclasses.is_dataclass(made.Settings)
    assert made.Settings.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert made.Settings() == made.Settings(), "settings are values, and all have defaults"
    hints = typing.get_type_hints(made.Settings)
    for setting in dataclasses.fields(made.Settings):
        text = setting.metadata.get("help", "")
        assert re.fullmatch(r"[A-Z].+\.", text), f"{kind}.{setting.name} has no sentence of help"
        if numeric(hints[setting.name]):
            assert setting.name.endswith(tuple(UNITS)), f"{kind}.{setting.name} names no unit"


@every_kind
def test_thresholds_are_numbers_of_the_settings_within_what_the_rule_takes(kind: str) -> None:
    made = registry.kinds()[kind]
    hints = typing.get_type_hints(made.Settings)
    names = [threshold.name for threshold in made.thresholds]
    assert len(names) == len(set(names))
    # what is tried on tracks has one, but for what has no number
    tracks_alone = made.place != "camera" and not made.stages and not made.raw_boxes
    assert bool(names) is (tracks_alone and any(map(numeric, hints.values())))
    for threshold in made.thresholds:
        hint, now = hints[threshold.name], getattr(made.Settings(), threshold.name)
        assert numeric(hint), f"{kind}.{threshold.name} is no number"
        if hint is int:
            assert all(isinstance(v, int) for v in (threshold.low, threshold.high, threshold.step))
        for value in (threshold.low, threshold.high):
            made.Settings(**{threshold.name: value})
        if now is not None:
            assert threshold.low <= now <= threshold.high
            assert threshold.beyond(now), f"{kind}.{threshold.name} cannot be stricter"


@every_kind
def test_a_stricter_threshold_tells_of_no_more(kind: str) -> None:
    as_it_is = len(last_words(played(kind)))
    for threshold in registry.kinds()[kind].thresholds:
        now = getattr(fresh(kind).config.settings, threshold.name)
        for value in () if now is None else threshold.beyond(now):
            typed = int(value) if isinstance(now, int) else value
            changed = {**scenario(kind).settings, threshold.name: typed}
            watcher = rule(kind, changed)
            stated = play(watcher, scenario(kind).film(), scenario(kind).scene)
            assert len(last_words(stated)) <= as_it_is, (threshold.name, value)


# --- events -------------------------------------------------------------------------------------


@every_kind
def test_the_scenario_makes_it_fire_and_every_event_ends(kind: str) -> None:
    stated = played(kind)
    assert stated, f"the scenario of {kind} makes nothing happen"
    for event in last_words(stated):
        assert event.kind == kind
        assert event.rule == "watch"
        assert event.camera_id == "cam"
        assert event.end_ts is not None
        assert event.details["why"]
    # a statement never changes but for its end
    for event in stated:
        (final,) = [other for other in last_words(stated) if other.id == event.id]
        assert (event.start_ts, event.raised_ts) == (final.start_ts, final.raised_ts)
        assert event.details.items() <= final.details.items()


corners = st.lists(
    st.tuples(st.floats(0.1, 4), st.integers(0, 640), st.integers(0, 360)), min_size=2, max_size=6
)


@every_kind
@settings(max_examples=12)
@given(walks=st.lists(corners, min_size=1, max_size=3), fps=st.sampled_from([4, 10, 25]))
def test_whoever_walks_events_open_once_and_close_once(
    kind: str, walks: list[list[tuple[float, int, int]]], fps: int
) -> None:
    walkers = []
    for walk in walks:
        times = np.cumsum([seconds for seconds, _, _ in walk]).tolist()
        path = tuple((t, float(x), float(y)) for t, (_, x, y) in zip(times, walk, strict=True))
        walkers.append(Walker(path))
    opened: set[str] = set()
    closed: set[str] = set()
    watcher = fresh(kind)
    for step in film(walkers, fps=fps):
        for event in watcher.update(step, scenario(kind).scene):
            assert event.id not in closed
            if event.id not in opened:
                assert event.raised_ts == step.ts
            opened.add(event.id)
            if event.end_ts is not None:
                assert T0 <= event.start_ts <= event.end_ts <= step.ts
                closed.add(event.id)
    assert closed == opened, "every track has ended"


@every_kind
def test_an_empty_frame_yields_nothing(kind: str) -> None:
    watcher, scene = fresh(kind), scenario(kind).scene
    assert play(watcher, [empty_step(index) for index in range(30)], scene) == []
    assert watcher.update(empty_step(30, ended=(1, 2)), scene) == []


def entries(value: object, seen: set[int] | None = None) -> int:
    """How many things are kept in the containers that ``value`` reaches, its configuration
    aside."""
    seen = set() if seen is None else seen
    if id(value) in seen or isinstance(value, RuleConfig | str | bytes):
        return 0
    seen.add(id(value))
    if isinstance(value, Mapping):
        return len(value) + sum(entries(part, seen) for part in value.values())
    if isinstance(value, list | tuple | Set) or type(value).__name__ == "deque":
        parts = list(typing.cast("list[object]", value))
        return len(parts) + sum(entries(part, seen) for part in parts)
    if isinstance(value, np.ndarray):
        return len(value)
    if not type(value).__module__.startswith("vision."):
        return 0
    slots = [slot for base in type(value).__mro__ for slot in getattr(base, "__slots__", ())]
    names = {*slots, *getattr(value, "__dict__", {})}
    return sum(entries(getattr(value, name, None), seen) for name in names)


@every_kind
def test_state_is_gone_after_a_track_ended(kind: str) -> None:
    steps, scene = scenario(kind).film(), scenario(kind).scene
    watcher, idle = fresh(kind), fresh(kind)
    most = 0
    for step in steps:
        watcher.update(step, scene)
        idle.update(empty_step(step.index), scene)
        most = max(most, entries(watcher) - entries(idle))
    assert most > 0, "the rule kept nothing while it watched: what does entries() not see?"
    assert entries(watcher) == entries(idle)


@every_kind
def test_the_frame_rate_does_not_matter(kind: str) -> None:
    fast, slow = last_words(played(kind, fps=10)), last_words(played(kind, fps=5))
    assert len(fast) == len(slow)
    fast.sort(key=lambda event: (event.track_ids, event.start_ts))
    slow.sort(key=lambda event: (event.track_ids, event.start_ts))
    for a, b in zip(fast, slow, strict=True):
        assert (a.track_ids, a.place) == (b.track_ids, b.place)
        assert a.start_ts == pytest.approx(b.start_ts, abs=0.5)
        assert a.raised_ts == pytest.approx(b.raised_ts, abs=0.5)


@every_kind
def test_the_clock_does_not_matter(kind: str) -> None:
    """Not even by a frame: a dwell or a release of whole frames is just as long at any time."""

    def told(start_ts: float) -> list[tuple[int, float]]:
        watcher, scene = fresh(kind), scenario(kind).scene
        return [
            (step.index, round(event.start_ts - start_ts, 3))
            for step in scenario(kind).film(start_ts=start_ts)
            for event in watcher.update(step, scene)
        ]

    assert told(0.0) == told(12345.678) == told(T0) == told(T0 + 0.123) != []


@every_kind
def test_ids_repeat_on_replay_and_differ_between_cameras_and_rules(kind: str) -> None:
    first, again = played(kind), played(kind)
    assert first == again
    seen = [
        {event.id for event in stated}
        for stated in (
            first,
            played(kind, camera_id="other"),
            played(kind, name="other"),
            # names are free text and must not run into each other
            played(kind, camera_id="cam|watch", name="x"),
            played(kind, camera_id="cam", name="watch|x"),
            played(kind, start_ts=T0 + 3600),
        )
    ]
    assert len(set.union(*seen)) == sum(len(ids) for ids in seen)
    assert len(seen[0]) == len(last_words(first))


@every_kind
def test_every_step_can_be_explained_and_agrees_with_what_is_raised(kind: str) -> None:
    """Explaining changes nothing, and at the step that raises an event all conditions are met."""
    steps, scene = scenario(kind).film(), scenario(kind).scene
    told, asked = fresh(kind), fresh(kind)
    fired = 0
    for step in steps:
        stated = asked.update(step, scene)
        assert told.update(step, scene) == stated
        for each in asked.explain(step, scene):
            assert (each.rule, each.kind) == ("watch", kind)
            assert each.conditions
            assert all(c.what and c.found and c.needed for c in each.conditions)
        for event in stated:
            if event.raised_ts != step.ts:
                continue
            about = [
                each
                for each in asked.explain(step, scene)
                if each.track_id in (None, *event.track_ids)
            ]
            assert any(each.fires for each in about), event
            fired += 1
    assert fired


@every_kind
def test_update_never_writes_into_its_input(kind: str) -> None:
    """The film's and the scene's arrays are read-only: writing raises."""
    steps, scene = scenario(kind).film(), scenario(kind).scene
    arrays: list[Any] = [
        array
        for step in steps
        for array in (
            step.track_id,
            step.detections.xyxy,
            *(track.path for track in step.tracks),
            *(track.box for track in step.tracks),
        )
    ]
    arrays += [line.points for line in scene.lines] + [zone.polygon for zone in scene.zones]
    assert not any(array.flags.writeable for array in arrays)
    before = [array.tobytes() for array in arrays]
    play(fresh(kind), steps, scene)
    assert [array.tobytes() for array in arrays] == before


# --- what comes with a kind ---------------------------------------------------------------------


def section(kind: str) -> str:
    """The kind's part of docs/incidents.md."""
    parts = re.split(r"^## ", DOCS.read_text("utf-8"), flags=re.MULTILINE)[1:]
    (found,) = [part for part in parts if part.startswith(f"`{kind}`\n")]
    return found


def table(text: str) -> list[list[str]]:
    """The cells of a table's rows, without its head."""
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def documented(kind: str) -> list[list[str]]:
    """The rows that the settings table must have: name, unit, default, meaning."""
    made = registry.kinds()[kind].Settings
    hints = typing.get_type_hints(made)
    rows = []
    for setting in dataclasses.fields(made):
        units = [UNITS[end] for end in UNITS if setting.name.endswith(end)]
        unit = units[0] if units and numeric(hints[setting.name]) else ""
        default = getattr(made(), setting.name)
        shown = "left out" if default is None else f"`{default}`"
        rows.append([f"`{setting.name}`", unit, shown, setting.metadata["help"]])
    return rows


def test_the_documentation_has_one_heading_a_kind() -> None:
    headings = re.findall(r"^## `(\w+)`$", DOCS.read_text("utf-8"), re.MULTILINE)
    assert headings == KINDS


def test_kinds_of_the_stream_are_documented_as_well() -> None:
    _, _, text = DOCS.read_text("utf-8").partition("\n# Incidents of the stream itself\n")
    parts = dict(re.findall(r"^### `(\w+)`\n(.*?)(?=^###|\Z)", text, re.MULTILINE | re.DOTALL))
    assert list(parts) == list(STREAM_KINDS)
    for kind, severity in STREAM_KINDS.items():
        assert f"everity `{severity}`" in " ".join(parts[kind].split())


@every_kind
def test_documentation_and_tests_come_with_the_kind(kind: str) -> None:
    assert (REPO / "tests" / "vision" / "rules" / f"test_{kind}.py").is_file()
    text, made = section(kind), registry.kinds()[kind]
    assert table(text) == documented(kind)
    classes = ", ".join(f"`{name}`" for name in made.classes) or "the scene's classes"
    watched = {
        "camera": "Watches the camera as a whole.",
        "zone": f"Watches a zone, by default for {classes}.",
        "line": f"Watches a line, by default for {classes}.",
    }
    assert watched[made.place] in text
    own = {key for event in played(kind) for key in event.details} - COMMON_DETAILS
    details = re.search(r"^Details: (.*?)\.$", text, re.MULTILINE | re.DOTALL)
    assert details is not None
    assert set(re.findall(r"`(\w+)`", details[1])) == own
