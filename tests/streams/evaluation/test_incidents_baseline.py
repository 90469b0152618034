"""The list that ships: its truth is what people labelled, and its errors may only become fewer than
in ``tests/baselines/incidents.json``.

A better figure is written by ``matakota evaluate incidents samples/incidents.yaml --baseline
tests/baselines/incidents.json --renew``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.zoo import resolve
from streams import samples
from streams.detector import Detectors
from streams.evaluation.baseline import compare, read_baseline
from streams.evaluation.changes import FAULTS
from streams.evaluation.films import Film, FilmList, load_films
from streams.evaluation.findings import Scores, baseline_of
from streams.evaluation.incidents import FilmEvaluation
from tests.needs import REPO
from vision.geometry import contains

BASELINE = REPO / "tests/baselines/incidents.json"
LIST = REPO / "samples/incidents.yaml"
PLAZA_FPS = 7


def films_of(mirror: Path | None, *, skip_missing: bool = False) -> FilmList:
    places = samples.Places(mirror, Path("/nonexistent"))
    return load_films(LIST, places, default_model="nanodet_g", skip_missing=skip_missing)


def people(shared: Path) -> dict[int, NDArray[np.float64]]:
    """The foot (k, 3) of each labelled person of the plaza: seconds, x, y px."""
    rows = np.loadtxt(shared / "mot15/PETS09-S2L1/gt.txt", delimiter=",")
    found = {}
    for number in np.unique(rows[:, 1]).astype(int):
        mine = rows[rows[:, 1] == number]
        mine = mine[np.argsort(mine[:, 0])]
        found[int(number)] = np.column_stack(
            [(mine[:, 0] - 1) / PLAZA_FPS, mine[:, 2] + mine[:, 4] / 2, mine[:, 3] + mine[:, 5]]
        )
    return found


@pytest.fixture(scope="module")
def plaza() -> Film:
    return next(film for film in films_of(None, skip_missing=True).films if film.loop_s is None)


def test_every_shared_clip_is_looked_through_with_every_change(shared: Path) -> None:
    films = films_of(shared / "clips").films
    there = {path for path in (shared / "clips").rglob("*") if path.suffix in (".mp4", ".avi")}
    # the plaza that ships is the same film as the one that may not
    seen = {film.path for film in films if film.model is None}
    assert {path.name for path in seen} | {"plaza_vtest.avi"} == {path.name for path in there} | {
        "plaza.mp4"
    }
    for path in seen:
        done = [film.change for film in films if film.path == path and film.model is None]
        assert [None if change is None else change.kind for change in done] == [None, *FAULTS]
        assert all(film.loop_s == 60 for film in films if film.path == path and film.model is None)
    assert {film.path.name for film in films if film.model is not None} == {
        path.name for path in seen
    }


def test_the_gate_is_passed_when_the_labels_say_so(plaza: Film, shared: Path) -> None:
    line = plaza.scene.line("gate")
    at = line.points[0, 0]
    assert line.points[1, 0] == at
    passed = []
    for path in people(shared).values():
        sides = np.sign(path[:, 1] - at)
        passed += path[1:, 0][(sides[1:] > 0) & (sides[:-1] <= 0)].tolist()
    stated = [one.event.start_s for one in plaza.expected if one.event.kind == "line_crossing"]
    assert len(passed) == len(stated)
    for ts, (low, high) in zip(sorted(passed), stated, strict=True):
        assert low < ts < high
        assert high - low == pytest.approx(2)


def test_the_crowds_are_there_when_the_labels_say_so(plaza: Film, shared: Path) -> None:
    (rule,) = (rule for rule in plaza.scene.rules if rule.kind == "crowd")
    level = rule.settings.enter_count
    counts = np.zeros(round(114 * PLAZA_FPS))
    polygon = plaza.scene.zone(rule.place).polygon
    for path in people(shared).values():
        inside = contains(polygon, path[:, 1:])
        np.add.at(counts, np.rint(path[inside, 0] * PLAZA_FPS).astype(int), 1)
    seconds = np.flatnonzero(counts >= level) / PLAZA_FPS
    gaps = np.flatnonzero(np.diff(seconds) > 10)
    starts = seconds[[0, *(gaps + 1)]]
    stated = [one.event.start_s for one in plaza.expected if one.event.kind == "crowd"]
    assert len(starts) == len(stated)
    assert all(low < ts < high for ts, (low, high) in zip(starts, stated, strict=True))


def test_who_stays_is_who_the_labels_say(plaza: Film, shared: Path) -> None:
    """Within 30 px of the mean, for 12.5 s at least: ids 9 and 15, from 3.1 and 5.4 s on."""
    stays = [one.event for one in plaza.expected if one.event.kind == "loitering"][:2]
    walks = people(shared)
    for number, since_s, until_s, event in ((9, 3.1, 21.6, stays[0]), (15, 5.4, 20.4, stays[1])):
        path = walks[number]
        stay = path[(path[:, 0] >= since_s) & (path[:, 0] <= until_s), 1:]
        apart = np.hypot(*(stay - stay.mean(axis=0)).T)
        assert until_s - since_s > 12.5
        assert (apart > 30).mean() <= 0.1
        assert event.end_s is not None
        assert event.start_s == pytest.approx((since_s - 3, since_s + 3))
        assert event.end_s == pytest.approx((until_s - 3, until_s + 3))


def test_bags_are_due_when_the_labels_say_so(shared: Path) -> None:
    """The rule's own words, with labels in place of tracks: nobody stays near for ``alone_s``, who
    left it is not near at all, and it has lain there for ``still_s``. Up and down the picture a
    distance counts twice."""
    films = [film for film in films_of(None, skip_missing=True).films if film.laid]
    left = [film for film in films if film.name.startswith("bag left")]
    assert len(left) == 12
    rule = next(rule for rule in left[0].scene.rules if rule.kind == "abandoned_object")
    settings = rule.settings
    rows = np.loadtxt(shared / "mot15/PETS09-S2L1/gt.txt", delimiter=",")
    seconds, number = (rows[:, 0] - 1) / PLAZA_FPS, rows[:, 1].astype(int)
    foot = np.column_stack([rows[:, 2] + rows[:, 4] / 2, rows[:, 3] + rows[:, 5]])
    for film in left:
        bag, (event,) = film.laid[0], film.expected
        apart = np.hypot(*((foot - bag.place) * (1, 2)).T) / rows[:, 5]
        at_drop = np.abs(seconds - bag.from_s) <= 0.5 / PLAZA_FPS
        carrier = number[at_drop][apart[at_drop].argmin()]
        assert apart[at_drop].min() < 1
        near = (apart <= settings.near_heights) & (seconds >= bag.from_s)
        stays = []
        for who in np.unique(number[near]):
            times = seconds[near & (number == who)]
            for stay in np.split(times, np.flatnonzero(np.diff(times) > 1) + 1):
                if who == carrier or stay[-1] - stay[0] >= settings.alone_s:
                    stays.append((stay[0], stay[-1]))
        due_s = bag.from_s + settings.still_s
        for came_s, went_s in sorted(stays):
            if came_s < due_s:
                due_s = max(due_s, went_s + settings.alone_s)
        assert event.due_s == pytest.approx(due_s, abs=0.5), film.name


def judge(films: list[Film]) -> None:
    detectors = Detectors(lambda name: resolve(name, cache=Path("/nonexistent")))
    ((_, runs),) = FilmEvaluation(films, [None], detectors).runs(print)
    for run in runs:
        for found in run.findings:
            print(run.name, found.verdict, found.kind, found.delay_s, found.ended)
    total = Scores.of(runs).total
    print(total.detection_rate, total.precision, total.worst_s, total.false_per_hour)
    compared = compare(baseline_of(runs), read_baseline(BASELINE, "incidents"), part="kind")
    print(*compared.better, sep="\n")
    assert compared.worse == ()
    assert compared.new == (), "renew the baseline"


@pytest.mark.long
@pytest.mark.usefixtures("remembered")
def test_nothing_of_the_shipped_clip_is_worse_than_before() -> None:
    # what a camera notices of its own picture is looked at by test_changes.py
    films = [film for film in films_of(None, skip_missing=True).films if film.model is not None]
    # each bag takes a minute, and test_paste.py lays many
    bags = [film for film in films if film.laid]
    judge([film for film in films if not film.laid or film in bags[::8]])


@pytest.mark.long
@pytest.mark.usefixtures("remembered")
def test_nothing_that_needs_a_detector_is_worse_than_before(shared: Path) -> None:
    films = films_of(shared / "clips").films
    found = [film for film in films if film.model is not None and film.clip[:5] != "plaza"]
    # who fell is looked at by test_falls.py, one clip after another
    # every second one: the command of this file's first lines looks at all
    judge([film for film in found if " down at " not in film.clip][::2])
