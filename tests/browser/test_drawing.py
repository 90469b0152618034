"""What is drawn in the editor, by its modules alone in real Chromium: that they see lines and zones
as counts and rules do, and that what they make of a scene is one."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Route

import api
from streams.scenefile import scene_of
from streams.schedulefile import read_schedule
from streams.yamlfile import item_of
from tests.vision.test_counting import crossings
from vision.draw import _forward
from vision.errors import SceneError
from vision.geometry import contains, side_distance
from vision.scene import Line
from vision.schedule import Schedule

FOLDER = Path(api.__file__).parent / "pages" / "drawing"
AT = "http://drawing.test/"
CALL = """async ([file, name, args]) => {
  const found = (await import("/" + file))[name](...args);
  return found === undefined ? null : JSON.parse(JSON.stringify(found));
}"""
"""What a function of a module gives, as JSON."""
Call: TypeAlias = Callable[..., Any]
SCENE = {
    "frame_size": [640, 360],
    "classes": ["person"],
    "lines": [{"name": "gate", "points": [[10, 100], [300, 100]], "forward": "in"}],
    "zones": [
        {"name": "yard", "polygon": [[20, 20], [200, 20], [200, 200], [20, 200]]},
        {"name": "road", "polygon": [[300, 20], [400, 20], [400, 200]]},
    ],
    "movements": [{"name": "turn", "entries": ["yard", "road"], "exits": ["yard", "road"]}],
    "rules": [
        {"kind": "intrusion", "zone": "yard"},
        {"kind": "line_crossing", "line": "gate", "direction": "in"},
        {"kind": "camera_dark"},
    ],
}


@pytest.fixture(scope="module")
def page(browser: Browser) -> Iterator[Page]:
    """A page that has nothing but the editor's modules."""
    made = browser.new_page()

    def give(route: Route) -> None:
        file = FOLDER / route.request.url.removeprefix(AT)
        if file.is_file():
            route.fulfill(body=file.read_text(encoding="utf-8"), content_type="text/javascript")
        else:
            route.fulfill(body="<!doctype html>", content_type="text/html")

    made.route(AT + "**", give)
    made.goto(AT)
    yield made
    made.close()


@pytest.fixture
def call(page: Page) -> Call:
    """``call("file.js", "name", …)``: what the function gives."""

    def ask(file: str, name: str, *args: Any) -> Any:
        return page.evaluate(CALL, [file, name, args])

    return ask


@pytest.fixture
def scenes(call: Call) -> Call:
    """``scenes("name", …)``: what a function on scenes gives."""
    return lambda name, *args: call("scene.js", name, *args)


def test_the_arrow_leads_where_forward_does(page: Page) -> None:
    rng = random.Random(7)
    lines = [[[rng.randint(0, 640), rng.randint(0, 352)] for _ in range(2)] for _ in range(200)]
    lines = [line for line in lines if line[0] != line[1]]
    found = page.evaluate(
        'async (all) => { const m = await import("/geometry.js");'
        " return all.map((each) => m.arrow(each, 1)); }",
        lines,
    )
    for points, arrow in zip(lines, found, strict=True):
        line = np.array(points, np.float64)
        # as it is drawn on live pictures, and as counts take it
        assert arrow["way"] == pytest.approx(_forward(*line))
        tip, back = np.array([arrow["tip"]]), np.array([arrow["backward"]])
        assert side_distance(tip, line)[0] == pytest.approx(34)
        assert side_distance(back, line)[0] < 0


@pytest.mark.parametrize("angle", range(0, 360, 45))
def test_who_walks_along_the_arrow_is_counted_forward(call: Call, angle: int) -> None:
    """And who walks against it backward."""
    turn = np.array([math.cos(math.radians(angle)), math.sin(math.radians(angle))])
    ends = np.array([[320.0, 180.0]]) + np.outer([-100, 100], turn)
    line = Line("gate", ends, "there", "back")
    arrow = call("geometry.js", "arrow", ends.tolist(), 1)
    way, middle = np.array(arrow["way"]), np.array(arrow["from"])
    walk = [tuple(middle + way * far) for far in range(-120, 121, 8)]
    for steps, direction in ((walk, "there"), (walk[::-1], "back")):
        (crossing,) = crossings(line, steps, (640, 360))
        assert crossing.direction == direction


def test_inside_is_inside(page: Page) -> None:
    rng = np.random.default_rng(3)
    polygon = [[20, 20], [200, 40], [120, 90], [220, 180], [30, 160]]
    points = rng.uniform(0, 240, (300, 2)).round(2)
    found = page.evaluate(
        'async ([polygon, all]) => { const m = await import("/geometry.js");'
        " return all.map((each) => m.contains(polygon, each)); }",
        [polygon, points.tolist()],
    )
    assert found == contains(np.array(polygon, np.float64), points).tolist()


@pytest.mark.parametrize(
    ("place", "selected", "found"),
    [
        ([21, 22], None, {"id": "zone-0", "point": 0}),
        ([110, 24], None, {"id": "zone-0", "edge": 0}),
        # the smallest of those around it
        ([110, 60], None, {"id": "zone-0"}),
        ([110, 99], None, {"id": "line-0", "edge": 0}),
        ([500, 300], None, None),
        # what is chosen goes before what lies on it
        ([196, 104], "zone-0", {"id": "zone-0", "edge": 1}),
    ],
)
def test_what_is_under_the_pointer(
    page: Page, place: list[int], selected: str | None, found: Any
) -> None:
    hit = page.evaluate(
        "async ([scene, at, chosen]) => {"
        ' const g = await import("/geometry.js"); const s = await import("/scene.js");'
        " return g.hit(s.shapes(scene, null), at, 8, chosen); }",
        [SCENE, place, selected],
    )
    assert hit == found


def test_names_are_followed(scenes: Call) -> None:
    scene = scenes("renamed", SCENE, None, "zone-0", "lawn")
    assert scene["rules"][0] == {"kind": "intrusion", "zone": "lawn"}
    assert scene["movements"][0]["entries"] == ["lawn", "road"]
    scene = scenes("renamed", scene, None, "line-0", "door")
    scene = scenes("redirected", scene, None, 0, "forward", "inward")
    assert scene["rules"][1] == {"kind": "line_crossing", "line": "door", "direction": "inward"}
    scene_of(scene, "scene")
    assert SCENE["zones"][0]["name"] == "yard"  # type: ignore[index]


def test_what_is_gone_takes_along_what_cannot_be_without_it(scenes: Call) -> None:
    found = scenes("dependents", SCENE, None, "zone-0")
    kinds = [{"kind": "intrusion", "name": "Intrusion"}]
    assert [scenes("called", each, kinds) for each in found] == ["Intrusion", "turn"]
    scene = scenes("without", SCENE, None, "zone-0")
    assert "movements" not in scene
    assert [rule["kind"] for rule in scene["rules"]] == ["line_crossing", "camera_dark"]
    scene_of(scene, "scene")
    for shape in ("line-0", "zone-0"):
        scene = scenes("without", scene, None, shape)
    assert scene == {
        "frame_size": [640, 360], "classes": ["person"], "rules": [{"kind": "camera_dark"}],
    }  # fmt: skip


def test_shapes_stay_on_the_picture(scenes: Call) -> None:
    moved = scenes("moved", SCENE, None, "zone-1", 500, -500)
    assert moved["zones"][1]["polygon"] == [[540, 0], [640, 0], [640, 180]]
    moved = scenes("movedPoint", SCENE, None, "line-0", 1, [900.4, 99.6])
    assert moved["lines"][0]["points"] == [[10, 100], [640, 100]]
    assert scenes("withoutPoint", SCENE, None, "zone-1", 0) is None
    more = scenes("inserted", SCENE, None, "zone-1", 2, [350, 110])
    assert more["zones"][1]["polygon"][-1] == [350, 110]
    assert scenes("withoutPoint", more, None, "zone-1", 3) == SCENE


def test_a_line_is_turned(scenes: Call) -> None:
    turned = scenes("turned", SCENE, None, "line-0")
    assert turned["lines"][0] == {
        "name": "gate",
        "points": [[300, 100], [10, 100]],
        "forward": "in",
    }


def test_a_region_keeps_its_corners(scenes: Call) -> None:
    scene = scenes("added", SCENE, None, "region", [[100, 200], [300, 20]], "")["scene"]
    assert scene["region"] == [100, 20, 200, 180]
    scene = scenes("movedPoint", scene, None, "region-0", 2, [400, 300])
    assert scene["region"] == [100, 20, 300, 280]
    # it is no smaller than one may be
    assert scenes("movedPoint", scene, None, "region-0", 2, [101, 21]) == scene
    scene_of(scene, "scene")


def test_other_views_have_shapes_of_their_own(scenes: Call) -> None:
    scene = scenes("withEntry", SCENE, None, "presets", {"name": "p", "view": "AZ"})
    scene = scenes("added", scene, 0, "zone", [[1, 1], [50, 1], [50, 50]], "far")["scene"]
    assert scenes("names", scene, "zones") == ["yard", "road", "far"]
    assert scenes("freeName", scene, "zones", "far") == "far 1"
    assert [each["name"] for each in scenes("shapes", scene, 0)] == ["far"]
    assert scene["zones"] == SCENE["zones"]
    found = scenes("located", ["presets", 0, "zones", 0, "polygon"])
    assert found == {"view": 0, "list": "zones", "index": 0, "field": "polygon"}
    found = scenes("located", ["region"])
    assert found == {"view": None, "list": None, "index": None, "field": "region"}


def test_what_is_not_known_here_stays(scenes: Call) -> None:
    scene = SCENE | {"later": {"a": [1]}}
    assert scenes("moved", scene, None, "zone-0", 1, 0)["later"] == {"a": [1]}


def test_steps_are_undone_and_done_again(page: Page) -> None:
    found = page.evaluate("""async () => {
      const { Past } = await import("/past.js");
      const past = new Past(0, 3);
      const seen = [];
      const note = () => seen.push([past.now, past.undoes, past.redoes]);
      past.put(1); past.put(2, "drag"); past.put(3, "drag"); past.seal(); past.put(4, "drag");
      note();
      past.undo(); note(); past.undo(); note(); past.redo(); note();
      past.put(9); note();
      seen.push(past.redo());
      for (const n of [10, 11, 12, 13]) past.put(n);
      while (past.undo());
      note();
      return seen;
    }""")
    assert found == [
        [4, True, False],
        [3, True, True],
        [1, True, True],
        [3, True, True],
        [9, True, False],
        False,
        # no more than three steps are kept
        [10, False, True],
    ]


@pytest.mark.parametrize(
    "schedule",
    [
        {"days": "mon-fri", "from": "18:00", "to": "06:00"},
        {"days": ["sat", "sun"]},
        {"days": ["fri-mon", "wed"], "from": "08:00", "to": "24:00"},
        {"from": "08:00", "to": "17:00", "time_zone": "Asia/Jakarta"},
        {
            "spans": [{"days": "mon", "from": "18:00", "to": "06:00"}, {"days": "sat"}],
            "holidays": ["ID/government", "2026-12-31"],
            "on_holidays": "none",
        },
    ],
)
def test_a_schedule_is_the_same_after_its_form(call: Call, schedule: dict[str, Any]) -> None:
    form = call("schedule.js", "filledIn", schedule)
    written = call("schedule.js", "writtenSchedule", form)
    assert _read(written) == _read(schedule)


def _read(schedule: dict[str, Any]) -> Schedule:
    return read_schedule(item_of(schedule, "schedule", SceneError))
