"""Tracks that are known again from what is kept of each picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tests.vision.rules.scenarios import SIZE, film, standing, to_and_fro
from tests.vision.watched import Camera, car, person
from vision.kept import Kept, Rebuilder, kept_of
from vision.types import Track, Tracked


def kept(steps: Sequence[Tracked]) -> list[Kept]:
    """The steps as a camera hands them over."""
    found: list[Kept] = []
    known: frozenset[int] = frozenset()
    for number, step in enumerate(steps):
        found.append(
            kept_of(
                step,
                frame_size=SIZE,
                looked_for=("person",),
                known=known,
                run=steps[0].ts,
                number=number,
            )
        )
        known = frozenset(track.id for track in step.tracks)
    return found


def same(a: Track, b: Track) -> None:
    assert (a.id, a.class_name, a.first_ts) == (b.id, b.class_name, b.first_ts)
    assert a.last_ts == pytest.approx(b.last_ts, abs=1e-4)
    np.testing.assert_array_equal(a.path, b.path)
    np.testing.assert_array_equal(a.sizes, b.sizes)
    np.testing.assert_allclose(a.box, b.box, atol=1e-3)
    assert (a.score, a.class_share) == pytest.approx((b.score, b.class_share))


def rebuilt(pictures: Sequence[Kept]) -> list[Tracked]:
    rebuilder = Rebuilder()
    return [rebuilder.update(each) for each in pictures]


def test_a_tracker_is_told_of_as_it_was() -> None:
    camera = Camera()
    for k in range(120):
        t = k / 10
        boxes = [person(100 + 20 * t), car(500 - 30 * t, 200)]
        # one is hidden for a moment, the other leaves
        camera.see(*[box for i, box in enumerate(boxes) if (i, k // 10) not in {(0, 4), (1, 8)}],
                   at=t)  # fmt: skip
    for before, after in zip(camera.steps, rebuilt(kept(camera.steps)), strict=True):
        assert (before.ts, before.ended) == (after.ts, after.ended)
        for a, b in zip(before.tracks, after.tracks, strict=True):
            same(a, b)
        scores = dict(zip(before.track_id.tolist(), before.detections.score, strict=True))
        scores.pop(-1, None)
        assert scores == dict(zip(after.track_id.tolist(), after.detections.score, strict=True))


def test_a_long_path_is_as_bounded_as_it_was() -> None:
    camera = Camera()
    camera.film(lambda t: [person(100 + t)], fps=10, start=0, end=150)
    after = rebuilt(kept(camera.steps))
    for before, again in zip(camera.steps, after, strict=True):
        if before.tracks:
            same(before.tracks[0], again.tracks[0])
    assert len(after[-1].tracks[0].path) == 1024 < len(after)


def test_after_a_gap_only_who_is_seen_is_known() -> None:
    pictures = kept(film([to_and_fro(50, 500), standing(300, 200, 9, hidden=((3.0, 3.5),))]))
    rebuilder = Rebuilder()
    for each in pictures[:20]:
        rebuilder.update(each)
    late = pictures[31]
    assert not rebuilder.follows(late)
    hidden = late.rows.id[~late.rows.seen].tolist()
    tracked = rebuilder.update(late)
    assert hidden
    assert not {track.id for track in tracked.tracks} & set(hidden)
    assert all(len(track.path) == 1 for track in tracked.tracks)
    assert rebuilder.follows(pictures[32])


def test_places_are_taken_to_another_size() -> None:
    pictures = kept(film([standing(300, 200, 3)]))
    (track,) = Rebuilder().update(pictures[-15], (2.0, 0.5)).tracks
    assert track.foot == (600, 100)
    assert track.sizes[-1].tolist() == [40, 20]


def test_boxes_are_easy_to_read() -> None:
    found = kept(film([standing(300, 200, 3)]))[10]
    assert found.trusted
    assert found.names == ("person",)
    assert found.rows.xyxy.tolist() == [[290, 160, 310, 200]]
