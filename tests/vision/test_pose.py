"""Who is looked at, how often, and whose pose it is; the model is a made-up one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from vision import pose
from vision.geometry import overlap
from vision.pose import INPUT, Poses, decode, outline
from vision.scene import Zone
from vision.types import FloatArray, Frame, Image, Observations, Pose, Track

SIZE = (640, 360)
WHOLE = Zone("whole", np.array([(0.0, 0.0), (640.0, 0.0), (640.0, 360.0), (0.0, 360.0)]))
LEFT = Zone("left", np.array([(0.0, 0.0), (200.0, 0.0), (200.0, 360.0), (0.0, 360.0)]))
Box = tuple[float, float, float, float]
STANDING = (300.0, 100.0, 340.0, 220.0)
LYING = (260.0, 190.0, 380.0, 230.0)


@dataclass
class Painted:
    """Finds a pose where a rectangle of red is as bright as its number says."""

    score: float = 0.5
    seen: list[int] = field(default_factory=list)

    def run(self, images: Image) -> FloatArray:
        self.seen.append(len(images))
        out = np.zeros((len(images), 6, 56), np.float32)
        for row, image in zip(out, images, strict=True):
            assert image.shape == (INPUT, INPUT, 3)
            for place, level in enumerate((250, 200)):
                ys, xs = np.nonzero(np.abs(image[:, :, 0].astype(int) - level) < 8)
                if len(ys):
                    row[place] = _row(xs.min(), ys.min(), xs.max() + 1, ys.max() + 1, self.score)
        return out


def _row(x1: float, y1: float, x2: float, y2: float, score: float) -> FloatArray:
    points = np.zeros((17, 3), np.float32)
    points[:, 0] = np.linspace(y1, y2, 17) / INPUT
    points[:, 1] = np.linspace(x1, x2, 17) / INPUT
    points[:, 2] = 0.5
    return np.concatenate([points.ravel(), np.zeros(4), [score]]).astype(np.float32)


def picture(ts: float, *boxes: Box, size: tuple[int, int] = SIZE) -> Frame:
    image = np.zeros((size[1], size[0], 3), np.uint8)
    scale = size[0] / SIZE[0]
    for (x1, y1, x2, y2), level in zip(boxes, (250, 200), strict=False):
        corners = [round(each * scale) for each in (x1, y1, x2, y2)]
        image[max(0, corners[1]) : corners[3], max(0, corners[0]) : corners[2], 2] = level
    return Frame("cam", round(ts * 10), ts, image)


def track(number: int, box: Box, ts: float, last: float | None = None, since: float = 0) -> Track:
    x1, y1, x2, y2 = box
    last = ts if last is None else last
    path = np.array([[(x1 + x2) / 2, y2, last - since]], np.float32)
    sizes = np.array([[x2 - x1, y2 - y1]], np.float32)
    return Track(number, "person", 1, 1, since, last, np.array(box, np.float32), path, sizes)


Seen = Callable[[float], Sequence[Track]]


def watched(
    seen: Seen,
    boxes: Callable[[float], Sequence[Box]],
    *,
    seconds: float = 8.0,
    fps: float = 10.0,
    zone: Zone = WHOLE,
    model: Painted | None = None,
    size: tuple[int, int] = SIZE,
) -> list[tuple[float, Observations]]:
    stage = Poses(model or Painted(), [zone], SIZE)
    steps = []
    for index in range(round(seconds * fps)):
        t = index / fps
        steps.append((t, stage.update(picture(t, *boxes(t), size=size), seen(t))))
    return steps


def poses(steps: Sequence[tuple[float, Observations]]) -> list[tuple[float, Pose]]:
    return [(t, each) for t, seen in steps for each in seen.poses]


def times(steps: Sequence[tuple[float, Observations]], person: int = 1) -> list[float]:
    return [round(t, 3) for t, seen in steps if person in seen.looked]


def test_who_stands_is_not_looked_at() -> None:
    steps = watched(lambda t: [track(1, STANDING, t)], lambda t: [STANDING])
    assert times(steps) == []


@pytest.mark.parametrize("fps", [10.0, 5.0])
def test_who_falls_is_looked_at_five_times_a_second(fps: float) -> None:
    def box(t: float) -> Box:
        return LYING if t >= 3 else STANDING

    steps = watched(lambda t: [track(1, box(t), t)], lambda t: [box(t)], fps=fps)
    assert times(steps)[:4] == [3.0, 3.2, 3.4, 3.6]
    (t, first), *_ = poses(steps)
    assert (t, first.person, first.track_id) == (3.0, 1, 1)
    assert outline(first.keypoints) == pytest.approx(LYING, abs=3)
    assert first.upright_px == pytest.approx(120)
    assert first.fell_px == pytest.approx(50, abs=3)


def test_who_is_lost_is_looked_for_where_it_was() -> None:
    """The detector loses who lies; the pose goes on with the same person, without a track."""
    steps = watched(
        lambda t: [track(1, STANDING, t, min(t, 3.0))] if t < 4 else [],
        lambda t: [LYING if t > 3 else STANDING],
    )
    looks = times(steps)
    assert looks[0] == 3.4
    assert looks[-1] == 7.8
    assert {(each.person, each.track_id) for _, each in poses(steps)} == {(1, None)}


def test_who_is_not_found_again_is_forgotten() -> None:
    steps = watched(
        lambda t: [track(1, STANDING, t)] if t < 3 else [],
        lambda t: [STANDING] if t < 3 else [],
        seconds=20,
    )
    looks = times(steps)
    assert looks[:6] == [3.3, 3.5, 3.7, 3.9, 4.1, 5.1], "less often when nobody is there"
    assert looks[-1] < 3 + pose.SEARCH_S


def test_who_went_out_of_the_picture_is_not_looked_for() -> None:
    edge = (602.0, 100.0, 639.0, 220.0)
    steps = watched(lambda t: [track(1, edge, t)] if t < 3 else [], lambda t: [])
    assert times(steps) == []


def test_who_is_found_again_is_the_same_person() -> None:
    def seen(t: float) -> list[Track]:
        if t <= 3:
            return [track(1, STANDING, t)]
        return [track(7, LYING, t, since=5.0)] if t >= 5.5 else []

    steps = watched(seen, lambda t: [STANDING if t <= 3 else LYING])
    found = poses(steps)
    assert {each.person for _, each in found} == {1}
    assert {each.track_id for t, each in found if t > 5.6} == {7}
    assert {round(each.upright_px or 0) for _, each in found} == {120}


def test_who_was_followed_by_another_track_and_stands_up_is_the_same_person() -> None:
    def seen(t: float) -> list[Track]:
        # the tracker remembers the one who stood, has another track of who lies, and goes back
        lies = [track(2, LYING, t, since=2.4)] if 2.4 <= t < 4 else []
        return [track(1, STANDING, t, last=1.9 if 2 <= t < 4 else t), *lies]

    steps = watched(seen, lambda t: [LYING if 2 <= t < 4 else STANDING])
    assert {each.person for _, each in poses(steps)} == {1}
    last_ts, last = poses(steps)[-1]
    # it is seen that it stands
    assert last_ts > 5
    assert (last.track_id, last.upright_px, last.fell_px) == (1, 120.0, pytest.approx(0.0, abs=2))


def test_a_pose_of_somebody_else_is_not_taken() -> None:
    """One stands where another was lost."""
    other = (310.0, 100.0, 350.0, 220.0)
    steps = watched(
        lambda t: [track(1, STANDING, t)] if t < 3 else [track(2, other, t, since=2.9)],
        lambda t: [STANDING if t < 3 else other],
    )
    assert poses(steps) == []


def test_who_is_too_small_is_not_looked_at_and_it_says_so() -> None:
    def box(t: float) -> Box:
        return (300.0, 200.0, 330.0, 220.0) if t >= 3 else (300.0, 180.0, 318.0, 216.0)

    model = Painted()
    steps = watched(lambda t: [track(1, box(t), t)], lambda t: [box(t)], model=model)
    assert model.seen == []
    assert steps[-1][1].small == {1: pytest.approx(36)}
    # the same people in a picture twice as large
    large = watched(
        lambda t: [track(1, box(t), t)], lambda t: [box(t)], size=(1280, 720), model=model
    )
    assert times(large)
    assert all(each.small == {} for _, each in large)
    assert outline(poses(large)[0][1].keypoints) == pytest.approx(box(9), abs=3)


def test_nobody_outside_the_zone_is_looked_at() -> None:
    steps = watched(lambda t: [track(1, LYING, t)], lambda t: [LYING], zone=LEFT)
    assert times(steps) == []


def test_it_costs_no_more_however_many_lie() -> None:
    model = Painted()
    people = [(30.0 * n, 100.0, 30.0 * n + 70, 150.0) for n in range(12)]
    steps = watched(
        lambda t: [track(n, box, t) for n, box in enumerate(people, 1)], lambda t: [], fps=25.0,
        model=model,
    )  # fmt: skip
    looks = [len(seen.looked) for _, seen in steps]
    assert max(looks) == pose.MAX_LOOKS
    assert sum(looks) <= 8 * pose.MAX_RATE + pose.MAX_RATE
    assert set().union(*(seen.looked for _, seen in steps)) == set(range(1, 13))


def test_who_lies_for_long_and_who_only_crouched_is_looked_at_less() -> None:
    lies = watched(lambda t: [track(1, LYING, t)], lambda t: [LYING], seconds=20)
    assert sum(t > 16 for t in times(lies)) == 3
    low = (300.0, 140.0, 345.0, 220.0)
    stands = watched(
        lambda t: [track(1, low if t > 3 else STANDING, t)], lambda t: [low], seconds=6
    )
    assert sum(t > 4 for t in times(stands)) == 3


def test_another_view_begins_anew() -> None:
    stage = Poses(Painted(), [WHOLE], SIZE)
    for index in range(10):
        stage.update(picture(index / 10, STANDING), [track(1, STANDING, index / 10)])
    stage.reset()
    seen = [stage.update(picture(1 + n / 10, LYING), []).looked for n in range(10)]
    assert not any(seen)


def test_it_remembers_no_more_than_it_must() -> None:
    stage = Poses(Painted(), [WHOLE], SIZE)
    for index in range(400):
        t = index / 10
        stage.update(picture(t), [track(index, (300.0, 100.0, 340.0, 220.0), t, since=t)])
    assert len(stage._people) <= pose.MAX_PEOPLE


def test_what_a_broken_model_says_is_dropped() -> None:
    rows = np.stack([_row(0, 0, 9, 9, 0.05), _row(0, 0, 9, 9, np.nan), _row(0, 0, 9, 9, 0.4)])
    rows[2, 4] = np.inf
    good = _row(10, 20, 30, 40, 1.5)
    (found,) = decode(np.concatenate([rows, good[None]]), 100.0, 50.0, 2.0, 4.0)
    keypoints, score = found
    assert score == 1.0
    assert outline(keypoints) == pytest.approx((105, 55, 115, 60))
    assert overlap((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 0, 0), (0, 0, 0, 0)) == 0


def test_a_pose_that_wanders_out_of_the_picture_does_no_harm() -> None:
    @dataclass
    class Wandering(Painted):
        """Sees somebody in the empty right half of its input, beside the picture."""

        def run(self, images: Image) -> FloatArray:
            out = super().run(images)
            out[:, 0] = _row(245, 120, 256, 200, 0.9)
            return out

    near_edge = (500.0, 100.0, 600.0, 340.0)
    steps = watched(
        lambda t: [track(1, near_edge, t)] if t < 1 else [], lambda t: [], model=Wandering()
    )
    assert max(each.keypoints[:, 0].min() for _, each in poses(steps)) > SIZE[0]
