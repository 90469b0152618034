"""Where cameras stand, as a drawing without anything of other servers: each as it is now, with the
worst alert that is left to do. Around one camera it shows those beside it, too."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from api.cameras import CameraOut, all_cameras, cameras_of
from api.forms.page import show, texts_of
from api.handover.report import STATES
from api.i18n import Texts
from api.kinds import SEVERITIES
from api.positions import EARTH_M, neighbours
from api.services import Asking, Served
from api.store.handovers import Waiting
from streams.config import Position

WIDTH: Final = 1000
HEIGHT: Final = 560
EDGE: Final = 50
"""So much is left free around, in the drawing's own units, as are both above."""
BESIDE: Final = 6
"""So many cameras are named as those beside one."""
NAMED: Final = 40
"""Of more cameras than these no names are written beside them: they are in the list below."""
LABEL_CHARS: Final = 28
LEAST_M: Final = 200.0
"""So wide is the drawing at least, or one camera would fill it."""
REFRESH_S: Final = 30

router = APIRouter(include_in_schema=False)


class Spot(NamedTuple):
    """A camera on the drawing, ``x`` and ``y`` where it stands; none where nobody said."""

    camera: CameraOut
    state: str
    waiting: Waiting | None
    said: str
    here: str
    x: float | None = None
    y: float | None = None
    chosen: bool = False


class Scale(NamedTuple):
    """A length that is drawn, and what it is called."""

    length: float
    said: str


@router.get("/map")
def shown_map(request: Request, served: Served, caller: Asking) -> Response:
    _ = texts_of(request)
    cameras = cameras_of(caller, all_cameras(served))
    waiting = served.store.handovers.waiting(only=caller.cameras)
    known = {camera.id: camera for camera in cameras}
    wanted = known.get(request.query_params.get("camera", ""))
    if wanted is not None:
        sites = served.store.alerting.current().settings.sites
        near = neighbours(wanted.id, cameras, sites, BESIDE)
        cameras = [wanted, *(known[name] for name in near)]
    placed = [camera for camera in cameras if camera.position is not None]
    frame = Frame([camera.position for camera in placed if camera.position is not None])
    spots = [
        _spot(_, camera, waiting.get(camera.id), frame, chosen=camera is wanted)
        for camera in cameras
    ]
    # what needs somebody is drawn last, above the others, and stands first in the list
    spots.sort(key=lambda spot: (_urgency(spot), spot.camera.id))
    values = {
        "drawn": [spot for spot in spots if spot.x is not None],
        "listed": spots[::-1],
        "wanted": wanted,
        "asked": bool(request.query_params.get("camera")),
        "named": len(placed) <= NAMED,
        "scale": frame.scale(_),
        "size": (WIDTH, HEIGHT),
        "label": LABEL_CHARS,
        "now": time.time(),
        "refresh": REFRESH_S,
        "states": {state: _(name) for state, name in STATES.items()},
    }
    return show(request, "map.html", values, headers={"Refresh": str(REFRESH_S)})


class Frame:
    """Where positions lie on the drawing: north is up, and a metre is as long in both ways."""

    def __init__(self, positions: Sequence[Position]) -> None:
        latitudes = [latitude for latitude, _longitude in positions] or [0.0]
        self._middle = (min(latitudes) + max(latitudes)) / 2
        self._shrink = max(math.cos(math.radians(self._middle)), 1e-6)
        self._first = positions[0][1] if positions else 0.0
        easts = [self._east(longitude) for _latitude, longitude in positions] or [0.0]
        self._centre = (min(easts) + max(easts)) / 2
        wide = max(max(easts) - min(easts), LEAST_M)
        high = max(
            math.radians(max(latitudes) - min(latitudes)) * EARTH_M, LEAST_M * HEIGHT / WIDTH
        )
        self._per_m = min((WIDTH - 2 * EDGE) / wide, (HEIGHT - 2 * EDGE) / high)

    def at(self, position: Position) -> tuple[float, float]:
        """Where it is drawn."""
        latitude, longitude = position
        east = self._east(longitude) - self._centre
        north = math.radians(latitude - self._middle) * EARTH_M
        return WIDTH / 2 + east * self._per_m, HEIGHT / 2 - north * self._per_m

    def scale(self, _: Texts) -> Scale:
        """The longest round length that takes up to a quarter of the width."""
        room_m = WIDTH / 4 / self._per_m
        power = 10.0 ** math.floor(math.log10(room_m))
        metres = max(n * power for n in (1, 2, 5) if n * power <= room_m)
        said = _("%(n)s m") % {"n": f"{metres:g}"}
        if metres >= 1000:
            said = _("%(n)s km") % {"n": f"{metres / 1000:g}"}
        return Scale(metres * self._per_m, said)

    def _east(self, longitude: float) -> float:
        """Metres east of the first one; the shorter way around."""
        turn = (longitude - self._first + 180) % 360 - 180
        return math.radians(turn) * EARTH_M * self._shrink


def _spot(
    _: Texts, camera: CameraOut, waiting: Waiting | None, frame: Frame, *, chosen: bool
) -> Spot:
    x, y = (None, None) if camera.position is None else frame.at(camera.position)
    said = _(STATES.get(camera.state, camera.state))
    if waiting is not None:
        left = _.plural("%(n)d alert to do", "%(n)d alerts to do", waiting.n) % {"n": waiting.n}
        said = f"{said} · {left}, {_(SEVERITIES[waiting.severity])}"
    here = "/map?" + urlencode({"camera": camera.id})
    return Spot(camera, str(camera.state), waiting, said, here, x, y, chosen)


_URGENT: Final[Mapping[str, int]] = {
    name: n for n, name in enumerate(reversed(list(SEVERITIES)), 2)
}


def _urgency(spot: Spot) -> int:
    if spot.waiting is not None:
        return _URGENT[spot.waiting.severity]
    return int(spot.state != "live")
