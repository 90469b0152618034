"""A camera that does not exist: a road scene rendered as time goes by, for trying things out.

Every picture says SYNTHETIC, large, so that nobody takes its counts for a street's.
"""

from __future__ import annotations

import math
import random
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

import cv2
import numpy as np

from streams.health import Health, State
from vision.types import Frame, Image

LABEL: Final = "SYNTHETIC"
MAX_SIDE_PX = 4096
MIN_SIDE_PX = 64
DEFAULT_FPS = 25.0
"""Pictures a second where none are asked for, as many cameras have."""

HORIZON = 0.22
"""The share of the picture above the road's far end."""
FAR_M, NEAR_M = 70.0, 7.0
CAMERA_HEIGHT_M = 6.0
LANE_M = 3.5
LANES = ((-1.5, -1), (-0.5, -1), (0.5, 1), (1.5, 1))
"""The middle of each lane in lanes from the road's middle, and 1 for towards the camera."""
WALKWAY_M = 9.5
GAP_S = 7.0
"""The mean time between two vehicles of one lane."""
_Colour = tuple[int, int, int]
CAR_COLOURS: tuple[_Colour, ...] = (
    (40, 40, 170), (150, 90, 40), (210, 210, 215), (60, 60, 62), (120, 130, 125), (40, 120, 170),
)  # fmt: skip
GRASS: _Colour = (62, 104, 78)
ROAD: _Colour = (92, 92, 94)
SKY_TOP, SKY_LOW = np.array([196, 158, 118]), np.array([226, 214, 200])


@dataclass(frozen=True, slots=True)
class Vehicle:
    """``x_m`` from the road's middle, ``z_m`` from the camera; sizes in metres."""

    x_m: float
    z_m: float
    width_m: float
    height_m: float
    length_m: float
    colour: _Colour
    towards: bool


class Scene:
    """What the camera sees at a time; the same ``seed`` and time give the same picture."""

    def __init__(self, size: tuple[int, int], seed: int) -> None:
        self._w, self._h = size
        self._seed = seed
        self._horizon_px = self._h * HORIZON
        # the road's nearest visible point lies at the lower edge
        self._focal_px = (self._h - self._horizon_px) * NEAR_M / CAMERA_HEIGHT_M
        self._empty = self._background()

    def render(self, t: float) -> Image:
        """(h, w, 3) uint8 BGR at ``t`` seconds."""
        image = self._empty.copy()
        for vehicle in sorted(self.vehicles(t), key=lambda v: -v.z_m):
            self._draw_vehicle(image, vehicle)
        self._draw_walker(image, t)
        self._draw_label(image)
        return image

    def point(self, x_m: float, y_m: float, z_m: float) -> tuple[int, int]:
        """Where a point is seen: ``y_m`` above the road."""
        scale = self._focal_px / z_m
        x = self._w / 2 + x_m * scale
        y = self._horizon_px + (CAMERA_HEIGHT_M - y_m) * scale
        return round(x), round(y)

    def _ground(self, x_m: float, z_m: float) -> tuple[int, int]:
        return self.point(x_m, 0.0, z_m)

    def _background(self) -> Image:
        image = np.empty((self._h, self._w, 3), np.float32)
        rows = np.linspace(0, 1, self._h, dtype=np.float32)[:, None]
        sky = SKY_TOP + (SKY_LOW - SKY_TOP) * np.minimum(rows / HORIZON, 1)
        image[:] = sky[:, None, :].astype(np.float32)
        image[round(self._horizon_px) :] = GRASS
        canvas = image.astype(np.uint8)
        self._fill(canvas, (-WALKWAY_M - 1.2, -WALKWAY_M + 1.2), (150, 158, 164))
        edge = 2 * LANE_M + 0.5
        self._fill(canvas, (-edge, edge), ROAD)
        for side in (-1, 1):
            self._fill(canvas, (side * 2 * LANE_M - 0.07, side * 2 * LANE_M + 0.07), (215,) * 3)
            for near in np.arange(NEAR_M, FAR_M, 6.0):
                x = side * LANE_M
                self._fill(canvas, (x - 0.07, x + 0.07), (215,) * 3, float(near), float(near) + 3)
        self._fill(canvas, (-0.08, 0.08), (70, 190, 215))
        grain = np.random.default_rng(self._seed).normal(0, 4, canvas.shape[:2])
        noisy = canvas.astype(np.float32) + grain[..., None].astype(np.float32)
        return np.clip(cv2.GaussianBlur(noisy, (3, 3), 0), 0, 255).astype(np.uint8)

    def _fill(
        self,
        image: Image,
        x_m: tuple[float, float],
        colour: _Colour,
        near_m: float = NEAR_M / 2,
        far_m: float = FAR_M * 3,
    ) -> None:
        corners = [
            self._ground(x_m[0], near_m), self._ground(x_m[1], near_m),
            self._ground(x_m[1], far_m), self._ground(x_m[0], far_m),
        ]  # fmt: skip
        cv2.fillPoly(image, [np.array(corners, np.int32)], colour, cv2.LINE_AA)

    def vehicles(self, t: float) -> list[Vehicle]:
        """Those in sight: each lane has a timetable, one vehicle a slot of ``GAP_S`` seconds."""
        found = []
        for lane, (place, sign) in enumerate(LANES):
            speed = 9.0 + 1.5 * lane
            crossing_s = (FAR_M - NEAR_M / 2) / speed
            last = math.floor(t / GAP_S)
            for slot in range(last - math.ceil(crossing_s / GAP_S) - 1, last + 1):
                chance = random.Random(f"{self._seed}/{lane}/{slot}")
                start = (slot + chance.uniform(0.0, 0.6)) * GAP_S
                gone_m = (t - start) * speed
                large = chance.random() < 0.15
                size = (2.4, 3.0, 9.0) if large else (1.8, 1.5, 4.2)
                colour = chance.choice(CAR_COLOURS)
                towards = sign > 0
                z_m = FAR_M - gone_m if towards else NEAR_M / 2 + gone_m
                if gone_m >= 0 and NEAR_M / 2 < z_m < FAR_M:
                    found.append(Vehicle(place * LANE_M, z_m, *size, colour, towards))
        return found

    def _draw_vehicle(self, image: Image, v: Vehicle) -> None:
        half = v.width_m / 2
        back_m = v.z_m + v.length_m
        belt_m = v.height_m * 0.58

        def quad(points: list[tuple[float, float, float]], colour: _Colour) -> None:
            corners = np.array([self.point(*p) for p in points], np.int32)
            cv2.fillConvexPoly(image, corners, colour, cv2.LINE_AA)

        def shade(factor: float) -> _Colour:
            b, g, r = (min(255, round(channel * factor)) for channel in v.colour)
            return b, g, r

        def box(low: float, high: float, z0: float, z1: float, inset: float) -> None:
            x0, x1 = v.x_m - half + inset, v.x_m + half - inset
            if v.x_m > half:
                quad([(x0, low, z0), (x0, low, z1), (x0, high, z1), (x0, high, z0)], shade(0.65))
            elif v.x_m < -half:
                quad([(x1, low, z0), (x1, low, z1), (x1, high, z1), (x1, high, z0)], shade(0.8))
            quad([(x0, high, z0), (x1, high, z0), (x1, high, z1), (x0, high, z1)], shade(1.2))
            quad([(x0, low, z0), (x1, low, z0), (x1, high, z0), (x0, high, z0)], shade(1.0))

        def plate(
            x: float, half_m: float, low: float, high: float, z: float, colour: _Colour
        ) -> None:
            """An upright rectangle that faces the camera."""
            x0, x1, z = x - half_m, x + half_m, z - 0.01
            quad([(x0, low, z), (x1, low, z), (x1, high, z), (x0, high, z)], colour)

        left, right = v.x_m - half - 0.25, v.x_m + half + 0.25
        near, far = v.z_m - 0.2, back_m + 0.3
        quad([(left, 0, near), (right, 0, near), (right, 0, far), (left, 0, far)], (52, 52, 54))
        box(0.25, belt_m, v.z_m, back_m, 0.0)
        cabin0, cabin1 = v.z_m + 0.2 * v.length_m, v.z_m + 0.85 * v.length_m
        box(belt_m, v.height_m, cabin0, cabin1, 0.12)
        plate(v.x_m, half - 0.22, belt_m + 0.05, v.height_m - 0.1, cabin0, (74, 62, 52))
        lamp = (205, 240, 250) if v.towards else (30, 30, 200)
        for x in (v.x_m - half + 0.22, v.x_m + half - 0.22):
            plate(x, 0.14, 0.02, 0.42, v.z_m, (24, 24, 24))
            plate(x, 0.16, 0.62, 0.80, v.z_m, lamp)
        plate(v.x_m, 0.26, 0.42, 0.55, v.z_m, (225, 225, 225))

    def _draw_walker(self, image: Image, t: float) -> None:
        """A person on the walkway at the left, to and fro."""
        span_m = 16.0
        way = (t * 1.3 + self._seed % 7) % (2 * span_m)
        z_m = 16.0 + min(way, 2 * span_m - way)
        scale = self._focal_px / z_m
        stride = math.sin(t * 2 * math.pi * 0.95)

        def limb(a: tuple[float, float], b: tuple[float, float], m: float, colour: _Colour) -> None:
            first = self.point(-WALKWAY_M + a[0], a[1], z_m)
            second = self.point(-WALKWAY_M + b[0], b[1], z_m)
            cv2.line(image, first, second, colour, max(1, round(m * scale)), cv2.LINE_AA)

        trousers, coat, skin = (86, 58, 44), (44, 52, 150), (128, 158, 200)
        cv2.ellipse(
            image, self._ground(-WALKWAY_M, z_m), (max(1, round(0.4 * scale)),
            max(1, round(0.12 * scale))), 0, 0, 360, (104, 110, 114), -1, cv2.LINE_AA,
        )  # fmt: skip
        limb((0.0, 0.88), (0.26 * stride, 0.06), 0.17, trousers)
        limb((0.0, 0.88), (-0.26 * stride, 0.06), 0.17, trousers)
        limb((0.0, 1.38), (-0.22 * stride, 0.86), 0.12, (36, 42, 124))
        limb((0.0, 0.95), (0.0, 1.36), 0.38, coat)
        limb((0.0, 1.38), (0.22 * stride, 0.86), 0.12, (36, 42, 124))
        head = self.point(-WALKWAY_M, 1.62, z_m)
        cv2.circle(image, head, max(1, round(0.13 * scale)), skin, -1, cv2.LINE_AA)
        cv2.ellipse(
            image, head, (max(1, round(0.14 * scale)),) * 2, 0, 180, 360, (34, 38, 44), -1,
            cv2.LINE_AA,
        )  # fmt: skip

    def _draw_label(self, image: Image) -> None:
        font = cv2.FONT_HERSHEY_DUPLEX
        (width, height), _ = cv2.getTextSize(LABEL, font, 1.0, 2)
        scale = min(0.6 * self._w / width, 0.7 * self._horizon_px / height)
        at = (round((self._w - width * scale) / 2), round(height * scale * 1.25))
        for colour, thickness in (((20, 20, 20), 6), ((60, 220, 255), 2)):
            thick = max(1, round(thickness * scale))
            cv2.putText(image, LABEL, at, font, scale, colour, thick, cv2.LINE_AA)


class SyntheticSource:
    """A live source that renders ``fps`` pictures a second (None: 25) of ``size`` (w, h) px by its
    own clock. ``ts`` is the wall clock at rendering and never runs backwards. Raises ValueError
    for values that do not fit."""

    ring = stream = None

    def __init__(
        self,
        camera_id: str,
        *,
        fps: float | None,
        size: tuple[int, int] = (640, 360),
        seed: int = 0,
    ) -> None:
        if fps is not None and not (math.isfinite(fps) and 0 < fps <= 1000):
            raise ValueError(f"a frame rate is above 0 and up to 1000, not {fps}")
        if not all(MIN_SIDE_PX <= side <= MAX_SIDE_PX for side in size):
            raise ValueError(f"a side has {MIN_SIDE_PX} to {MAX_SIDE_PX} px, not {size}")
        self._camera_id = camera_id
        self._step_s = 1 / (DEFAULT_FPS if fps is None else fps)
        self._scene = Scene(size, seed)
        self._health = Health(State.STARTING, None, time.time())
        self._started_s: float | None = None
        self._next = 0
        self._given = 0
        self._dropped = 0
        self._last_ts = -math.inf

    @property
    def camera_id(self) -> str:
        return self._camera_id

    @property
    def health(self) -> Health:
        return self._health

    @property
    def dropped(self) -> int:
        return self._dropped

    @property
    def connects(self) -> int:
        return min(self._given, 1)

    def __enter__(self) -> Self:
        self._started_s = time.monotonic()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._started_s = None
        self._health = Health(State.STOPPED, None, time.time())

    def next(self, timeout_s: float) -> Frame | None:
        """The newest picture that is due; those that nobody asked for in time are ``dropped``."""
        if self._started_s is None:
            raise RuntimeError("the source is not open")
        wait_s = self._started_s + self._next * self._step_s - time.monotonic()
        if wait_s > timeout_s:
            time.sleep(max(0.0, timeout_s))
            return None
        if wait_s > 0:
            time.sleep(wait_s)
        newest = max(self._next, int((time.monotonic() - self._started_s) / self._step_s))
        self._dropped += newest - self._next
        self._next = newest + 1
        self._last_ts = max(time.time(), self._last_ts)
        image = self._scene.render(newest * self._step_s)
        if self._given == 0:
            self._health = Health(State.LIVE, None, self._last_ts)
        self._given += 1
        return Frame(self._camera_id, newest, self._last_ts, image)
