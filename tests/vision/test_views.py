"""Views: known again in any light, found where they were turned to, and written down."""

from __future__ import annotations

import base64
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vision.types import Image
from vision.views import BLOCKS, DISPLACED, PLANE, Look, Reference, View, steady, usual

W, H = 320, 240


def street(seed: int = 0, size: tuple[int, int] = (W, H)) -> Image:
    """A picture with texture of all sizes, as streets have, no two alike."""
    rng = np.random.default_rng(seed)
    image = np.full((H, W, 3), 110, np.float32)
    # more here and less there
    busy = cv2.resize(rng.uniform(0.1, 2, (5, 6, 1)).astype(np.float32), (W, H))[..., None]
    for cells, depth in ((5, 40), (14, 30), (40, 24), (110, 20), (220, 16)):
        grain = rng.normal(0, depth, (cells * 3 // 4, cells, 3)).astype(np.float32)
        coarse = cv2.resize(grain, (W, H), interpolation=cv2.INTER_CUBIC)
        image += coarse if cells == 5 else coarse * busy
    return np.asarray(cv2.resize(np.clip(image, 0, 255).astype(np.uint8), size), np.uint8)


STREET = street()
HOME = View.of([STREET])


def turned(image: Image, across: float = 0, down: float = 0, larger: float = 1) -> Image:
    """``image`` moved by parts of its width and height, and enlarged around its middle."""
    to = np.array([
        [larger, 0, W * (across + (1 - larger) / 2)],
        [0, larger, H * (down + (1 - larger) / 2)],
    ])  # fmt: skip
    return np.asarray(cv2.warpAffine(image, to, (W, H), borderMode=cv2.BORDER_REFLECT), np.uint8)


# --- the text of a view -------------------------------------------------------------------------

planes = hnp.arrays(np.uint8, PLANE[::-1])
details = hnp.arrays(np.float32, BLOCKS[::-1], elements=st.floats(0, 250, width=32))


@settings(max_examples=25)
@given(plane=planes, detail=details)
def test_a_view_survives_being_written_down(plane: Image, detail: np.ndarray) -> None:
    text = View(plane, detail).text
    assert len(text) <= 6 * 1024
    again = View.of_text(text)
    assert np.array_equal(again.plane, plane)
    assert np.allclose(np.sqrt(again.detail), np.sqrt(detail), atol=1 / 16)
    assert View.of_text(again.text).text == again.text


@pytest.mark.parametrize(
    "text",
    [
        "", "view", "kein Bild!", HOME.text[:-4], HOME.text + "AAAA", "ü" + HOME.text[1:],
        base64.b64encode(b"\x02" + base64.b64decode(HOME.text)[1:]).decode(),
    ],
    ids=["empty", "short", "no base64", "cut", "longer", "no ascii", "another version"],
)  # fmt: skip
def test_a_broken_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="the text of a view is broken: record the view again"):
        View.of_text(text)


@pytest.mark.parametrize(
    ("images", "error"),
    [
        ([], "at least one picture"),
        ([np.full((90, 160, 3), 128, np.uint8)], "too little texture"),
        ([np.zeros((16, 16, 3), np.uint8)] * 3, "too little texture"),
    ],
    ids=["none", "plain", "black"],
)
def test_not_every_picture_is_a_view(images: list[Image], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        View.of(images)


def test_a_view_has_its_shape() -> None:
    with pytest.raises(ValueError, match=r"not \(3, 4\) and \(12, 16\)"):
        View(np.zeros((3, 4), np.uint8), HOME.detail)


# --- known again --------------------------------------------------------------------------------


@settings(max_examples=25)
@given(
    gain=st.floats(0.35, 1.3), more=st.floats(-15, 15), gamma=st.floats(0.7, 1.4),
    noise=st.floats(0, 8), seed=st.integers(0, 5),
)  # fmt: skip
def test_light_and_noise_change_no_view(
    gain: float, more: float, gamma: float, noise: float, seed: int
) -> None:
    light = 255 * (STREET / 255.0) ** gamma * gain + more
    light += np.random.default_rng(seed).normal(0, noise, light.shape)
    seen = Reference(HOME).agreement(Look.of(np.clip(light, 0, 255).astype(np.uint8)))
    assert seen.share > 0.75
    assert seen.layout > 0.85


@settings(max_examples=20)
@given(seed=st.integers(1, 10_000))
def test_another_view_is_another_view(seed: int) -> None:
    other = Look.of(street(seed))
    assert Reference(HOME).agreement(other).share < 0.35
    assert Reference(HOME).displacement(other.plane) is None


@pytest.mark.parametrize("size", [(1280, 720), (640, 480), (320, 240), (256, 144), (160, 120)])
def test_the_size_of_the_picture_does_not_matter(size: tuple[int, int]) -> None:
    seen = Reference(HOME).agreement(Look.of(street(size=size)))
    assert seen.share > 0.95
    # small pictures have less detail, and are not out of focus for that
    assert seen.sharpness > 0.62


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (33, 16), (1, 1), (4000, 16)])
def test_any_size_can_be_looked_at(size: tuple[int, int]) -> None:
    look = Look.of(street(size=size))
    assert look.plane.shape == PLANE[::-1]
    assert np.isfinite(look.energy).all()
    assert Reference(HOME).agreement(look).sharpness > 0


def test_who_hides_a_part_hides_only_that() -> None:
    image = STREET.copy()
    image[:, : W // 3] = 60
    seen = Reference(HOME).agreement(Look.of(image))
    assert seen.share == pytest.approx(2 / 3, abs=0.08)
    assert seen.agrees[:, :5].mean() < 0.1
    assert seen.kept == pytest.approx(2 / 3, abs=0.08)


@pytest.mark.parametrize(
    ("sigma", "low", "high"), [(0.4, 0.8, 1.05), (1.3, 0.2, 0.55), (4, 0.0, 0.3)]
)
def test_sharpness_goes_with_the_blur(sigma: float, low: float, high: float) -> None:
    blurred = np.asarray(cv2.GaussianBlur(STREET, (0, 0), sigma), np.uint8)
    for image in (blurred, (blurred * 0.5).astype(np.uint8)):
        seen = Reference(HOME).agreement(Look.of(image))
        assert low <= seen.sharpness <= high
        assert seen.share > 0.8


def test_a_view_is_what_is_seen_most_of_the_time() -> None:
    passing = []
    for x in range(0, W, 60):
        image = STREET.copy()
        image[100:200, x : x + 90] = 255
        passing.append(Look.of(image))
    assert Reference(usual(passing)).agreement(Look.of(STREET)).share > 0.95


# --- found elsewhere ----------------------------------------------------------------------------

TURNS = [
    (0.03, 0.0, 1.0), (-0.05, 0.0, 1.0), (0.0, 0.04, 1.0), (0.0, -0.04, 1.0), (0.03, -0.03, 1.0),
    (0.2, 0.0, 1.0), (-0.35, 0.0, 1.0), (0.0, 0.25, 1.0), (0.15, 0.2, 1.0), (0.0, 0.0, 1.3),
    (0.0, 0.0, 1.5), (0.0, 0.0, 0.8), (0.05, 0.0, 1.2),
]  # fmt: skip


@pytest.mark.parametrize(("across", "down", "larger"), TURNS)
def test_a_view_is_found_where_it_was_turned_to(across: float, down: float, larger: float) -> None:
    look = Look.of(turned(STREET, across, down, larger))
    away = Reference(HOME).displacement(look.plane)
    assert away is not None
    # the mean square of a place's distance from the middle is a twelfth, either way
    zoomed = abs(larger - 1) * np.sqrt(2 / 12)
    assert away == pytest.approx(
        np.sqrt(across**2 + down**2 + zoomed**2), rel=0.08, abs=0.006 + 0.15 * zoomed
    )


@pytest.mark.parametrize(
    ("across", "down", "larger"),
    [turn for turn in TURNS if max(map(abs, turn[:2])) < 0.06 and turn[2] == 1] + [(0, 0, 1.08)],
)
def test_little_turns_are_found_fast(across: float, down: float, larger: float) -> None:
    look, known = Look.of(turned(STREET, across, down, larger)), Reference(HOME)
    found = [known.displacement(look.plane, near=True) for _ in range(2)]
    assert any(away is not None and away >= DISPLACED for away in found)


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image,
        lambda image: turned(image, 2 / W, 1.5 / H),
        lambda image: np.full_like(image, 90),
        lambda image: np.hstack([np.full_like(image[:, :300], 90), image[:, 300:]]),
        lambda image: cv2.GaussianBlur(image, (0, 0), 5),
    ],
    ids=["as it was", "shaken", "covered", "half covered", "blurred"],
)
def test_what_is_no_turn_is_not_found_elsewhere(change: Callable[[Image], Image]) -> None:
    look, known = Look.of(np.asarray(change(STREET), np.uint8)), Reference(HOME)
    for near in (False, True):
        assert (known.displacement(look.plane, near=near) or 0.0) < DISPLACED


# --- followed -----------------------------------------------------------------------------------


def test_a_view_follows_what_changes_and_never_wanders_off() -> None:
    built = STREET.copy()
    built[60:200, 60:240] = street(1)[60:200, 60:240]
    known, look = Reference(HOME), Look.of(built)
    before = known.agreement(look).share
    for _ in range(20):
        known.follow(look, 0.2, 0.0)
        known.settle()
    assert known.agreement(look).share > max(0.95, before + 0.1)
    known = Reference(HOME)
    for step in range(60):
        known.follow(Look.of(turned(STREET, step / 1000)), 0.5, 0.0)
        known.settle()
    assert (Reference(HOME).displacement(known.view.plane.astype(np.float32)) or 0) < DISPLACED


def test_what_keeps_still_is_steady_whatever_the_light() -> None:
    one = Look.of(STREET)
    rng = np.random.default_rng(0)
    grainy = np.clip(STREET + rng.normal(0, 4, STREET.shape), 0, 255).astype(np.uint8)
    assert steady(one, Look.of(grainy)).mean() > 0.97
    assert steady(one, Look.of(street(1))).mean() < 0.2
    flat = [Look.of(np.full_like(STREET, level)) for level in (90, 92, 140)]
    assert steady(flat[0], flat[1]).all()
    assert not steady(flat[0], flat[2]).any()
