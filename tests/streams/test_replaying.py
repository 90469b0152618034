"""Kept tracks through rules again: the same events as live, or those of another scene."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import pytest

import streams.keeper
import streams.replaying as module
from models.zoo import resolve
from streams.commands import Replay, Replayed
from streams.config import CameraConfig
from streams.detector import Detectors
from streams.files import ClipSource
from streams.keeper import Keeper, segments
from streams.replaying import replay
from streams.scenefile import scene_of
from streams.yamlfile import read_yaml
from tests.needs import REPO
from tests.streams.workers import camera
from tests.vision.rules.scenarios import SIZE, T0, film, standing
from vision.errors import SceneError
from vision.replay import replayed as replayed_rules
from vision.types import Event, JsonValue

SCENES = REPO / "samples" / "scenes"
YARD: dict[str, JsonValue] = {
    "frame_size": list(SIZE),
    "classes": ["person"],
    "zones": [{"name": "yard", "polygon": [[250, 150], [350, 150], [350, 250], [250, 250]]}],
    "rules": [{"kind": "intrusion", "zone": "yard", "name": "in"}],
}


def document(name: str) -> dict[str, JsonValue]:
    return cast("dict[str, JsonValue]", read_yaml(SCENES / name, SceneError).plain())


def asked(
    keeper: Keeper,
    own: CameraConfig | None = None,
    *,
    from_s: float = 0,
    to_s: float = 3600,
    scene: dict[str, JsonValue] | None = None,
    timeout_s: float = 600,
) -> Replayed:
    wanted = Replay(
        camera="cam", from_ts=T0 + from_s, to_ts=T0 + to_s, scene=scene, timeout_s=timeout_s
    )
    return replay(wanted, own, keeper, threading.Event())


@dataclass(frozen=True)
class Live:
    """The plaza as it was analysed: its events, those its rules about tracks alone raised, and
    what was kept of it."""

    events: dict[str, Event]
    keeper: Keeper
    pictures: int


def analysed(folder: Path, seconds: float) -> Live:
    scene = scene_of(document("plaza_watch.yaml"), "plaza")
    keeper = Keeper(folder / "tracks", clock=lambda: T0)
    keeper.start()
    clip = ClipSource(
        REPO / "samples" / "clips" / "plaza.mp4", camera_id="cam", start_ts=T0, fps=Fraction(5)
    )
    events: dict[str, Event] = {}
    pictures = 0
    with clip:
        pipeline = Detectors(lambda name: resolve(name, cache=None)).pipeline(
            "nanodet_g", (clip.info.width, clip.info.height), scene
        )
        for frame in clip.frames():
            if frame.ts > T0 + seconds:
                break
            step = pipeline.step(frame)
            pictures += 1
            events |= {event.id: event for event in step.events}
            keeper.keep(step.tracked, frame_size=scene.frame_size, looked_for=pipeline.wanted)
    events |= {event.id: event for event in pipeline.finish().events}
    keeper.cut("cam")
    keeper.flush("cam", 30)
    known = {config.name for config in replayed_rules(scene)}
    return Live({i: e for i, e in events.items() if e.rule in known}, keeper, pictures)


@pytest.fixture(scope="module")
def plaza(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams.keeper, "FREE_BYTES", 0)
        live = analysed(tmp_path_factory.mktemp("plaza"), 30)
        yield live
        live.keeper.stop()


def same(live: Live, found: Replayed) -> None:
    assert [event.id for event in found.events] == sorted(
        live.events, key=lambda i: (live.events[i].raised_ts, i)
    )
    for event in found.events:
        before = live.events[event.id]
        for field in ("kind", "rule", "place", "start_ts", "raised_ts", "end_ts", "track_ids",
                      "severity"):  # fmt: skip
            assert getattr(event, field) == getattr(before, field), field
        assert event.score == pytest.approx(before.score, abs=0.005)


def test_the_plaza_is_told_of_again(plaza: Live) -> None:
    found = asked(plaza.keeper, scene=document("plaza_watch.yaml"))
    assert {event.kind for event in found.events} >= {"line_crossing", "loitering", "crowd"}
    same(plaza, found)
    assert (found.ok, found.pictures, found.damaged, found.more) == (True, plaza.pictures, 0, 0)
    assert (found.first_ts, found.reached_ts) == (T0, None)
    left_out = {each.kind for each in found.left_out}
    assert left_out >= {"abandoned_object", "removed_object", "camera_moved"}


@pytest.mark.long
def test_the_whole_plaza_is_told_of_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams.keeper, "FREE_BYTES", 0)
    live = analysed(tmp_path, 200)
    same(live, asked(live.keeper, scene=document("plaza_watch.yaml")))
    live.keeper.stop()


def test_another_scene_tells_of_others(plaza: Live) -> None:
    own = camera("cam", scene=document("plaza_watch.yaml"), revision=1)
    same(plaza, asked(plaza.keeper, own))
    other = asked(plaza.keeper, own, scene=document("plaza.yaml"))
    assert {event.kind for event in other.events} == {"loitering"}
    assert not {event.id for event in other.events} & set(plaza.events)


def test_a_part_tells_of_what_was_raised_in_it(plaza: Live) -> None:
    part = asked(plaza.keeper, from_s=17, to_s=18, scene=document("plaza_watch.yaml"))
    raised = {i for i, event in plaza.events.items() if T0 + 17 <= event.raised_ts <= T0 + 18}
    assert len(raised) == 3
    assert {event.id for event in part.events} == raised
    assert part.pictures in {5, 6}


# --- made-up tracks


@pytest.fixture
def keeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Keeper]:
    """Somebody stands in the yard for 9 s, from the first second on."""
    monkeypatch.setattr(streams.keeper, "FREE_BYTES", 0)
    made = Keeper(tmp_path / "tracks", clock=lambda: T0)
    made.start()
    for step in film([standing(300, 200, 9)], fps=5):
        made.keep(step, frame_size=SIZE, looked_for=("person",))
    yield made
    made.stop()


def test_what_was_just_seen_is_there(keeper: Keeper) -> None:
    found = asked(keeper, scene=YARD)
    assert [event.rule for event in found.events] == ["in"]
    assert found.pictures > 40


def test_nothing_is_kept_of_that_time(keeper: Keeper) -> None:
    found = asked(keeper, from_s=7200, to_s=7300, scene=YARD)
    assert (found.ok, found.pictures, found.first_ts, found.last_ts) == (True, 0, None, None)


def test_a_scene_in_another_size(keeper: Keeper) -> None:
    twice = YARD | {
        "frame_size": [2 * side for side in SIZE],
        "zones": [{"name": "yard", "polygon": [[500, 300], [700, 300], [700, 500], [500, 500]]}],
    }
    assert len(asked(keeper, scene=twice).events) == 1


@pytest.mark.parametrize(
    ("scene", "own", "said"),
    [
        (None, None, "is none of this worker's: name a scene"),
        (None, camera("cam"), "has no scene: name a scene"),
        ({"frame_size": [640]}, None, "frame_size"),
        (YARD | {"frame_size": [400, 400]}, None, "another shape"),
        ({"rules": [{"kind": "intrusion", "zone": "nowhere"}], "frame_size": [64, 48]}, None,
         "nowhere"),
    ],
)  # fmt: skip
def test_what_cannot_be_replayed_is_one_sentence(
    keeper: Keeper, scene: dict[str, JsonValue] | None, own: CameraConfig | None, said: str
) -> None:
    found = asked(keeper, own, scene=scene)
    assert not found.ok
    assert said in found.message


def test_what_was_not_looked_for_is_named(keeper: Keeper) -> None:
    scene = YARD | {
        "classes": ["person", "car"],
        "rules": [{"kind": "intrusion", "zone": "yard", "classes": ["car"], "name": "cars"}],
    }
    (first, *_) = [each for each in asked(keeper, scene=scene).left_out if each.rule == "cars"]
    assert first.why == "looks for car, which was not looked for"


def test_damage_is_counted(keeper: Keeper) -> None:
    keeper.flush("cam", 9)
    ((_, path),) = segments(keeper.folder / "cam")
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    found = asked(keeper, scene=YARD)
    assert (found.damaged, found.pictures) == (1, 0)


def test_events_are_bounded(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = [{"kind": "intrusion", "zone": "yard", "name": f"in {i}"} for i in range(5)]
    monkeypatch.setattr(module, "MAX_EVENTS", 3)
    found = asked(keeper, scene=YARD | {"rules": rules})  # type: ignore[dict-item]
    assert (len(found.events), found.more) == (3, 2)


@pytest.mark.parametrize("stopped", [False, True])
def test_it_ends_when_it_takes_too_long(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch, stopped: bool
) -> None:
    monkeypatch.setattr(module, "REST_AFTER_S", 0.0)
    wanted = Replay(camera="cam", from_ts=T0, to_ts=T0 + 60, scene=YARD)  # type: ignore[arg-type]
    stop = threading.Event()
    if stopped:
        stop.set()
    else:
        wanted = wanted.model_copy(update={"timeout_s": 0.0})
    found = replay(wanted, None, keeper, stop)
    assert (found.ok, found.pictures) == (True, 1)
    assert found.reached_ts == found.last_ts == T0
