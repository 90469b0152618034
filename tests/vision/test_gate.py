"""The motion gate: what opens it, what does not, and what is said again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vision.painted import CLASSES, SETTINGS, detector, paint, road
from tests.vision.still import SIZE, Place, quiet, walker
from vision.bystanders import Bystanders
from vision.detect import Look
from vision.foreground import MotionDetector
from vision.fused import FusedFinder
from vision.gate import DOUBT, REFRESH_S, GatedFinder
from vision.picture import Planes
from vision.region import RegionFinder
from vision.scene import Line, Scene
from vision.track import Tracker
from vision.types import Detections, Frame, Image, IntArray, Quality
from vision.watch import Watch

FPS = 5
LEARNT_S = 12.0
"""By then the gate knows the noise of these pictures."""
SOON_S = 0.3
"""So late, at the latest, somebody who steps into the picture is looked for."""
PLAIN = np.full((90, 160, 3), 90, np.uint8)

Row = tuple[float, float, float, float, float, int]
"""A box, its score and its class."""


class Model:
    """Says what it is told to, and notes when it was asked."""

    classes = wanted = CLASSES
    group_of: IntArray = np.array([1, 0, 0], np.int32)

    def __init__(self) -> None:
        self.says = Look(Detections.empty())
        self.asked: list[float] = []

    def find(self, frame: Frame) -> Detections:
        return self.look(frame).found

    def look(self, frame: Frame) -> Look:
        self.asked.append(frame.ts)
        return self.says


def told(*rows: Row) -> Look:
    table = np.array(rows, np.float32).reshape(-1, 6)
    return Look(Detections(table[:, :4], table[:, 4], table[:, 5].astype(np.int32)))


def gated() -> tuple[GatedFinder, Model]:
    model = Model()
    return GatedFinder(model, SETTINGS), model


def frames(images: Sequence[Image] | Iterator[Image], fps: float = FPS) -> Iterator[Frame]:
    for index, image in enumerate(images):
        yield Frame("cam", index, index / fps, image)


def asked_at(images: Sequence[Image] | Iterator[Image], fps: float = FPS) -> list[float]:
    """When a model that finds nothing was asked."""
    gate, model = gated()
    for frame in frames(images, fps):
        gate.look(frame)
    return model.asked


def shown_to(gate: GatedFinder, film: Callable[[float], Image], from_s: float, to_s: float) -> None:
    for index in range(round(from_s * FPS), round(to_s * FPS)):
        gate.look(Frame("cam", index, index / FPS, film(index / FPS)))


# --- what does not open it


@pytest.mark.parametrize("noise", [0.0, 2.0, 4.0])
def test_where_nothing_happens_the_model_is_asked_once_in_two_seconds(noise: float) -> None:
    film = quiet(noise)
    gate, model = gated()
    shown_to(gate, film, 0, LEARNT_S)
    model.asked.clear()
    shown_to(gate, film, LEARNT_S, LEARNT_S + 20)
    assert model.asked == pytest.approx(np.arange(model.asked[0], LEARNT_S + 20, REFRESH_S))


@given(st.lists(st.sampled_from([0.04, 0.1, 0.2, 0.5, 1.0, 3.0, 60.0]), min_size=2, max_size=60))
def test_nothing_is_said_for_longer_than_two_seconds(steps: list[float]) -> None:
    gate, model = gated()
    for index, ts in enumerate(np.cumsum(steps)):
        gate.look(Frame("cam", index, float(ts), PLAIN))
        assert ts - model.asked[-1] < REFRESH_S
    assert (gate.looks, gate.asked) == (len(steps), len(model.asked))


def test_light_that_becomes_more_or_less_is_nothing_new() -> None:
    film = quiet(2.0)

    def drifting(t: float) -> Image:
        return cv2.convertScaleAbs(film(t), alpha=1.0, beta=15 * np.sin(t / 3))

    gate, model = gated()
    shown_to(gate, drifting, 0, LEARNT_S)
    model.asked.clear()
    shown_to(gate, drifting, LEARNT_S, LEARNT_S + 20)
    assert len(model.asked) <= 12


def test_key_frames_are_nothing_new() -> None:
    """Between them nothing changes at all, and with each the whole picture is another."""
    film, each_s = quiet(5.0), 1.0

    def pumped(t: float) -> Image:
        return film(each_s * np.floor(t / each_s + 1e-9))

    gate, model = gated()
    shown_to(gate, pumped, 0, LEARNT_S)
    model.asked.clear()
    shown_to(gate, pumped, LEARNT_S, LEARNT_S + 20)
    assert len(model.asked) <= 12


# --- what opens it


@settings(max_examples=20, deadline=None)
@given(
    place=st.tuples(st.integers(20, SIZE[0] - 40), st.integers(4, SIZE[1] - 30)),
    levels=st.sampled_from([-40, -30, 30, 40]),
    noise=st.sampled_from([0.0, 3.0]),
    speed=st.sampled_from([(0.0, 0.0), (12.0, 0.0), (-8.0, 5.0)]),
)
def test_somebody_far_away_opens_it_at_once(
    place: Place, levels: int, noise: float, speed: Place
) -> None:
    gate, model = gated()
    film = walker(quiet(noise), place, speed, levels, from_s=5.1)
    shown_to(gate, film, 0, 5.1 + SOON_S)
    assert any(5.1 <= ts < 5.1 + SOON_S for ts in model.asked)
    # and while he goes on
    if speed != (0.0, 0.0):
        shown_to(gate, film, 5.1 + SOON_S, 7)
        assert max(np.diff([*(ts for ts in model.asked if ts > 5.1), 7])) < 0.5


@pytest.mark.parametrize("speed", [0.5, 2.0, 5.0])
def test_what_is_slow_opens_it_before_it_has_come_far(speed: float) -> None:
    """Less than from one picture to the next can be told adds up, in px a second of 768."""
    gate, model = gated()
    film = walker(quiet(2.0), (300, 200), (speed, 0.0), 40, from_s=0.0)
    shown_to(gate, film, 0, 20)
    assert max(np.diff(model.asked)) * speed <= 2.0


def test_a_cut_opens_it() -> None:
    other = road((160, 90), seed=4)
    times = asked_at([PLAIN] * 7 + [other] * 6)
    assert times[:4] == pytest.approx([0, 0.2, 0.4, 1.4])


@pytest.mark.parametrize("level", [0, 60, 120])
def test_light_that_goes_on_or_off_opens_it(level: int) -> None:
    assert 1.4 in asked_at([PLAIN] * 7 + [np.full_like(PLAIN, level)] * 6)


def test_another_size_opens_it() -> None:
    assert 1.4 in asked_at([PLAIN] * 7 + [np.full((180, 320, 3), 90, np.uint8)] * 6)


@pytest.mark.parametrize("size", [(16, 16), (16, 400), (3, 3), (1920, 16)])
def test_pictures_of_any_size_are_compared(size: tuple[int, int]) -> None:
    film = [np.full((*size[::-1], 3), 90, np.uint8)] * 10
    assert asked_at(film) == pytest.approx([0, 0.2, 0.4])


def test_time_that_runs_back_opens_it() -> None:
    gate, model = gated()
    for ts in (10.0, 10.2, 10.4, 10.6, 3.0):
        gate.look(Frame("cam", 0, ts, PLAIN))
    assert model.asked == [10.0, 10.2, 10.4, 3.0]


def test_memory_that_is_used_again_hides_nothing() -> None:
    """As by a decoder whose pictures are small enough to be compared as they are."""
    luma, chroma = np.full((90, 160), 90, np.uint8), np.full((45, 80), 128, np.uint8)
    gate, model = gated()
    for index in range(8):
        if index == 6:
            luma[30:60, 60:90] = 200
        planes = Planes(luma, chroma, chroma, full_range=True)
        gate.look(Frame("cam", index, index / FPS, planes))
    assert 6 / FPS in model.asked


# --- what is said again

A: Row = (10.0, 10.0, 30.0, 50.0, 0.7, 0)
B: Row = (90.0, 10.0, 130.0, 40.0, 0.7, 1)
BIRTH = SETTINGS.birth


def scored(row: Row, score: float, class_id: int | None = None) -> Row:
    return (*row[:4], score, row[5] if class_id is None else class_id)


def answers(*says: Look, fps: float = FPS) -> tuple[list[Look], list[float]]:
    """What is said of pictures that show the same, and when the model was asked, which says the
    last of ``says`` from then on."""
    gate, model = gated()
    heard = []
    for index in range(len(says) + round(2.4 * fps)):
        model.says = says[min(index, len(says) - 1)]
        heard.append(gate.look(Frame("cam", index, index / fps, PLAIN)))
    return heard, model.asked


def test_three_answers_that_are_alike_are_enough() -> None:
    _, asked = answers(told(A, B))
    assert asked == pytest.approx([0, 0.2, 0.4, 2.4])


def test_at_more_pictures_a_second_it_takes_as_long_as_a_track() -> None:
    _, asked = answers(told(A), fps=25)
    assert asked == pytest.approx([*np.arange(6) / 25, 2.2])


@pytest.mark.parametrize(
    "odd",
    [
        told(A),
        told(A, B, (50.0, 50.0, 60.0, 70.0, 0.6, 0)),
        told(A, scored(B, BIRTH - 0.01)),
        told(A, scored(B, 0.7, 2)),
        told(A, (100.0, 40.0, 140.0, 70.0, 0.7, 1)),
    ],
)
def test_what_only_one_answer_says_is_not_said_again(odd: Look) -> None:
    usual = told(A, B)
    heard, asked = answers(usual, usual, odd, usual)
    assert [each is odd for each in heard].count(True) == 1
    # three that are alike are asked for anew
    assert asked[:6] == pytest.approx(np.arange(6) / FPS)


def test_a_false_box_that_flickers_makes_no_track() -> None:
    nothing = told()
    heard, _ = answers(nothing, nothing, nothing, nothing, told(A), nothing)
    tracker = Tracker(SETTINGS, CLASSES, Model.group_of)
    for index, each in enumerate(heard):
        assert tracker.update(each.found, index / FPS)[1] == ()


def test_what_may_begin_a_track_in_the_next_picture_is_asked_for_again() -> None:
    near, far = (told(scored(A, BIRTH - by)) for by in (DOUBT / 2, 2 * DOUBT))
    assert len(answers(near)[1]) == len(answers(near)[0])
    assert len(answers(far)[1]) == 4
    # but not what is a second box of something clear
    assert len(answers(told(A, scored(A, BIRTH - DOUBT / 2)))[1]) == 4


def test_what_is_faint_and_comes_and_goes_is_said_again() -> None:
    """So who stands there and is followed is not lost for two seconds."""
    faint = scored(B, 0.2)
    heard, asked = answers(told(A, faint), told(A), told(A), told(A))
    assert len(asked) == 4
    again = heard[4].found
    assert again.score == pytest.approx([0.7, 0.2])
    np.testing.assert_array_equal(again.xyxy[1], faint[:4])


def test_who_is_only_hidden_stays_hidden() -> None:
    boxes = np.array([A[:4], B[:4]], np.float32)
    both = replace(told(), bystanders=Bystanders(("dog",), ("dog", "dog"), boxes))
    one = replace(told(), bystanders=Bystanders(("dog",), ("dog",), boxes[1:]))
    heard, _ = answers(both, one, one)
    assert sorted(heard[4].bystanders.xyxy[:, 0].tolist()) == [10.0, 90.0]
    assert heard[4].bystanders.classes == ("dog",)


SCORES = st.sampled_from([0.0, 0.2, 0.33, BIRTH - 0.02, BIRTH + 0.01, 0.6, 0.6, 0.6])
PLACES = (A, B, (30.0, 55.0, 60.0, 80.0, 0.0, 1))


@settings(max_examples=80, deadline=None)
@given(
    says=st.lists(
        st.lists(st.tuples(SCORES, st.integers(0, 2)), min_size=3, max_size=3),
        min_size=4,
        max_size=40,
    ),
    held=st.integers(1, 5),
    step_s=st.sampled_from([0.04, 0.1, 0.2, 0.5, 1.0]),
)
def test_nothing_becomes_a_track_by_being_said_again(
    says: list[list[tuple[float, int]]], held: int, step_s: float
) -> None:
    gate, model = gated()
    tracker = Tracker(SETTINGS, CLASSES, Model.group_of)
    known: set[int] = set()
    for index in range(len(says) * held):
        rows = [scored(at, *one) for at, one in zip(PLACES, says[index // held], strict=True)]
        model.says = told(*(row for row in rows if row[4] > 0))
        ts = index * step_s
        seen = gate.look(Frame("cam", index, ts, PLAIN))
        tracks = {track.id for track in tracker.update(seen.found, ts)[1]}
        if model.asked[-1] != ts:
            assert tracks <= known
        known |= tracks


# --- with the rest

SCENE = Scene(
    (320, 192), lines=(Line("middle", np.array([[160.0, 0.0], [160.0, 191.0]]), "left", "right"),)
)


def test_a_ride_with_a_stop_is_counted_as_without() -> None:
    """A car comes, waits for ten seconds before the line, and goes on."""

    def ride() -> Iterator[Frame]:
        for index in range(round(17 * FPS)):
            t = index / FPS
            x = 40 + 30 * min(t, 3) + 40 * max(0.0, t - 13)
            yield Frame("cam", index, t, paint({"car": (x, 120.0)}))

    said = []
    for finder in (detector(), GatedFinder(detector(), SETTINGS)):
        watch = Watch(SCENE, finder, SETTINGS)
        steps = [watch.look(frame, Quality()) for frame in ride()]
        said.append([(decided.counted.crossings, len(seen.tracks)) for seen, decided in steps])
    assert said[0] == said[1]
    assert sum(len(crossings) for crossings, _ in said[0]) == 1
    assert isinstance(finder, GatedFinder)
    assert finder.asked < finder.looks / 2 + 10


def test_what_moves_outside_of_the_region_does_not_open_it() -> None:
    model = Model()
    gate = GatedFinder(model, SETTINGS)
    finder = RegionFinder(gate, (0, 0, 160, 192), (320, 192))
    for index in range(10):
        blocks = {"car": (200.0 + 5 * index, 120.0)}
        finder.look(Frame("cam", index, index / FPS, paint(blocks)))
    assert model.asked == pytest.approx([0, 0.2, 0.4])


def test_motion_is_looked_for_in_every_picture() -> None:
    """The model is asked for what moves as well, since the picture changes."""

    class Noted(MotionDetector):
        looked = 0

        def find(self, frame: Frame) -> Detections:
            self.looked += 1
            return super().find(frame)

    motion = Noted()
    fused = FusedFinder(GatedFinder(detector(), SETTINGS), motion)
    assert fused.classes == (*CLASSES, "moving")
    for index in range(10):
        fused.look(Frame("cam", index, index / FPS, paint({})))
    assert motion.looked == 10


def test_it_is_asked_as_its_finder_is() -> None:
    gate, model = gated()
    assert (gate.classes, gate.wanted) == (model.classes, model.wanted)
    assert gate.group_of is model.group_of
    model.says = told(A)
    assert gate.find(Frame("cam", 0, 0.0, PLAIN)) is model.says.found
