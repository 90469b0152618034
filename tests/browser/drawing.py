"""Cameras on which something is drawn, and what a person does in the editor of one: clicks and
drags at places of its picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from playwright.sync_api import FloatRect, Page, Route, expect

from api.access import Role
from streams.config import SYNTHETIC, CameraConfig, City
from tests.api.evidence.packing import picture
from tests.api.served import TESTER, add_user
from tests.browser.desk import Desk
from tests.browser.sites import Site, serving

SCENE: Final[dict[str, Any]] = {
    "frame_size": [640, 360],
    "classes": ["person", "car"],
    "lines": [
        {"name": "gate", "points": [[400, 100], [400, 300]], "forward": "in", "backward": "out"}
    ],
    "zones": [{"name": "yard", "polygon": [[50, 50], [250, 50], [250, 250], [50, 250]]}],
    "rules": [{"kind": "intrusion", "zone": "yard"}],
}
CAMERAS: Final = tuple(f"c{i}" for i in range(12))
Points: TypeAlias = Sequence[Sequence[float]]


@contextmanager
def drawn_on(folder: Path) -> Iterator[Site]:
    """A site with ``CAMERAS``, each with ``SCENE``, and an administrator ``kendali``."""
    with serving(folder) as served:
        cameras = [
            CameraConfig(
                id=name, name=f"Camera {name}", source=SYNTHETIC, login=None, model="motion",
                fps=5.0, worker=None, scene=SCENE,
            )
            for name in CAMERAS
        ]  # fmt: skip
        city = City("Test", (ip_network("127.0.0.0/8"),), None, tuple(cameras))
        served.store.configuration.apply(city, TESTER)
        add_user(served.store, "kendali")
        yield served


def editor(desk: Desk, camera: str, role: Role = Role.ADMINISTRATOR, **more: Any) -> Page:
    """Its editor, in a browser of somebody's own, with a picture."""
    store = desk.site.store
    if role is Role.ADMINISTRATOR:
        known = store.people.named("kendali")
        assert known is not None
        user = known.id
    else:
        user = add_user(store, f"{role} {len(store.people.all())}", role, cameras=[camera])
    page = seeing(desk, user, **more)
    desk.go(page, f"/room/cameras/{camera}")
    expect(page.locator(".mk-canvas")).to_be_visible()
    return page


def seeing(desk: Desk, user: int, **more: Any) -> Page:
    """A browser of somebody's, in which cameras have pictures."""
    page = desk.window(user=user, **more)

    def give(route: Route) -> None:
        route.fulfill(body=picture(), content_type="image/jpeg")

    page.route("**/snapshot*", give)
    return page


def drawn(site: Site, camera: str) -> dict[str, Any]:
    """What is in force on a camera."""
    found = site.store.scenes.get(camera)
    assert found is not None
    return dict(found.document)


def corners(page: Page, shape: str) -> list[list[float]]:
    text = page.locator(f'[data-shape="{shape}"] .mk-area').get_attribute("points") or ""
    return [[float(each) for each in point.split(",")] for point in text.split()]


def near(found: Points, wanted: Points, px: float = 3) -> bool:
    return len(found) == len(wanted) and bool((abs(np.array(found) - np.array(wanted)) <= px).all())


def sheet(page: Page) -> FloatRect:
    """Where the picture is on the screen."""
    page.locator(".mk-canvas").scroll_into_view_if_needed()
    found = page.locator(".mk-canvas").bounding_box()
    assert found is not None
    return found


def on(page: Page, x: float, y: float) -> tuple[float, float]:
    """Where a place on the picture is on the screen."""
    box = sheet(page)
    _, _, w, h = (page.locator(".mk-canvas").get_attribute("viewBox") or "").split()
    return box["x"] + x / float(w) * box["width"], box["y"] + y / float(h) * box["height"]


def click(page: Page, x: float, y: float) -> None:
    page.mouse.click(*on(page, x, y))


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*on(page, *start))
    page.mouse.down()
    page.mouse.move(*on(page, *((a + b) / 2 for a, b in zip(start, end, strict=True))))
    page.mouse.move(*on(page, *end))
    page.mouse.up()


def draw_zone(page: Page, *corners: tuple[float, float]) -> None:
    """By its corners, and closed by the first one."""
    page.locator('[data-tool="zone"]').click()
    for corner in (*corners, corners[0]):
        click(page, *corner)


def add_rule(page: Page, kind: str, place: str) -> None:
    page.locator('[data-tab="rules"]').click()
    page.locator(".mk-add-rule select[name=kind]").select_option(kind)
    page.locator(".mk-add-rule select[name=place]").select_option(place)
    page.locator(".mk-add-rule button").click()


def save(page: Page, revision: int) -> None:
    page.locator(".mk-save button").click()
    expect(page.locator(".mk-standing")).to_have_attribute("data-revision", str(revision))
