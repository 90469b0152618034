"""How a track begins: its first boxes, fast ones, faint ones, and which class it is of."""

from __future__ import annotations

import numpy as np
import pytest

from tests.vision.watched import HIGH, SETTINGS, START, WEAK, Box, Camera, beginning, car, person


@pytest.mark.parametrize("speed", [1400, -1400])
def test_a_fast_beginning_is_one_track(speed: float) -> None:
    """A car that moves by more than its length from frame to frame."""
    camera = Camera()
    seen = camera.film(lambda t: [car(600 + speed * t)], 10, 0, 0.6)
    assert seen == [[-1]] * 2 + [[1]] * 4


@pytest.mark.parametrize("fps", [5, 25])
def test_three_boxes_of_a_fifth_of_a_second_make_a_track(fps: int) -> None:
    camera = Camera()
    first = beginning(fps)
    boxes = first + 2
    seen = camera.film(lambda t: [person(100 + 30 * t)], fps, 0, boxes / fps)
    assert seen == [[-1]] * first + [[1]] * 2
    (track,) = camera.tracks
    # it began with its first box
    assert track.first_ts == START
    assert track.last_ts == pytest.approx(START + (boxes - 1) / fps)
    assert len(track.path) == boxes
    assert track.path[:, 2].tolist() == pytest.approx([k / fps for k in range(boxes)], abs=1e-6)
    assert track.score == pytest.approx(HIGH)


def test_a_box_or_two_are_no_track() -> None:
    camera = Camera()
    for at, xs in ((0, [100]), (0.1, [400]), (0.2, [100, 400])):
        camera.see(*map(person, xs), at=at)
    camera.film(lambda t: [], 10, 0.3, 5)
    # what comes to the same place later begins anew
    assert camera.film(lambda t: [person(100)], 10, 5, 5.3) == [[-1], [-1], [1]]
    assert camera.track(1).first_ts == pytest.approx(START + 5)
    assert camera.ended == []


def test_low_scores_confirm_and_continue_but_do_not_begin() -> None:
    camera = Camera()
    # alone, weak boxes are nothing, however many
    camera.film(lambda t: [person(100, score=WEAK)], 10, 0, 2)
    assert {number for ids in camera.seen for number in ids} == {-1}
    # a strong box begins, weak ones confirm it and continue it
    assert camera.see(person(100), at=2.0) == [-1]
    weak = camera.film(lambda t: [person(100 + 30 * (t - 2), score=WEAK)], 10, 2.1, 4)
    assert weak == [[-1]] + [[1]] * 18
    assert camera.track(1).last_ts == pytest.approx(START + 3.9)
    # below low a box is not even looked at
    assert camera.see(person(158, score=0.05), at=4.0) == [-1]


@pytest.mark.parametrize(("score", "boxes"), [(0.3125, 10), (0.375, 8), (0.45, 7)])
def test_many_faint_boxes_begin_a_track_together(score: float, boxes: int) -> None:
    """None is of ``birth``, all are from ``match`` on, and their scores come to six times it."""
    assert score * (boxes - 1) < SETTINGS.birth * SETTINGS.faint_hits <= score * boxes
    camera = Camera()
    seen = camera.film(lambda t: [person(100 + 150 * t, score=score)], 10, 0, 2)
    assert seen == [[-1]] * (boxes - 1) + [[1]] * (20 - boxes + 1)
    # it began with the first of them
    assert camera.track(1).first_ts == START
    assert len(camera.track(1).path) == 20


def test_what_is_faint_and_stays_begins_nothing_until_it_moves() -> None:
    """A sign that looks a little like a person; and a person who stood like one, then walks."""
    camera = Camera()
    camera.film(lambda t: [person(400 + (7 * t) % 3, score=0.45)], 10, 0, 60)
    assert camera.live == set()
    seen = camera.film(lambda t: [person(400 + 60 * (t - 60), score=0.45)], 10, 60, 63)
    assert seen[0] == [-1]
    assert seen[-1] == [1]
    side = (40 * 100) ** 0.5
    walked = 6 * seen.index([1])
    assert walked == pytest.approx(side * SETTINGS.faint_travel, abs=12)


def test_faint_boxes_with_long_gaps_begin_nothing() -> None:
    """Someone who walks by, seen a little for three or four pictures of each second."""
    camera = Camera()

    def scene(t: float) -> list[Box]:
        return [person(100 + 130 * t, score=0.45)] if t % 1 < 0.35 else []

    camera.film(scene, 10, 0, 30)
    assert camera.live == set()


def test_what_was_faint_begins_with_its_first_clear_box() -> None:
    """Faint boxes before it are neither of its path nor of its score."""
    camera = Camera()

    def scene(t: float) -> list[Box]:
        return [person(100 + 30 * t, score=0.35 if t < 0.45 else HIGH)]

    seen = camera.film(scene, 10, 0, 2)
    assert seen == [[-1]] * 7 + [[1]] * 13
    track = camera.track(1)
    assert track.first_ts == pytest.approx(START + 0.5)
    assert len(track.path) == 15
    assert track.score == pytest.approx(HIGH)


@pytest.mark.parametrize("since", [0.0, 2.0])
def test_two_boxes_on_one_object_are_one_track(since: float) -> None:
    """The second box, a few pixels off and a little weaker, from the start or from later on."""

    def scene(t: float) -> list[Box]:
        x = 100 + 40 * t
        return [car(x), car(x + 6, 303, score=0.7)] if t >= since else [car(x)]

    camera = Camera()
    camera.film(scene, 10, 0, 6)
    assert camera.live == {1}
    assert all(ids == [1, -1][: len(ids)] for ids in camera.seen[2:])


@pytest.mark.parametrize("first", ["car", "truck"])
def test_the_class_is_voted_for(first: str) -> None:
    """Every fifth box of a lorry is called a car, and the first one perhaps too."""
    camera = Camera()

    def scene(t: float) -> list[Box]:
        step = round(t * 10)
        return [car(100 + 40 * t, name="car" if step % 5 == 1 else first if step == 0 else "truck")]

    seen = camera.film(scene, 10, 0, 6)
    assert seen[2:] == [[1]] * 58
    (track,) = camera.tracks
    assert track.class_name == "truck"
    assert track.class_share == pytest.approx(0.8, abs=0.03)


def test_a_person_never_continues_a_car() -> None:
    """A driver gets out where the car stood: the same box, another group of classes."""
    camera = Camera()
    camera.film(lambda t: [car(300)], 10, 0, 4)
    assert camera.film(lambda t: [(300, 300, 120, 80, HIGH, "person")], 10, 4, 5)[-1] == [2]
    # nor does it leap from one, as a fast beginning would
    fast = Camera()
    fast.see(car(0), at=0)
    leaps = fast.film(lambda t: [(1200 * t, 300, 120, 80, HIGH, "person")], 10, 0.1, 0.4)
    assert leaps == [[-1], [-1], [1]]
    # and both at one place are two
    both = camera.film(lambda t: [car(300), (300, 300, 120, 80, HIGH, "person")], 10, 5, 6)
    assert both == [[1, 2]] * 10
    assert (camera.track(1).class_name, camera.track(2).class_name) == ("car", "person")


# --- faster than their size from picture to picture


@pytest.mark.parametrize("gap", [150, 300, 430])
@pytest.mark.parametrize("step", range(20, 121, 10))
@pytest.mark.parametrize(("fps", "size"), [(10, (120, 80)), (25, (200, 130))])
def test_fast_traffic_both_ways_keeps_one_id_each(
    fps: int, size: tuple[float, float], step: float, gap: float
) -> None:
    """Four cars each way, ``step`` px a picture fast, in lanes below each other; so close behind
    each other that two may be within reach of one box, but not so that the next one is where the
    last one was expected."""
    width, height = size
    gap = max(gap, 2.2 * step, 1.15 * width)
    camera = Camera()
    given: dict[tuple[str, int], list[int]] = {}
    shown = 0
    for k in range(200):
        boxes: dict[tuple[str, int], Box] = {}
        for i in range(4):
            right, left = step * k - i * gap, 1280 + 37 + i * gap - step * k
            if 0 <= right <= 1280:
                boxes["right", i] = (right, 400, width, height, HIGH, "car")
            if 0 <= left <= 1280:
                boxes["left", i] = (left, 400 - 1.2 * height, width, height, HIGH, "car")
        for who, number in zip(boxes, camera.see(*boxes.values(), at=k / fps), strict=True):
            given.setdefault(who, []).append(number)
        if shown and not boxes:
            break
        shown += bool(boxes)
    assert len(given) == 8
    for who, ids in given.items():
        assert set(ids[: beginning(fps)]) == {-1}, who
        assert len(set(ids[beginning(fps) :])) == 1, who
        assert -1 not in ids[beginning(fps) :], who
    assert camera.live == set(range(1, 9))


def test_no_beginning_leaps_to_two_places() -> None:
    """Of two boxes within reach of one, either could be it: only the third picture tells."""
    camera = Camera()
    camera.see(car(600), at=0)
    camera.see(car(450), car(750), at=0.1)
    camera.see(car(300), car(900), at=0.2)
    camera.see(car(150), car(1050), at=0.3)
    assert camera.seen[:2] == [[-1], [-1, -1]]
    left, right = camera.seen[3]
    assert left != right


def test_three_boxes_of_a_leap_are_one_track_of_three() -> None:
    """Two meet in one place, and each is then within reach of the other: the way of both tells.
    The boxes between count for the score as the others."""
    camera = Camera()
    scores = (0.9, 0.6, 0.9, 0.9)
    for k, score in enumerate(scores):
        camera.see(car(200 + 140 * k, 300, score), car(480 - 140 * k, 380, score), at=k / 10)
    assert sorted(camera.seen[2]) == [1, 2]
    assert camera.seen[3] == camera.seen[2]
    for track in camera.tracks:
        assert track.score == pytest.approx(np.mean(scores))
        assert track.first_ts == START


def test_a_box_between_two_begins_nothing_of_its_own() -> None:
    """Where two met while they were faster than their size, another stops later: it begins with
    its own first box."""
    camera = Camera()

    def scene(t: float) -> list[Box]:
        two = [car(200 + 1400 * t, 300), car(480 - 1400 * t, 380)]
        return [*two, car(340, 300)] if t > 0.25 else two

    camera.film(scene, 10, 0, 0.3)
    assert sorted(camera.seen[2]) == [1, 2]
    camera.film(scene, 10, 0.3, 0.7)
    assert [ids[2] for ids in camera.seen[3:]] == [-1, -1, 3, 3]
    assert camera.track(3).first_ts == pytest.approx(START + 0.3)


def test_a_leap_does_not_begin_with_another_group() -> None:
    """A person was where a car that moves evenly would have begun."""
    camera = Camera()

    def one(x: float, name: str) -> Box:
        return (x, 300, 100, 100, HIGH, name)

    camera.see(one(0, "person"), at=0)
    camera.see(one(140, "car"), at=0.1)
    for k in range(2, 6):
        camera.see(one(-50 * k, "person"), one(140 * k, "car"), at=k / 10)
    assert {track.class_name: track.class_share for track in camera.tracks} == {
        "person": 1.0,
        "car": 1.0,
    }


# --- a class that may be anything

MAYBE = ("person", "car", "moving")
MAYBE_GROUPS = np.array([0, 1, -1], np.int32)


def moving(x: float, score: float = HIGH) -> Box:
    return (x, 300, 120, 80, score, "moving")


def maybe() -> Camera:
    return Camera(SETTINGS, MAYBE, MAYBE_GROUPS)


def test_what_may_be_anything_is_called_so_while_nobody_knows_better() -> None:
    camera = maybe()
    camera.film(lambda t: [moving(100 + 40 * t)], 10, 0, 1)
    assert (camera.track(1).class_name, camera.track(1).class_share) == ("moving", 1.0)


def test_one_name_outvotes_any_number_of_boxes_without() -> None:
    camera = maybe()

    def scene(t: float) -> list[Box]:
        x = 300 + 50 * np.sin(t / 5)
        return [car(x, score=0.35)] if t == 1 else [moving(x)]

    camera.film(scene, 10, 0, 150)
    (track,) = camera.tracks
    assert (track.id, track.class_name) == (1, "car")
    assert track.class_share == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("name", ["car", "person"])
def test_it_continues_every_group_and_takes_the_group_of_what_continues_it(name: str) -> None:
    camera = maybe()
    other = "person" if name == "car" else "car"
    camera.film(lambda t: [moving(300)], 10, 0, 1)
    camera.film(lambda t: [(300, 300, 120, 80, HIGH, name)], 10, 1, 2)
    assert camera.seen[-1] == [1]
    # from now on it is of that group, and one of the other group is another object
    camera.film(lambda t: [(300, 300, 120, 80, HIGH, other)], 10, 2, 3)
    assert camera.seen[-1] == [2]
    assert {track.id: track.class_name for track in camera.tracks} == {1: name, 2: other}


@pytest.mark.parametrize("name", ["car", "person"])
def test_it_is_no_second_box_of_what_has_a_name(name: str) -> None:
    camera = maybe()

    def scene(t: float) -> list[Box]:
        x = 300 + 40 * t
        return [(x, 300, 120, 80, HIGH, name), moving(x + 2, score=0.7)]

    assert camera.film(scene, 10, 0, 2)[2:] == [[1, -1]] * 18
