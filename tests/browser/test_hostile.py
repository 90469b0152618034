"""Whatever anybody called anything: every page shows it as text, runs nothing of it, and keeps its
width."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from api.access import RULES, Permission, Role
from api.alerting.settings import Alerting, Channel, Matcher
from api.forms.page import MENU
from api.store import Actor
from streams.config import SYNTHETIC, CameraConfig, City
from tests.api.served import TESTER, add_user, alert, counted, report
from tests.browser.conftest import SIZE
from tests.browser.desk import Desk
from tests.browser.sites import Site, serving

HIT = "window.hit=1"
NAMES = (
    f"</script><script>{HIT}</script>",
    f"\"'><img src=x onerror={HIT}>",
    f"{{{{ constructor.constructor('{HIT}')() }}}}",
    f"`${{{HIT}}}`\\u003cscript>{HIT}</script>",
    "\u202egnp.live \u2067\u202e)(",
    "W" * 120,
    "م" * 119 + "\u202e",
    "🎥" * 60,
)
"""Each short enough for any name."""
LONG = ("<b onmouseover=window.hit=1>" + "W" * 400) * 24
"""Where no name is meant: more than 10,000 characters without a space to break at."""
PHONE = {"width": 390, "height": 844}
CAMERAS = [f"c{n}" for n in range(len(NAMES))]
ROOM = "/room/"


@dataclass(frozen=True, slots=True)
class Town:
    """A site where everything that can have a hostile name has one."""

    site: Site
    administrator: int
    paths: tuple[str, ...]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with serving(tmp_path_factory.mktemp("hostile")) as site:
        store, now = site.store, time.time()
        cameras = tuple(
            CameraConfig(
                id=camera, name=name, source=SYNTHETIC, login=None, model="motion", fps=5.0,
                worker=None, scene=scene(name),
            )
            for camera, name in zip(CAMERAS, NAMES, strict=True)
        )  # fmt: skip
        store.configuration.apply(
            City(NAMES[0], (ip_network("127.0.0.0/8"),), None, cameras), TESTER
        )
        told = [
            report(now, camera, message=LONG[:2000]).cameras[0].model_copy(update={"name": name})
            for camera, name in zip(CAMERAS, NAMES, strict=True)
        ]
        store.cameras.save(report(now, "c0").model_copy(update={"cameras": tuple(told)}))
        # what cannot be seen is in no name of a person or a group, and no reason
        seen = [name[:60] for name in NAMES if name.isprintable()]
        people = [add_user(store, name, Role.OPERATOR, cameras=CAMERAS) for name in seen]
        for number, (camera, name) in enumerate(zip(CAMERAS, NAMES, strict=True)):
            raised = alert(
                f"{number}", camera=camera, place=name, rule=name, kind=name,
                severity=("critical", "high", "medium", "low")[number % 4],
                start_ts=now - number, raised_ts=now - number, details={"why": LONG},
            )  # fmt: skip
            store.record([raised])
            count = counted(0, {(name, name, name): 7}, camera=camera, lines={name: (name, name)})
            minute = float(int(now) // 60 * 60)
            store.record([count.model_copy(update={"start_ts": minute, "classes": (name,)})])
            store.audit.add(Actor("nobody", name), "other.thing", "other", name, {"x": LONG})
            match = Matcher(cameras=(camera,), rules=(name,))
            reason = LONG[:500] if name.isprintable() else "seen"
            store.alerting.silence(match, reason, starts_at=now, ends_at=now + 3600, by=TESTER)
        channels = tuple(Channel(name=name, kind="apprise") for name in NAMES)
        store.alerting.apply(Alerting(channels=channels), TESTER)
        group = store.groups.add("W" * 63, CAMERAS, TESTER)
        more = [f"/people/{person}" for person in people]
        yield Town(site, add_user(store, NAMES[1] + "!"), (*paths(), *more, f"/groups/{group.id}"))


def scene(name: str) -> dict[str, Any]:
    line = {"name": name, "points": [[1, 1], [9, 9]], "forward": name, "backward": name[:-1] + "?"}
    return {"frame_size": [640, 360], "lines": [line]}


def paths() -> Iterator[str]:
    """Every page that an administrator opens by a path that is written out, and those of one
    camera."""
    for rule in RULES:
        page = rule.path.startswith(ROOM) and "." not in rule.path and "_nicegui" not in rule.path
        if rule.method == "GET" and page:
            yield rule.path.replace("{camera}", CAMERAS[2])
    yield from (path for path, _, need in MENU if path != ROOM)


def is_harmless(page: Page, path: str, width: int) -> None:
    assert page.evaluate("window.hit") is None, path
    assert page.locator("img[src='x'], iframe, [onerror], [onmouseover]").count() == 0, path
    assert page.evaluate("document.documentElement.scrollWidth") <= width, path


@pytest.fixture
def desk(town: Town, browser: Browser) -> Iterator[Desk]:
    made = Desk(town.site, browser)
    yield made
    made.close()


@pytest.mark.parametrize("size", [SIZE, PHONE], ids=["office", "phone"])
def test_every_page_shows_it_as_text(desk: Desk, town: Town, size: Any) -> None:
    assert any(
        Permission.PICTURES_SEE is rule.needs and rule.path == "/room/wall" for rule in RULES
    )
    page = desk.window(user=town.administrator)
    page.set_viewport_size(size)
    for camera in CAMERAS:
        # no worker has any of them
        desk.refuses(f"/api/v1/cameras/{camera}/snapshot?plain=1")
    for path in town.paths:
        answer = page.goto(f"{town.site.address}{path}")
        assert answer is not None
        assert answer.status == 200, path
        if path.startswith(ROOM):
            page.wait_for_selector(".mk-room main > *")
        is_harmless(page, path, size["width"])


@pytest.mark.parametrize("size", [SIZE, PHONE], ids=["office", "phone"])
def test_an_opened_alert_and_its_forms_show_it_as_text(desk: Desk, town: Town, size: Any) -> None:
    page = desk.open(ROOM, user=town.administrator)
    page.set_viewport_size(size)
    for number in (0, 1, 2, 4, 5):
        page.locator(f'.mk-alert[data-alert="{number}"] .mk-title').click()
        panel = page.locator(".mk-panel")
        expect(panel.locator("h2").first).to_be_visible()
        is_harmless(page, str(number), size["width"])
        box = panel.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= size["width"]
        assert panel.evaluate("e => e.scrollWidth <= e.clientWidth")
        page.keyboard.press("Escape")


def test_the_wall_shows_it_as_text_however_it_is_arranged(desk: Desk, town: Town) -> None:
    page = desk.window(user=town.administrator)
    for query in ("?n=1", "?n=4", "?n=16&bare=1", "?n=4&camera=%3Cscript%3E&alone=%22%3E%3Cimg"):
        desk.go(page, f"/room/wall{query}")
        page.wait_for_selector(".mk-grid")
        is_harmless(page, query, SIZE["width"])
        assert page.evaluate("document.documentElement.scrollHeight") <= SIZE["height"], query
    desk.go(page, "/room/wall?n=16")
    for cell in page.locator(".mk-cell").all():
        # what an alert says covers no other tile, and leaves something to see of its picture
        box, said = cell.bounding_box(), cell.locator(".mk-alarmed").bounding_box()
        assert box is not None
        assert said is not None
        assert said["y"] >= box["y"] + 0.3 * box["height"]
        assert said["y"] + said["height"] <= box["y"] + box["height"]
    page.locator(".mk-choose").click()
    dialog = page.locator("dialog[open]")
    expect(dialog.locator("li")).to_have_count(len(CAMERAS))
    assert dialog.evaluate("e => e.scrollWidth <= e.clientWidth")
    is_harmless(page, "dialog", SIZE["width"])
