"""What changes in the picture, and what must not; how it looks is judged by eye."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from vision.draw import ALERT, CLASS_COLOURS, draw
from vision.scene import Line, Scene, Zone
from vision.types import Detections, Event, Image, Track, Tracked

SIZE = (640, 360)
ZONE_AT = np.array([[40.0, 200], [200, 200], [200, 330], [40, 330]])
LINE_AT = np.array([[320.0, 100], [320, 340]])
SCENE = Scene(SIZE, lines=(Line("gate", LINE_AT, "out", "in"),), zones=(Zone("yard", ZONE_AT),))
EMPTY = Scene(SIZE)


def grey(size: tuple[int, int] = SIZE, value: int = 120) -> Image:
    return np.full((size[1], size[0], 3), value, np.uint8)


def track(
    box: tuple[float, float, float, float],
    *,
    number: int = 7,
    name: str = "car",
    last: float = 10.0,
) -> Track:
    x, y = (box[0] + box[2]) / 2, box[3]
    path = [(x - 20 * (10 - i), y, float(i)) for i in range(11)]
    return Track(
        number, name, 1.0, 0.9, 0.0, last, np.array(box, np.float32), np.array(path, np.float32),
        np.full((11, 2), 40, np.float32),
    )  # fmt: skip


def tracked(*tracks: Track, camera: str = "Losari 04") -> Tracked:
    none = Detections.empty()
    return Tracked(camera, 3, 10.0, ("car",), none, np.zeros(0, np.int32), tracks, ())


def event(place: str, *ids: int, end: float | None = None, kind: str = "wrong_way") -> Event:
    return Event("e", kind, "r", "c", place, 4.0, 5.0, end, ids, 0.9, {})


def drawn(
    *tracks: Track,
    scene: Scene = EMPTY,
    image: Image | None = None,
    counts: dict[str, dict[str, int]] | None = None,
    events: tuple[Event, ...] = (),
    clock: str = "14:32:07",
) -> Image:
    return draw(
        grey() if image is None else image,
        tracked(*tracks),
        scene,
        counts=counts or {},
        events=events,
        clock=clock,
    )


def changed(a: Image, b: Image) -> NDArray[np.bool_]:
    """Where two pictures differ visibly, (h, w)."""
    return np.asarray(np.abs(a.astype(int) - b.astype(int)).max(axis=2) > 6)


def near(image: Image, colour: tuple[int, int, int], within: int = 12) -> NDArray[np.bool_]:
    return np.asarray(np.abs(image.astype(int) - np.array(colour)).max(axis=2) <= within)


def test_a_new_picture_of_the_same_shape() -> None:
    image = grey()
    image.flags.writeable = False
    picture = drawn(track((300, 150, 360, 240)), scene=SCENE, image=image, events=(event("yard"),))
    assert picture.shape == image.shape
    assert picture.dtype == np.uint8
    assert (image == 120).all()
    assert not np.shares_memory(picture, image)


def test_the_same_again() -> None:
    things = (track((300, 150, 360, 240)), track((330, 160, 390, 250), number=8))
    assert (drawn(*things, scene=SCENE) == drawn(*things, scene=SCENE)).all()


def test_nothing_to_draw_leaves_all_but_the_bar() -> None:
    picture = drawn()
    assert changed(picture, grey())[:20].any()
    assert (picture[40:] == 120).all()


def test_a_zone_is_tinted_inside_and_bordered() -> None:
    picture = drawn(scene=Scene(SIZE, zones=SCENE.zones))
    there = changed(picture, grey())
    assert there[205:325, 45:195].all()
    assert not there[345:, :].any()
    assert not there[100:190, 210:].any()
    # The border is stronger than the tint.
    assert abs(int(picture[265, 40, 0]) - 120) > abs(int(picture[265, 120, 0]) - 120)


def test_an_open_event_turns_its_place_red_and_an_ended_one_does_not() -> None:
    calm = drawn(scene=SCENE)
    red = drawn(scene=SCENE, events=(event("yard"),))
    inside = np.s_[290:320, 60:180]
    assert (red[inside][..., 2].astype(int) - red[inside][..., 0] > 15).all()
    assert (calm[inside][..., 2] < calm[inside][..., 0]).all()
    assert (drawn(scene=SCENE, events=(event("yard", end=9.0),)) == calm).all()
    line = drawn(scene=SCENE, events=(event("gate"),))
    assert near(line[110:210, 318:323], ALERT).any()
    assert not near(calm[110:210, 318:323], ALERT).any()


@pytest.mark.parametrize("name", [*CLASS_COLOURS, "bentor"])
def test_a_box_has_the_colour_of_its_class_at_its_corners(name: str) -> None:
    picture = drawn(track((300, 150, 380, 240), name=name))
    colour = CLASS_COLOURS.get(name, (205, 205, 205))
    for x, y in ((300, 150), (380, 150), (380, 240), (300, 240)):
        assert near(picture[y - 2 : y + 3, x - 2 : x + 3], colour, 60).any()
    # The object itself stays as it was, above the trail.
    assert (picture[160:225, 310:370] == 120).all()


def test_the_track_of_an_event_is_red() -> None:
    things = (track((300, 150, 380, 240)), track((480, 150, 560, 240), number=9))
    picture = drawn(*things, scene=SCENE, events=(event("yard", 9),))
    assert near(picture[148:153, 510:530], ALERT).any()
    assert not near(picture[140:250, 290:390], ALERT).any()


def test_a_track_out_of_sight_is_fainter() -> None:
    box = (300, 150, 380, 240)
    seen, hidden = drawn(track(box)), drawn(track(box, last=9.0))
    corner = np.s_[238:243, 370:382]
    assert near(seen[corner], CLASS_COLOURS["car"], 40).any()
    assert not near(hidden[corner], CLASS_COLOURS["car"], 40).any()
    assert changed(hidden, grey())[corner].any()


def test_a_trail_fades() -> None:
    picture = drawn(track((300, 150, 380, 240)))
    strength = [int(np.abs(picture[238:243, x].astype(int) - 120).max()) for x in (290, 255, 228)]
    assert strength[0] > strength[-1] > 0
    # Older than six seconds: gone.
    assert not changed(picture, grey())[230:250, 140:205].any()


def test_only_what_has_a_track_is_drawn() -> None:
    box = np.array([[300, 150, 380, 240]], np.float32)
    detections = Detections(box, np.ones(1, np.float32), np.zeros(1, np.int32))
    loose = Tracked("c", 0, 0.0, ("car",), detections, np.full(1, -1, np.int32), (), ())
    picture = draw(grey(), loose, EMPTY, counts={}, events=(), clock="")
    assert (picture[40:] == 120).all()


def test_the_counts_are_shown_by_the_line() -> None:
    none = drawn(scene=SCENE)
    some = drawn(scene=SCENE, counts={"gate": {"out": 12, "in": 7}})
    there = changed(none, some)
    assert there[40:].any()
    rows, columns = np.nonzero(there[40:])
    # One panel, beside an end of the line.
    assert np.ptp(rows) < 60
    assert np.ptp(columns) < 60
    assert np.abs(columns - 320).max() < 120
    assert (drawn(scene=SCENE, counts={"gate": {"other": 3}})[40:] == none[40:]).all()


def test_forward_is_to_the_right_of_the_walk() -> None:
    def arrow_side(points: list[list[float]]) -> float:
        scene = Scene(SIZE, lines=(Line("l", np.array(points)),))
        picture = drawn(scene=scene)
        white = near(picture[160:241, 300:341], (255, 255, 255), 3)
        return float(np.nonzero(white)[1].mean()) - 20

    # Down the picture, the right hand is at the left; up, at the right.
    assert arrow_side([[320, 60], [320, 340]]) < -0.3
    assert arrow_side([[320, 340], [320, 60]]) > 0.3


def test_all_is_scaled_to_the_picture() -> None:
    things = (track((300, 150, 380, 240)),)
    large = drawn(*things, scene=SCENE, image=grey((1280, 720)))
    box = changed(large, grey((1280, 720)))
    for x, y in ((600, 300), (760, 480)):
        assert box[y - 3 : y + 4, x - 3 : x + 4].any()
    assert box[410:650, 90:390].all()
    # Another shape, as an anamorphic stream has it, is stretched both ways.
    tall = drawn(*things, image=grey((320, 720)))
    for x, y in ((150, 300), (190, 480)):
        assert changed(tall, grey((320, 720)))[y - 3 : y + 4, x - 3 : x + 4].any()


@pytest.mark.parametrize("size", [(64, 48), (426, 240), (640, 352), (1920, 1080), (33, 2001)])
def test_any_size(size: tuple[int, int]) -> None:
    events = tuple(event(place, 7) for place in ("yard", "gate", "yard", "gate", "yard", "gate"))
    picture = drawn(
        track((300, 150, 380, 240)),
        scene=SCENE,
        image=grey(size),
        events=events,
        counts={"gate": {"out": 123456, "in": 0}},
        clock="2025-11-24 14:32:07 WITA",
    )
    assert picture.shape == (size[1], size[0], 3)
    assert changed(picture, grey(size)).any()


def test_labels_do_not_cover_each_other() -> None:
    one = drawn(track((300, 150, 380, 240)))
    pair = [track((300 + 4 * i, 150 + 3 * i, 380 + 4 * i, 240 + 3 * i), number=i) for i in range(4)]
    four = drawn(*pair)
    dark = (grey() - 60)[0, 0, 0]
    # Each label is dark ink on its chip: four have about four times the ink of one.
    ink = [int((picture[40:] < dark).all(axis=2).sum()) for picture in (one, four)]
    assert ink[1] > 2.5 * ink[0]


@pytest.mark.parametrize(
    "box",
    [
        (-50, -50, -10, -10),
        (700, 400, 800, 500),
        (-100, -100, 900, 900),
        (630, 350, 700, 420),
        (300, 150, 300, 150),
        (380, 240, 300, 150),
        (-3e9, -3e9, 3e9, 3e9),
        (1e12, 1e12, 2e12, 2e12),
    ],
)
def test_boxes_outside_the_picture(box: tuple[float, float, float, float]) -> None:
    for events in ((), (event("yard", 7),)):
        picture = drawn(track(box), scene=SCENE, events=events)
        assert picture.shape == (360, 640, 3)


def test_odd_names() -> None:
    odd = "Jl. Sultan Hasanuddin → Pasar\n人 \t‮" + "x" * 300
    scene = Scene(
        SIZE,
        lines=(Line(odd, LINE_AT, odd, ""), Line("", LINE_AT + 1e7, "a", "a")),
        zones=(Zone(odd, ZONE_AT), Zone("", ZONE_AT * 1e6)),
    )
    picture = draw(
        grey(),
        tracked(track((1, 1, 2, 2), name=odd), camera=odd),
        scene,
        counts={odd: {odd: 10**12}, "no line": {"x": 1}},
        events=(event(odd, kind=odd), event("no such place", 99)),
        clock=odd,
    )
    assert changed(picture, grey()).any()


def test_a_line_without_length() -> None:
    scene = Scene(SIZE, lines=(Line("dot", np.full((2, 2), 100.0)),))
    assert changed(drawn(scene=scene), grey()).any()


@given(
    boxes=st.lists(st.tuples(*[st.floats(-1000, 2000, width=32)] * 4), max_size=12),
    names=st.lists(st.text(max_size=20), min_size=1, max_size=3),
)
def test_anything_is_drawn(
    boxes: list[tuple[float, float, float, float]], names: list[str]
) -> None:
    things = [track(box, number=i, name=names[i % len(names)]) for i, box in enumerate(boxes)]
    picture = drawn(*things, scene=SCENE, events=(event(names[0], 0, 3),), clock=names[-1])
    assert picture.shape == (360, 640, 3)
