"""Pieces of recordings: which there may be, and that each is the right time, masked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streams.evidenceboxes import kept_sights
from streams.keeper import Reading
from streams.pieces import (
    EARLY_S,
    MAX_FPS,
    SECONDS,
    Film,
    by_time,
    countable,
    cut,
    drawn_in,
    film_of,
    known_parts,
)
from streams.scenefile import scene_of
from tests.streams.keeping import keep, kept
from tests.streams.test_maskingprocess import (
    COUNT,
    ELSEWHERE,
    HEAD,
    RATE,
    START_TS,
    detail,
    film,
    pictures,
    standing,
)
from tests.vision.rules.scenarios import SIZE, T0, Walker
from vision.bins import Interval
from vision.errors import ClipError, ConfigError
from vision.masking import Masking
from vision.scene import Scene

LONG_S = COUNT / RATE
"""1.6 s: how long a film of the tests is."""


def interval(start_ts: float, **more: Any) -> Interval:
    made: dict[str, Any] = {
        "camera_id": "cam",
        "start_ts": start_ts,
        "seconds": 60,
        "revision": 1,
        "version": 1,
        "observed_s": 60.0,
        "frames": 600,
        "lines": {"gate": ("in", "out")},
        "classes": ("car",),
        "counts": {("gate", "in", "car"): 2},
    }
    return Interval(**{**made, **more})


def minutes(number: int, **more: Any) -> list[Interval]:
    return [interval(60.0 * i, **more) for i in range(number)]


LONG = [Film(Path("a.mp4"), 0.0, 900.0)]


def test_pieces_are_whole_multiples_of_five_minutes() -> None:
    found = countable(minutes(15), "gate", LONG)
    assert [each.start_ts for each in found] == [0.0, 300.0, 600.0]
    assert [each.counts["gate", "in", "car"] for each in found] == [10, 10, 10]


@pytest.mark.parametrize(
    "intervals",
    [
        minutes(4),
        [*minutes(4), interval(240.0, observed_s=50.0)],
        [*minutes(4), interval(240.0, observed={"gate": 40.0})],
        [*minutes(4), interval(240.0, revision=2)],
        minutes(5, synthetic=True),
        minutes(5, lines={"other": ("in", "out")}),
    ],
    ids=["a gap", "an outage", "another view", "another scene", "made up", "another line"],
)
def test_what_was_not_watched_whole_by_one_scene_is_no_piece(intervals: list[Interval]) -> None:
    assert countable(intervals, "gate", LONG) == []
    assert len(countable(minutes(5), "gate", LONG)) == 1


def test_a_piece_lies_in_one_film() -> None:
    films = [Film(Path("a.mp4"), 0.0, 400.0), Film(Path("b.mp4"), 400.0, 500.0)]
    assert [each.start_ts for each in countable(minutes(15), "gate", films)] == [0.0, 600.0]
    assert film_of(films, 600.0, SECONDS) == films[1]
    assert film_of(films, 300.0, SECONDS) is None
    # the last picture of a recording stands for a while
    assert film_of([Film(Path("a.mp4"), 0.0, 300.0 - EARLY_S)], 0.0, SECONDS) is not None


def test_recordings_go_by_time_and_share_none() -> None:
    late, early = Film(Path("late.mp4"), 398.0, 400.0), Film(Path("early.mp4"), 0.0, 400.0)
    assert by_time([late, early]) == [early, late]
    with pytest.raises(ConfigError, match=r"late.mp4 begins 5\.0 s before early.mp4 ends"):
        by_time([Film(late.path, 395.0, 400.0), early])


def scene(region: object) -> Scene:
    lines = [{"name": "gate", "points": [[100, 100], [500, 200]]}]
    given = {"frame_size": list(SIZE), "lines": lines, "region": region}
    return scene_of({name: value for name, value in given.items() if value}, "here")


def test_whom_a_region_cuts_off_is_not_known() -> None:
    """Of 360 px of height, a person at y is up to 18 + y / 4 px tall."""
    whole, right, above = scene(None), scene([320, 0, 320, 360]), scene([0, 0, 640, 296])
    assert known_parts([whole]) == {"": (0.0, 0.0, 1.0, 1.0)}
    assert known_parts([right]) == {"": (0.5, 0.0, 1.0, 1.0)}
    assert known_parts([above]) == {"": (0.0, 0.0, 1.0, (296 - 18 - 74) / 360)}
    # of two that were in force, what both saw
    assert known_parts([whole, right, above]) == {"": (0.5, 0.0, 1.0, 204 / 360)}


@pytest.mark.parametrize(
    ("region", "shown"),
    [
        (None, True),
        ([0, 0, 640, 296], True),
        ([0, 0, 640, 240], False),
        ([320, 0, 320, 360], False),
    ],
)
def test_a_line_that_would_be_hidden_in_part_is_known(region: object, *, shown: bool) -> None:
    found = drawn_in(scene(region), "gate")
    assert found is not None
    assert (found.points, found.shown) == (((100 / 640, 100 / 360), (500 / 640, 200 / 360)), shown)
    assert drawn_in(scene(region), "fence") is None


def test_a_piece_is_its_time_of_the_film_masked(tmp_path: Path) -> None:
    original = film(tmp_path / "film.mp4", g="10")
    to = tmp_path / "piece.mp4"
    # of 1.6 s, the second from 0.6 s on: its begin is no key frame
    made = cut(Film(original, START_TS, LONG_S), START_TS + 0.6, 1, Masking(standing(-1, 3)), to)
    shown, before = pictures(to), dict(pictures(original))
    assert MAX_FPS - 1 <= len(shown) <= MAX_FPS + 1
    assert (made.pictures, made.hidden, made.width, made.height) == (len(shown), 0, 320, 240)
    assert made.size == to.stat().st_size
    for time_s, image in shown:
        whole = before[min(before, key=lambda t: abs(t - time_s - 0.6))]
        assert detail(image[HEAD]) < 0.3 * detail(whole[HEAD])
        # it is that picture and no other
        assert np.abs(image[ELSEWHERE].astype(int) - whole[ELSEWHERE]).mean() < 20


def test_the_same_piece_has_the_same_bytes(tmp_path: Path) -> None:
    original = Film(film(tmp_path / "film.mp4"), START_TS, LONG_S)
    masking = Masking(standing(-1, 3))
    one = cut(original, START_TS, 1, masking, tmp_path / "one.mp4")
    assert one == cut(original, START_TS, 1, masking, tmp_path / "other.mp4")


def test_where_nobody_knows_who_was_there_all_is_hidden(tmp_path: Path) -> None:
    original = Film(film(tmp_path / "film.mp4"), START_TS, LONG_S)
    made = cut(original, START_TS, 1, Masking([]), tmp_path / "piece.mp4")
    assert made.hidden == made.pictures > 0


@pytest.mark.parametrize("seconds", [2, 5])
def test_a_film_that_ends_too_early_gives_no_piece(tmp_path: Path, seconds: int) -> None:
    original = Film(film(tmp_path / "film.mp4"), START_TS, 99.0)
    to = tmp_path / "piece.mp4"
    with pytest.raises(ClipError, match="ends before the piece does"):
        cut(original, START_TS + (0 if seconds == 5 else 1.0), seconds, Masking([]), to)
    assert not to.exists()


def test_a_file_that_is_no_film_is_said(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"no film")
    with pytest.raises(ClipError, match="cannot be read"):
        cut(Film(path, 0.0, 99.0), 0.0, 1, Masking([]), tmp_path / "piece.mp4")


def test_who_was_followed_is_hidden_by_kept_tracks(tmp_path: Path) -> None:
    with kept(tmp_path) as keeper:
        keep(keeper, [Walker(((0.0, 300.0, 200.0), (3.0, 320.0, 200.0)))])
        keeper.flush("cam", 5.0)
        reading = Reading(keeper.folder, "cam", T0, T0 + 60)
        sights = list(kept_sights(reading, {"": (0.0, 0.0, 1.0, 1.0)}))
        in_part = Masking(kept_sights(reading, {"": (0.25, 0.0, 1.0, 0.5)}))
        of_another_view = Masking(kept_sights(reading, {"gate": (0.0, 0.0, 1.0, 1.0)}))
    assert sights
    masking = Masking(sights)
    assert masking.covers(T0 + 1.5)
    assert len(masking.regions(T0 + 1.5, (640, 360))) >= 1
    # what nobody looked at is hidden
    hidden = in_part.regions(T0 + 1.5, (640, 360)).tolist()
    assert [0, 0, 160, 180] in hidden
    assert [0, 180, 640, 360] in hidden
    assert not of_another_view.covers(T0 + 1.5)
    # two runs have other tracks
    assert len({each for sight in sights for each in sight.ids}) == 1
