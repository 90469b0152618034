"""Cameras that watch themselves: what is noticed, how soon, by which name, and what is nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
import pytest

from tests.vision.test_views import H, W, street, turned
from vision.quality import ViewMonitor
from vision.types import FaultKind, Frame, Image, Quality
from vision.views import View

STREET = street()
HOME = View.of([STREET])
GRAIN = [np.random.default_rng(i).normal(0, 2, (H, W, 1)).astype(np.float32) for i in range(5)]
START, END = 4.0, 10.0
"""When the picture changes, and changes back, seconds."""
NOTICED_S = 3.0
Change: TypeAlias = Callable[[Image, float], Image]
"""A picture and the seconds since the change began, to what is seen instead."""


def filmed(
    change: Change | None = None,
    *,
    fps: float = 5,
    until: float = 13,
    start_ts: float = 0.0,
    noise: float = 1.0,
) -> Iterator[Frame]:
    """A street in which somebody walks, changed from ``START`` to ``END``, with the noise of a
    sensor."""
    for index in range(round(until * fps)):
        t = index / fps
        image = STREET.copy()
        x = round(W / 2 + W / 3 * math.sin(t / 2))
        cv2.rectangle(image, (x, 100), (x + 26, 170), (40, 40, 160), -1)
        if change is not None and START <= t < END:
            image = np.ascontiguousarray(change(image, t - START))
        if noise:
            grainy = image + noise * GRAIN[index * 3 % len(GRAIN)]
            image = np.clip(grainy, 0, 255).astype(np.uint8)
        yield Frame("cam", index, start_ts + t, image)


@dataclass(frozen=True)
class Seen:
    ts: float
    quality: Quality


def watched(frames: Iterator[Frame], monitor: ViewMonitor | None = None) -> list[Seen]:
    monitor = ViewMonitor() if monitor is None else monitor
    return [Seen(frame.ts, monitor.update(frame)) for frame in frames]


def faults(seen: list[Seen]) -> list[tuple[FaultKind, float, float]]:
    """Kind, when it was certain and when it was over, of each fault in a row."""
    found: list[tuple[FaultKind, float, float]] = []
    before: FaultKind | None = None
    for each in seen:
        now = each.quality.faults[0].kind if each.quality.faults else None
        if now is not None and now != before:
            found.append((now, each.ts, math.inf))
        if now is None and before is not None:
            found[-1] = (*found[-1][:2], each.ts)
        before = now
    return found


def grey(image: Image, level: int = 100) -> Image:
    return np.full_like(image, level)


def rectangle(image: Image, part: float, cover: Image) -> Image:
    """The middle ``part`` of ``image`` hidden."""
    dx, dy = round(W * (1 - math.sqrt(part)) / 2), round(H * (1 - math.sqrt(part)) / 2)
    out = image.copy()
    out[dy : H - dy, dx : W - dx] = cover[dy : H - dy, dx : W - dx]
    return out


THREADS = np.random.default_rng(5).integers(60, 140, (30, 40, 3), np.uint8)
CLOTH = np.asarray(cv2.resize(THREADS, (W, H), interpolation=cv2.INTER_CUBIC), np.uint8)


def blurred(image: Image, sigma: float) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)


def lit(image: Image, gain: float) -> Image:
    return np.asarray(cv2.convertScaleAbs(image, alpha=gain), np.uint8)


def dimmed(image: Image, part: float) -> Image:
    return (image * part).astype(np.uint8)


CHANGES: dict[str, tuple[FaultKind, Change]] = {
    "pan of 4 %": ("moved", lambda image, _: turned(image, 0.04)),
    "pan in a second": (
        "moved",
        lambda image, t: turned(image, -0.25 * min(t, END - START - t, 1)),
    ),
    "pan to and fro": ("moved", lambda image, t: turned(image, 0.2 * math.sin(t))),
    "tilt": ("moved", lambda image, _: turned(image, 0, 0.2)),
    "zoom": ("moved", lambda image, _: turned(image, larger=1.3)),
    "zoom out": ("moved", lambda image, _: turned(image, larger=0.75)),
    "rolled": ("moved", lambda image, _: np.roll(image, round(0.4 * W), 1)),
    "elsewhere": ("moved", lambda _image, _t: street(9)),
    "grey": ("covered", lambda image, _: grey(image)),
    "grey, most of it": ("covered", lambda image, _: rectangle(image, 0.8, grey(image, 60))),
    "white": ("covered", lambda image, _: grey(image, 250)),
    "cloth": ("covered", lambda _image, _t: CLOTH),
    "cloth, most of it": ("covered", lambda image, _: rectangle(image, 0.85, CLOTH)),
    "blur of 3 px in 768": ("defocused", lambda image, _: blurred(image, 3 * W / 768)),
    "blur": ("defocused", lambda image, _: blurred(image, 6)),
    "strong blur": ("defocused", lambda image, t: blurred(image, 0.5 + 12 * min(t, 1))),
    "dim": ("dark", lambda image, _: dimmed(image, 0.3)),
    "dark": ("dark", lambda image, t: dimmed(image, 1 - 0.92 * min(t * 2, 1))),
    "black": ("dark", lambda image, _: grey(image, 0)),
}
FASTER = ("pan in a second", "grey", "blur", "dim")


@pytest.mark.parametrize(
    ("name", "fps"), [(name, 5) for name in CHANGES] + [(name, 12.5) for name in FASTER]
)
def test_a_change_is_noticed_by_its_name_and_its_end_too(name: str, fps: float) -> None:
    kind, change = CHANGES[name]
    ((found, noticed, over),) = faults(watched(filmed(change, fps=fps)))
    assert found == kind
    assert START < noticed <= START + NOTICED_S
    # a slow change may be back before its end
    assert END - 1 <= over <= END + 1


@pytest.mark.parametrize(("fps", "noise"), [(5, 0.0), (5, 0.2), (5, 0.3), (25, 0.2)])
def test_a_picture_that_repeats_itself_is_frozen(fps: float, noise: float) -> None:
    """Exactly, or with what coding leaves."""
    still: list[Image] = []

    def frozen(image: Image, _t: float) -> Image:
        still.append(image)
        return still[0]

    frames = list(filmed(frozen, fps=fps, noise=noise))
    rng = np.random.default_rng(0)
    for frame in frames:
        if not START <= frame.ts < END:
            live = frame.image + rng.normal(0, 2, frame.image.shape)
            np.copyto(frame.image, np.clip(live, 0, 255).astype(np.uint8))
    seen = watched(iter(frames))
    ((kind, noticed, over),) = faults(seen)
    assert kind == "frozen"
    assert noticed <= START + NOTICED_S
    assert over <= END + 1
    first = next(each.quality for each in seen if each.quality.faults)
    assert first.faults[0].since_ts == pytest.approx(START, abs=0.6)
    assert first.doubt_ts == first.faults[0].since_ts, "what was seen since then is forgotten"


def tone(image: Image) -> Image:
    curve = (255 * (np.arange(256) / 255) ** 0.6).astype(np.uint8)
    return np.asarray(curve[image], np.uint8)


def lorry(texture: Image | None) -> Change:
    """Passes close by within 4 s: four fifths of the picture's width, almost its height."""

    def passing(image: Image, t: float) -> Image:
        out, long = image.copy(), round(0.8 * W)
        right = round(t / 4 * (W + long))
        left, end = max(0, right - long), min(W, right)
        if left < end:
            side = grey(image, 170) if texture is None else texture
            part = np.roll(side, right, 1)[20:, left:end]
            out[20:, left:end] = part
        return out

    return passing


def headlights(image: Image, t: float) -> Image:
    glare = np.zeros((H, W), np.float32)
    cv2.circle(glare, (round(t / 3 % 1 * W), H // 2), 46, 1, -1)
    glare = np.asarray(cv2.GaussianBlur(glare, (0, 0), 20), np.float32)[..., None]
    return np.clip(image * (1 + 0.5 * glare) + 200 * glare, 0, 255).astype(np.uint8)


def rain(image: Image, t: float) -> Image:
    rng, out = np.random.default_rng(round(t * 100)), image.copy()
    for x, y in rng.integers(0, (W, H), (90, 2)).tolist():
        cv2.line(out, (x, y), (x - 3, y + 14), (200, 200, 200), 1)
    return out


NOTHING: dict[str, Change | None] = {
    "untouched": None,
    "lighter": lambda image, _: lit(image, 1.5),
    "half the light": lambda image, _: dimmed(image, 0.5),
    "flicker": lambda image, t: lit(image, 1 + 0.4 * math.sin(t * 7)),
    "another tone": lambda image, _: tone(image),
    "lorry": lorry(None),
    "lorry with a picture on it": lorry(street(4)),
    "headlights": headlights,
    "rain": rain,
    "shaking": lambda image, t: turned(image, math.sin(t * 9) / W, 1.2 * math.cos(t * 7) / H),
    "covered for a second": lambda image, t: grey(image) if t < 1 else image,
    "frozen for a second": lambda image, t: STREET if t < 1 else image,
}  # fmt: skip


@pytest.mark.parametrize("name", NOTHING)
def test_what_is_nothing_is_not_reported(name: str) -> None:
    seen = watched(filmed(NOTHING[name]))
    assert faults(seen) == []
    if "lorry" not in name and "covered" not in name:
        assert all(each.quality.doubt_ts is None for each in seen)
    assert seen[-1].quality == Quality()


def test_doubt_begins_at_once_and_goes_with_its_reason() -> None:
    seen = watched(filmed(lambda image, t: grey(image) if t < 1 else image, fps=25))
    doubted = [each for each in seen if each.quality.doubt_ts is not None]
    assert START <= doubted[0].ts <= START + 0.45
    assert doubted[-1].ts <= START + 1.25
    assert {each.quality.doubt_ts for each in doubted} == {doubted[0].ts}
    seen = watched(filmed(lambda image, _: grey(image), fps=25))
    first = next(each.quality for each in seen if each.quality.faults)
    assert first.doubt_ts == first.faults[0].since_ts == pytest.approx(START, abs=0.45)


def test_what_hides_a_part_of_the_view_for_long_keeps_nobody_waiting() -> None:
    """A queue of lorries that never ends; the last of them stops in front of the camera."""
    stops, until = 60.0, 70.0

    def queue(image: Image, t: float) -> Image:
        passing = round(min(t, stops) * 5)
        texture = np.random.default_rng(passing).integers(60, 140, (30, 40, 3), np.uint8)
        side = np.asarray(cv2.resize(texture, (W, H), interpolation=cv2.INTER_CUBIC), np.uint8)
        out = image.copy()
        out[:, : round(0.6 * W)] = side[:, : round(0.6 * W)]
        return out

    monitor, seen = ViewMonitor(), []
    for frame in filmed(until=until):
        image = frame.image if frame.ts < START else queue(frame.image, frame.ts - START)
        seen.append(Seen(frame.ts, monitor.update(Frame("c", frame.index, frame.ts, image))))
    passing = [each.quality for each in seen if each.ts < START + stops]
    assert all(quality.trusted for quality in passing)
    waits = [each for each in seen if each.quality.trusted and each.quality.doubt_ts is not None]
    assert waits
    assert max(each.ts for each in waits) < START + 16, "rules and counts go on"
    assert [kind for kind, _, _ in faults(seen)] == ["covered"]
    assert seen[-1].quality.faults[0].since_ts == pytest.approx(START + stops, abs=1)


def test_the_clock_does_not_matter() -> None:
    kind, change = CHANGES["pan of 4 %"]
    runs = [faults(watched(filmed(change, start_ts=at))) for at in (0.0, 1_769_817_600.25)]
    assert runs[0][0][0] == runs[1][0][0] == kind
    assert runs[1][0][1] - 1_769_817_600.25 == pytest.approx(runs[0][0][1], abs=0.01)


# --- what can not be known ----------------------------------------------------------------------


@pytest.mark.parametrize("level", [0, 90, 255])
@pytest.mark.parametrize("size", [(16, 16), (320, 192), (1280, 720)])
def test_of_a_picture_without_texture_nothing_is_said(size: tuple[int, int], level: int) -> None:
    image = np.full((size[1], size[0], 3), level, np.uint8)
    monitor = ViewMonitor()
    seen = watched((Frame("c", i, i / 5, image) for i in range(60)), monitor)
    assert {each.quality for each in seen} == {Quality()}
    assert monitor.learnt is None


def test_the_view_is_learnt_once_there_is_one_that_keeps_still() -> None:
    monitor = ViewMonitor()
    covered = watched((Frame("c", i, i / 5, grey(STREET)) for i in range(30)), monitor)
    turning = [turned(STREET, t / 20) for t in range(10)]
    watched((Frame("c", i, 6 + i / 5, image) for i, image in enumerate(turning)), monitor)
    before = monitor.learnt
    seen = covered + watched(filmed(start_ts=8.0, until=6), monitor)
    assert before is None
    assert monitor.learnt is not None
    assert faults(seen) == []


def test_who_stood_there_at_first_belongs_to_no_view() -> None:
    def stood(image: Image, _t: float) -> Image:
        return image

    def frames() -> Iterator[Frame]:
        for frame in filmed(stood, until=60):
            if frame.ts < 5:
                frame.image[40:, : W // 3] = street(3)[40:, : W // 3]
            yield frame

    monitor = ViewMonitor()
    assert faults(watched(frames(), monitor)) == []
    assert monitor.learnt is not None
    learnt = monitor.learnt.plane.astype(int)
    assert np.abs(learnt - View.of([STREET]).plane)[:, :20].mean() < 6


def test_a_pause_is_no_fault_by_itself() -> None:
    monitor, index, ts = ViewMonitor(), 0, 0.0
    for pause in (0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 9.0, 0.2, 60.0, 5.0, 5.0):
        # the very same picture: nothing is known of the time between
        assert monitor.update(Frame("c", index, ts, STREET)).trusted
        index, ts = index + 1, ts + pause


def test_the_size_may_change_on_the_way() -> None:
    monitor = ViewMonitor()
    sizes = [(W, H), (1280, 720), (320, 240), (W, H)]
    for index, frame in enumerate(filmed(until=40)):
        image = np.asarray(cv2.resize(frame.image, sizes[index // 50]), np.uint8)
        quality = monitor.update(Frame("c", index, frame.ts, image))
        assert quality == Quality()


# --- views that are known -----------------------------------------------------------------------


def test_a_view_that_stays_moved_is_never_taken_for_the_own() -> None:
    monitor = ViewMonitor()
    for index in range(240):
        away = index >= 20
        image = street(9) if away else STREET
        grainy = np.clip(image + GRAIN[index % 5], 0, 255).astype(np.uint8)
        quality = monitor.update(Frame("c", index, index / 2, grainy))
        if index >= 26:
            assert [fault.kind for fault in quality.faults] == ["moved"]


@pytest.mark.parametrize(
    ("view", "kinds"), [(STREET, []), (turned(STREET, 0.1), ["moved"]), (grey(STREET), ["covered"])]
)
def test_a_known_view_need_not_be_learnt(view: Image, kinds: list[FaultKind]) -> None:
    monitor = ViewMonitor({"": View.of_text(HOME.text)})
    frames = (
        Frame("c", i, i / 5, np.clip(view + GRAIN[i % 5], 0, 255).astype(np.uint8))
        for i in range(20)
    )
    seen = watched(frames, monitor)
    assert [kind for kind, _, _ in faults(seen)] == kinds
    assert all(noticed <= 2 for _, noticed, _ in faults(seen))


@pytest.mark.parametrize("own", [True, False], ids=["own view given", "own view learnt"])
def test_presets_are_recognised(own: bool) -> None:
    """The camera looks at home, turns to the harbour, to nowhere, to the market in poor light, and
    home again."""
    harbour, market = street(1), street(2)
    known = {"harbour": View.of([harbour]), "market": View.of([market])}
    monitor = ViewMonitor(known | ({"": HOME} if own else {}))
    tour = [STREET, harbour, street(6), dimmed(market, 0.6), STREET]
    frames = (
        Frame("c", i, i / 5, np.clip(tour[i // 50] + GRAIN[i % 5], 0, 255).astype(np.uint8))
        for i in range(250)
    )
    seen = watched(frames, monitor)
    views = [(each.quality.view, each.quality.trusted) for each in seen]
    for place, expected in enumerate(["", "harbour", None, "market", ""]):
        late = [views[i] for i in range(50 * place + 12, 50 * place + 50)]
        if expected is None:
            assert {trusted for _, trusted in late[3:]} == {False}
        else:
            assert set(late) == {(expected, True)}, place
    assert [kind for kind, _, _ in faults(seen)] == ["moved"]
    for at in (10, 30, 40):
        begun = [each.quality for each in seen if at <= each.ts < at + 0.45]
        assert not begun[-1].trusted or begun[-1].doubt_ts is not None, "what is seen is held back"
