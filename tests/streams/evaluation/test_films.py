"""The list of films: what it says, what a mistake in it says, and what is done to the clips."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from streams.evaluation.changes import FAULTS, changed
from streams.evaluation.films import CHANGED_S, NOTICED_S, Change, Film, load_films
from streams.evaluation.incidents import Nobody
from streams.samples import Places
from tests.api.bad_inputs import PLAZA, SCENE, cut
from vision.errors import ExpectationError

nobody = Nobody().boxes
NOWHERE = Places(None, Path("/nonexistent"))
FILMS = """\
clips:
  - clip: clip.mp4
    scene: scene.yaml
    loop_s: 60
    changes: [none, pan]
    events:
      - {kind: intrusion, zone: crossroads, start_s: [0, 2], count: 2}
"""
LAID = """\
clips:
  - clip: clip.mp4
    scene: scene.yaml
    paste:
      - {bag: [20, 24], colour: [0, 0, 255], place: [650, 500], from_s: 1, to_s: 2}
      - {person: [500, 160, 530, 232], at_s: 0.1, place: [150, 400]}
    events: []
"""
CAMERA = "clips:\n  - clip: clip.mp4\n    watch: camera\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    cut(PLAZA, folder / "clip.mp4", 21)
    (folder / "scene.yaml").write_text(SCENE)
    return folder


def films(folder: Path, text: str, places: Places = NOWHERE) -> tuple[Film, ...]:
    (folder / "films.yaml").write_text(text)
    return load_films(folder / "films.yaml", places, default_model="nanodet_g").films


def test_each_change_is_a_film_of_its_own(folder: Path) -> None:
    plain, turned = films(folder, FILMS)
    assert (plain.name, turned.name) == ("clip", "clip, pan")
    assert (plain.model, plain.rate, plain.loop_s) == ("nanodet_g", 5, 60)
    assert turned.change == Change("pan", *CHANGED_S)
    assert [one.event.count for one in plain.expected] == [1, 1]
    assert turned.expected[:2] == plain.expected
    view = turned.expected[2].event
    assert (view.kind, view.place) == ("camera_moved", None)
    assert turned.expected[2].due_s == CHANGED_S[0]
    assert view.raised_s[1] - CHANGED_S[0] == view.end_s[1] - CHANGED_S[1] == NOTICED_S


def test_what_is_done_to_a_camera_may_be_described(folder: Path) -> None:
    text = CAMERA + (
        "    loop_s: 20\n    changed_s: [5, 10]\n    fps: full\n"
        "    changes:\n      - {kind: tilt, strength: -0.1, edge: reflect}\n      - cover\n"
    )
    tilted, covered = films(folder, text)
    assert tilted.name == "clip, tilt -0.1 reflect"
    assert tilted.change == Change("tilt", 5, 10, -0.1, "reflect")
    assert covered.change == Change("cover", 5, 10)
    assert (tilted.model, tilted.rate, tilted.scene.rules) == (None, "full", ())
    assert tilted.scene.frame_size == (768, 576)
    assert {f.expected[0].event.kind for f in (tilted, covered)} == {
        "camera_moved", "camera_covered",
    }  # fmt: skip
    every = films(folder, CAMERA + f"    loop_s: 60\n    changes: [{', '.join(FAULTS)}]\n")
    assert [film.expected[0].event.kind for film in every] == [
        f"camera_{fault}" for fault in FAULTS.values()
    ]


def test_the_pictures_are_those_of_the_clip_with_what_was_done(folder: Path) -> None:
    text = CAMERA + "    loop_s: 9\n    changed_s: [4, 8]\n    changes: [none, darken]\n"
    plain, dark = (list(film.frames(Fraction(2), nobody)) for film in films(folder, text))
    assert [round(frame.ts, 3) for frame in plain] == [round(frame.ts, 3) for frame in dark]
    assert plain[-1].ts == pytest.approx(9, abs=0.6)
    for before, after in zip(plain, dark, strict=True):
        touched = not np.array_equal(before.image, after.image)
        # the change comes within half a second, and goes so
        assert touched or not 4.5 < before.ts < 7.5
        assert not touched or 4 <= before.ts < 8
    again = list(changed(plain, "darken", 4, 8))
    assert all(np.array_equal(a.image, b.image) for a, b in zip(again, dark, strict=True))


def test_a_clip_may_be_played_backwards(folder: Path) -> None:
    forth, back = (
        list(films(folder, CAMERA + f"    reverse: {flag}\n")[0].frames("full", nobody))
        for flag in ("false", "true")
    )
    assert [frame.ts for frame in back] == pytest.approx([frame.ts for frame in forth])
    for one, other in zip(forth, reversed(back), strict=True):
        assert np.array_equal(one.image, other.image)


def test_what_is_laid_there_is_there_for_its_time(folder: Path) -> None:
    """A red bag on the grass, and a person who stands on the left all the time."""
    plain = replace(films(folder, LAID)[0], laid=())
    (film,) = films(folder, LAID)
    pairs = list(zip(plain.frames("full", nobody), film.frames("full", nobody), strict=True))
    assert len(pairs) == 21
    for before, after in pairs:
        assert before.ts == after.ts
        red = after.image[490:498, 645:655].reshape(-1, 3).mean(axis=0)
        assert (red[2] > 200 and red[1] < 30) == (1 <= after.ts < 2)
        changed_px = np.argwhere((before.image != after.image).any(axis=2))
        person = changed_px[changed_px[:, 1] < 300]
        assert len(person) > 300
        # a box of 72 px on its foot at 400, cut out with a margin
        assert 315 <= person[:, 0].min() < person[:, 0].max() <= 410
    # a box in which nobody is hides nothing
    boxed = list(film.frames("full", lambda _: np.array([[600, 440, 700, 560]], np.float32)))
    same = [np.array_equal(a.image, b.image) for (_, a), b in zip(pairs, boxed, strict=True)]
    assert all(same)


@pytest.mark.parametrize(
    ("text", "old", "new", "words"),
    [
        (FILMS, "clips:", "clip:", r"films.yaml:1: unknown field 'clip', did you mean 'clips'\?"),
        (FILMS, "scene: scene.yaml", "seen: scene.yaml", r":3: clips\[0\]: unknown field 'seen'"),
        (FILMS, "    scene: scene.yaml\n", "", r"field 'scene' is missing; add 'scene: FILE'"),
        (FILMS, "clip: clip.mp4", "local: none.mp4", "no none.mp4 in the folder of MATAKOTA_SAM"),
        (FILMS, "clip: clip.mp4", "clip: none.mp4", "there is no clip .*none.mp4; correct the"),
        (FILMS, "clip: clip.mp4", "name: x", "write either 'clip: FILE' or 'sample: NAME' or 'lo"),
        (FILMS, "loop_s: 60", "loop_s: 0", "0 is no length; write seconds, up to 3600"),
        (
            FILMS,
            "loop_s: 60",
            "loop_s: 60\n    reverse: true",
            "plays it forth and back; remove on",
        ),
        (FILMS, "loop_s: 60", "reverse: 1", "expected true or false"),
        (FILMS, "    loop_s: 60\n", "", "a change from 20 to 40 s does not fit into 3 s; write 'l"),
        (FILMS, "changes: [none, pan]", "changed_s: [1, 2]", "nothing is changed; add 'changes"),
        (
            FILMS,
            "[none, pan]",
            "[pan]\n    changed_s: [5, 6]",
            "a pan takes 1 s to come and as long",
        ),
        (FILMS, "[none, pan]", "[none, span]", r"'span' is unknown here, did you mean 'pan'\?"),
        (FILMS, "[none, pan]", "[]", "nothing is listed; write what is done, or remove the field"),
        (FILMS, "[none, pan]", "[pan, pan]", "'pan' is listed already; remove one of the two"),
        (FILMS, "[none, pan]", "[{kind: pan, strength: 9}]", "9 is no strength of a pan; write"),
        (FILMS, "[none, pan]", "[{kind: zoom, strength: -.1}]", "-0.1 is no strength of a zoom"),
        (FILMS, "[none, pan]", "[{kind: pan, edge: rip}]", "'rip' is unknown here"),
        (FILMS, "[none, pan]", "[{king: pan}]", r"unknown field 'king', did you mean 'kind'\?"),
        (FILMS, "kind: intrusion, ", "", r":7: clips\[0\].events\[0\]: field 'kind' is missing"),
        (FILMS, "zone: crossroads", "zone: road", r"events\[0\].zone: 'road' is unknown here"),
        (FILMS, ", start_s: [0, 2]", "", "nothing says when; add 'start_s: .from, to.' or 'due_s"),
        (FILMS, "count: 2", "count: 0", "what is not listed must not be reported anyway; remove"),
        (FILMS, "count: 2", "none: true", "unknown field 'none'"),
        (FILMS, "count: 2", "tolerance: 2", "unknown field 'tolerance'"),
        (
            LAID,
            "bag: [20, 24], ",
            "",
            "one thing is needed; write either 'bag: .w, h.' or 'person:",
        ),
        (LAID, ", at_s: 0.1", "", "field 'at_s' is missing; add when the person is there"),
        (LAID, "at_s: 0.1", "at_s: 0.1, colour: [1, 2, 3]", "this is about a 'bag'; remove it"),
        (LAID, "to_s: 2", "to_s: 1", "it is there from 1 to 1 s, which is no time; correct them"),
        (LAID, "[650, 500]", "[650]", "expected 2 numbers, found 1; correct the list"),
        (LAID, "[0, 0, 255]", "[0, 0, 256]", "a colour is three numbers from 0 to 255; write"),
        (LAID, "[20, 24]", "[1, 24]", "a bag is 2 to 500 px wide and high; write .w, h."),
        (LAID, "[500, 160, 530", "[500, 160, 400", "this is no box; write .x1, y1, x2, y2. px"),
        (LAID, "[500, 160, 530", "[800, 160, 830", "outside the picture of 768x576 px; correct"),
        (LAID, "place: [150, 400]", "plaice: [1, 2]", "unknown field 'plaice', did you mean 'pla"),
        (CAMERA, "watch: camera", "watch: camera\n    paste: []", "looks for nobody; remove this"),
        (FILMS, "loop_s: 60", "loop_s: 60\n    paste: []", "nothing is listed; write what is laid"),
        (CAMERA, "watch: camera", "watch: cameras", r"'cameras' is unknown here, did you mean"),
        (CAMERA, "    watch: camera\n", "    scene: scene.yaml\n", "field 'events' is missing;"),
        (CAMERA, "watch: camera", "watch: camera\n    scene: a", "looks for nobody; remove this"),
        (CAMERA, "watch: camera", "watch: camera\n    model: a", "looks for nobody; remove this"),
    ],
)
def test_a_mistake_is_one_sentence(text: str, old: str, new: str, words: str, folder: Path) -> None:
    assert old in text
    with pytest.raises(ExpectationError, match=words) as caught:
        films(folder, text.replace(old, new, 1))
    assert "\n" not in str(caught.value)


def test_clips_of_ones_own_are_looked_for_in_the_folder_of_clips(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "own").mkdir()
    cut(PLAZA, tmp_path / "own/yard.mp4", 21)
    path = folder / "films.yaml"
    path.write_text("clips:\n  - {local: own/yard.mp4, watch: camera}\n  - {local: b.mp4}\n")
    places = Places(tmp_path, Path("/nonexistent"))
    found = load_films(path, places, default_model="m", skip_missing=True)
    assert [film.name for film in found.films] == ["yard"]
    assert found.skipped == ("b",)
    assert found.files == (path, tmp_path / "own/yard.mp4")
