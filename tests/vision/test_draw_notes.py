"""Words beside what they are about: that they are there, where, and in which colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.vision.test_draw import EMPTY, SCENE, changed, event, grey, near, track, tracked
from vision.draw import ALERT, INK, Note, draw
from vision.scene import Scene
from vision.types import Event, Image, Track

LARGE = (1280, 720)
"""Twice the scene's own size."""


def noted(
    *notes: Note,
    tracks: Sequence[Track] = (),
    scene: Scene = EMPTY,
    size: tuple[int, int] = LARGE,
    events: Sequence[Event] = (),
) -> Image:
    return draw(
        grey(size),
        tracked(*tracks),
        scene,
        counts={},
        events=events,
        clock="at 12.0 s",
        notes=notes,
    )


def centre(where: NDArray[np.bool_]) -> tuple[float, float]:
    """Mean x, y of what is set."""
    rows, columns = np.nonzero(where)
    return float(columns.mean()), float(rows.mean())


def extent(where: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero(where)
    return int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())


BOX = (300.0, 150.0, 340.0, 240.0)
ABOUT = Note("7 car · loitering@yard", "dwell: 8.0 s, needs 12.5 s", track_id=7)


def test_no_notes_change_nothing() -> None:
    assert (
        noted(tracks=[track(BOX)], scene=SCENE) == noted(tracks=[track(BOX)], scene=SCENE)
    ).all()
    stranger = Note("9 car", "nobody", track_id=9)
    assert (noted(stranger, tracks=[track(BOX)]) == noted(tracks=[track(BOX)])).all()
    nowhere = Note("r", "no such place", place="attic")
    assert (noted(nowhere, scene=SCENE) == noted(scene=SCENE)).all()


def test_a_note_stands_beside_its_track_in_place_of_its_label() -> None:
    person = track(BOX)
    plain, with_note = noted(tracks=[person]), noted(ABOUT, tracks=[person])
    panel = near(with_note, INK, 40) & ~near(plain, INK, 40)
    panel[:60] = False
    x1, y1, x2, y2 = extent(panel)
    left, top, right, bottom = (2 * edge for edge in BOX)
    # it touches the box and hides nothing of it
    assert not panel[int(top) + 4 : int(bottom) - 4, int(left) + 4 : int(right) - 4].any()
    assert x1 < right
    assert x2 > left
    assert min(abs(y2 - top), abs(y1 - bottom)) < 8
    assert x2 - x1 > 150, "both lines fit"


def test_a_longer_text_needs_more_room_up_to_a_limit() -> None:
    widths = []
    for text in ("a", "dwell: 8.0 s, needs 12.5 s", "x" * 400):
        found = noted(Note("7", text, track_id=7), tracks=[track(BOX)])
        panel = near(found, INK, 40)
        panel[:60] = False
        x1, _, x2, _ = extent(panel)
        widths.append(x2 - x1)
    assert widths == sorted(set(widths))
    assert widths[-1] < 0.35 * LARGE[0]


def test_what_is_wrong_is_red() -> None:
    calm = noted(ABOUT, tracks=[track(BOX)])
    alert = Note(ABOUT.title, ABOUT.text, track_id=7, alert=True)
    wrong = noted(alert, tracks=[track(BOX)], scene=EMPTY, events=[event("", 7)])
    ground = near(wrong, ALERT, 40)
    assert ground.sum() > 4000
    assert near(calm, ALERT, 40).sum() < 100


def test_a_note_about_a_box_draws_it() -> None:
    bag = (100.0, 200.0, 130.0, 220.0)
    found = noted(Note("abandoned_object@yard", "still: 8 s, needs 60 s", box=bag))
    there = changed(found, grey(LARGE))
    for x in (200, 260):
        assert there[405:435, x - 3 : x + 4].any(axis=1).all(), "its sides"
    x, y = centre(near(found, INK, 40)[80:])
    assert abs(x - 230) < 200
    assert abs(y + 80 - 420) < 120


@pytest.mark.parametrize("place", ["yard", "gate"])
def test_a_note_about_a_place_stands_there(place: str) -> None:
    plain = noted(scene=SCENE)
    there = changed(noted(Note("crowd@yard", "count: 3, needs 5", place=place), scene=SCENE), plain)
    x, y = centre(there)
    shape = SCENE.zone("yard").polygon if place == "yard" else SCENE.line("gate").points
    assert np.hypot(*(np.array([x, y]) - 2 * shape.mean(axis=0))) < 200


def test_notes_about_the_whole_picture_stand_below_the_bar_and_the_incidents() -> None:
    fault = Note("Rules are suspended", "covered since 3.2 s", alert=True)
    one = noted(fault)
    x1, y1, x2, y2 = extent(near(one, ALERT, 40))
    assert x1 < 20
    assert 30 < y1 < 60
    assert y2 < 100
    assert x2 > 200
    below = noted(fault, events=[event("", 7)])
    _, _, _, lower = extent(near(below, ALERT, 40))
    assert lower > y2 + 20


def test_notes_do_not_cover_each_other_and_lead_to_their_tracks() -> None:
    crowd = [track((200 + 22.0 * i, 150, 220 + 22.0 * i, 220), number=i) for i in range(8)]
    notes = [Note(f"{i} car · loitering@yard", "dwell: 8.0 s", track_id=i) for i in range(8)]
    single = near(noted(notes[0], tracks=crowd[:1]), INK, 40)[60:].sum()
    together = near(noted(*notes, tracks=crowd), INK, 40)[60:].sum()
    assert together > 0.9 * 8 * single


def test_where_there_is_no_room_a_track_has_its_label_alone() -> None:
    crowd = [track((100 + 2.0 * i, 150, 140 + 2.0 * i, 220), number=i) for i in range(90)]
    notes = [Note(f"{i} car · loitering@yard", "dwell: 8.0 s", track_id=i) for i in range(90)]
    calm = near(noted(*notes, tracks=crowd, size=(640, 360)), INK, 40)[60:].mean()
    # without a limit, two fifths of the picture are hidden
    assert calm < 0.36
    alert = Note("89 car · loitering@yard", "open", track_id=89, alert=True)
    assert near(noted(*notes, alert, tracks=crowd, size=(640, 360)), ALERT, 20).sum() > 1000


@given(
    boxes=st.lists(st.tuples(*[st.floats(-1000, 2000, width=32)] * 4), max_size=6),
    words=st.lists(st.text(max_size=30), min_size=2, max_size=4),
    alert=st.booleans(),
)
def test_any_note_is_drawn(
    boxes: list[tuple[float, float, float, float]], words: list[str], alert: bool
) -> None:
    things = [track(box, number=i) for i, box in enumerate(boxes)]
    notes = [
        *(Note(words[0], words[1], track_id=i, alert=alert) for i in range(len(boxes))),
        *(Note(words[-1], words[0], box=box) for box in boxes),
        *(Note(words[1], words[-1], place=place) for place in ("yard", "gate", words[0])),
    ]
    picture = noted(*notes, tracks=things, scene=SCENE, size=(320, 180))
    assert picture.shape == (180, 320, 3)


def test_an_incident_about_no_track_is_framed() -> None:
    """A bag has no track: the picture shows where it is."""
    thing = event("yard", kind="abandoned_object")
    bag = replace(thing, details={"box_px": list(BOX)})
    plain = noted(events=[thing])
    framed = noted(events=[bag])
    x1, y1, x2, y2 = extent((framed == ALERT).all(axis=2) & (plain != ALERT).any(axis=2))
    assert (x1, y1) <= (2 * BOX[0], 2 * BOX[1])
    assert (x2, y2) >= (2 * BOX[2] - 4, 2 * BOX[3] - 4)
