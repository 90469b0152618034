"""The traffic of a day in real Chromium: gaps are gaps, what is looked at stands in the address."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlparse

import pytest
from playwright.sync_api import Browser, Page, expect

from api.access import Role
from api.store import Rights
from api.times import local
from api.traffic.asked import midnight_of
from streams.messages import CountsMessage
from tests.api.served import TESTER, add_user
from tests.browser.conftest import HOSTILE
from tests.browser.desk import Desk, sitting
from tests.browser.sites import Site, serving
from tests.browser.test_people import INDONESIAN
from tests.browser.traffic_city import (
    ARMS,
    BARE,
    CHANGED,
    LANE,
    LINE,
    MOVED,
    OUTAGE,
    PORT,
    SQUARE,
    fill,
)
from tests.waiting import wait_for

PHONE = {"width": 390, "height": 844}
FOREIGN = "no such camera"
SERIES = """name => import("nicegui-echart").then(({ echarts }) => {
  const chart = echarts.getInstanceByDom(document.querySelector(name + " .mk-chart > div"));
  return chart.getOption().series.map(({ name, data }) => ({ name, data }));
})"""
"""What ECharts was given to draw."""
TURN = "() => getElement(document.querySelector('.mk-traffic').id.slice(1)).turn"
ANSWERED = """([turn, asked, query]) => {
  const charts = getElement(document.querySelector(".mk-traffic").id.slice(1));
  charts.show({ ...charts.shown, turn, asked, address: `?${query}` });
}"""
"""An answer of the server's, to a question of before."""


@dataclass(frozen=True, slots=True)
class Town:
    site: Site
    day: date
    analyst: int


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with serving(tmp_path_factory.mktemp("town")) as site:
        now = time.time()
        day = local(now).date() - timedelta(days=1)
        fill(site.store, day, now, HOSTILE)
        yield Town(site, day, analyst(site, "analyst", PORT, SQUARE, BARE))


def analyst(site: Site, name: str, *cameras: str) -> int:
    return add_user(site.store, name, Role.ANALYST, cameras=cameras)


@pytest.fixture
def desk(town: Town, browser: Browser) -> Iterator[Desk]:
    with sitting(town.site, browser) as made:
        yield made


def opened(desk: Desk, town: Town, **asked: str) -> Page:
    query = "&".join(f"{name}={value}" for name, value in {"day": str(town.day), **asked}.items())
    page = desk.open(f"/room/traffic?{query}", user=town.analyst)
    expect(page.locator(".mk-traffic")).to_be_visible()
    return page


def drawn(page: Page, chart: str = "flow") -> dict[str, list[Any]]:
    found = page.evaluate(SERIES, f'[data-chart="{chart}"]')
    return {each["name"]: each["data"] for each in found}


def row(page: Page, start: str) -> list[str]:
    cells = page.locator(f'.mk-quarters tr[data-start="{start}"] > *')
    return [text.strip() for text in cells.all_inner_texts()]


def address(page: Page) -> dict[str, str]:
    query = page.evaluate("location.search.slice(1)")
    return {name: value for name, (value,) in parse_qs(query).items()}


def test_an_outage_and_a_moved_view_are_gaps_and_another_scene_is_marked(
    desk: Desk, town: Town
) -> None:
    page = opened(desk, town, camera=PORT, line=LINE)
    wait_for(lambda: page.locator('[data-chart="flow"] canvas').count(), "the chart")
    flow, worth = drawn(page), drawn(page, "worth")
    for i in range(96):
        assert (flow["outage"][i] == 1) == (i in OUTAGE), i
        assert (flow["unseen"][i] == 1) == (i in MOVED), i
        assert (flow["missing"][i] == 1) == (i in OUTAGE), i
        assert (flow["blind"][i] > 0.99) == (i in MOVED), i
        assert (flow["watched"][i] > 0.99) == (i not in OUTAGE and i not in MOVED), i
        counted = [flow[name][i] for name in flow if name.startswith(("SM", "MP", "KS"))]
        assert (None in counted) == (i in OUTAGE or i in MOVED), i
    # the rest of an hour that was hardly watched has no sum either
    assert worth["smp"][46:48] == [None, None]
    assert worth["outage"][46:48] == [1, 1]
    page.locator(".mk-quarters summary").click()
    assert row(page, "10:00")[1:6] == ["–"] * 5
    assert row(page, "10:00")[-1] == "100 % not watched"
    assert row(page, "13:00")[-1].startswith("99 % view not valid")
    changed = f"{CHANGED // 4:02}:{CHANGED % 4 * 15}"
    assert row(page, "15:15")[-2:] == ["1", "99 % watched"]
    assert row(page, changed)[-2:] == ["2", "99 % watched"]
    # the sum is that of the rows, as the API has it
    total = sum(int(row(page, start)[5]) for start in ("06:00", "06:15"))
    stored = town.site.store.counts.intervals(
        PORT, from_ts=begin(town) + 6 * 3600, to_ts=begin(town) + 6 * 3600 + 1800, seconds=1800
    )
    assert total == sum(n for (line, *_), n in stored[0].counts.items() if line == LINE)


def begin(town: Town) -> int:
    return midnight_of(town.day)


def test_what_is_looked_at_is_chosen_by_keys_and_stands_in_the_address(
    desk: Desk, town: Town
) -> None:
    page = opened(desk, town, camera=PORT)
    assert address(page) == {"camera": PORT, "line": LINE, "day": str(town.day)}
    against = page.locator('select[name="against"]')
    against.focus()
    page.keyboard.press("ArrowDown")
    wait_for(lambda: address(page).get("against") == "yesterday", "the day before")
    expect(page.locator('[data-fact="compared"]')).to_contain_text("+2 %")
    # whoever chooses by keys goes on from there
    assert page.evaluate("document.activeElement.name") == "against"
    against.select_option(f"line {LANE}")
    wait_for(lambda: address(page).get("other") == LANE, "another line")
    assert "against" not in address(page)
    compared = drawn(page)[LANE]
    assert compared[0] is not None
    assert compared[OUTAGE[0]] is None
    back = page.locator(".mk-language input[name='back']")
    assert back.input_value() == page.evaluate("location.pathname + location.search")
    page.get_by_role("button", name="Day before").press("Enter")
    before = str(town.day - timedelta(days=1))
    wait_for(lambda: address(page)["day"] == before, "the day before")
    earlier = page.evaluate(TURN)
    page.go_back()
    page.go_back()
    wait_for(lambda: address(page).get("against") == "yesterday", "as it was")
    expect(against).to_have_value("yesterday")
    # an answer that comes after those to later questions changes nothing
    late = address(page) | {"against": "week"}
    page.evaluate(ANSWERED, [earlier, late, urlencode(late)])
    assert address(page)["against"] == "yesterday"
    expect(against).to_have_value("yesterday")
    page.reload()
    expect(against).to_have_value("yesterday")
    hrefs = page.eval_on_selector_all(".mk-exports a", "all => all.map(e => e.href)")
    asked = [parse_qs(urlparse(href).query) for href in hrefs]
    assert [each["format"] for each in asked] == [["csv"], ["xlsx"], ["parquet"], ["json"]]
    assert {(each["camera"][0], each["line"][0], each["interval"][0]) for each in asked} == {
        (PORT, LINE, "15m")
    }


def test_who_turned_where_is_a_table_beside_a_drawing(desk: Desk, town: Town) -> None:
    page = opened(desk, town, camera=SQUARE)
    expect(page.locator(".mk-drawings path")).to_have_count(16)
    cells = page.locator(".mk-matrix tbody tr").nth(0).locator("td").all_inner_texts()
    numbers = [int(cell.replace(",", "")) for cell in cells]
    assert sum(numbers[:-1]) == numbers[-1] > 0
    hints = page.locator(".mk-turning .mk-hint")
    expect(hints).to_have_count(1)
    expect(hints).to_contain_text("Motor vehicles, in the 64 quarter hours")
    page.locator('select[name="place"]').select_option("junction Simpang Contoh")
    wait_for(lambda: address(page).get("junction") == "Simpang Contoh", "the junction")
    expect(page.locator(".mk-drawings svg")).to_have_count(4)
    heads = page.locator(".mk-matrix thead th").all_inner_texts()
    assert heads == ["From ↓ to →", "Left", "Straight on", "Right", "Total"]


def test_what_was_counted_for_a_part_of_the_time_is_marked(desk: Desk, town: Town) -> None:
    """On a day on which a scene with one arm more came into force."""
    start_ts = begin(town) - 86_400
    stored = town.site.store.counts.intervals(
        SQUARE, from_ts=begin(town), to_ts=begin(town) + 86_400, seconds=900
    )
    early, late = (replace(stored[i], start_ts=float(start_ts + 900 * i)) for i in range(2))
    fewer = tuple(way for way in early.lines["simpang"] if ARMS[0] not in way)
    counts = {key: n for key, n in early.counts.items() if key[1] in fewer}
    early = replace(early, version=1, lines={"simpang": fewer}, counts=counts)
    late = replace(late, version=1)
    town.site.store.record([CountsMessage.of(each, synthetic=False) for each in (early, late)])
    page = opened(desk, town, camera=SQUARE, day=str(town.day - timedelta(days=1)))
    expect(page.locator(".mk-turning .mk-hint").nth(1)).to_contain_text("another scene held")
    cells = {
        line.locator("th").inner_text(): line.locator("td").all_inner_texts()
        for line in page.locator(".mk-matrix tbody tr").all()
    }
    assert all(cell.endswith("*") for cell in cells[ARMS[0]])
    marked = [cell.endswith("*") for cell in cells[ARMS[1]]]
    # only who went to that arm, and with it their sum
    assert sum(marked) == 2
    assert marked[-1]


def test_it_speaks_bahasa_indonesia_and_fits_a_telephone(desk: Desk, town: Town) -> None:
    page = desk.window(user=town.analyst, locale=INDONESIAN)
    page.set_viewport_size(PHONE)
    desk.go(page, f"/room/traffic?camera={PORT}&day={town.day}&against=week")
    expect(page.get_by_role("heading", name="Arus menurut kelas")).to_be_visible()
    expect(page.locator(".mk-traffic h2")).to_contain_text(str(town.day.year))
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    # the number of thousands is written as there
    expect(page.locator('[data-fact="total"]')).to_contain_text("8.4")


def test_hostile_names_are_text(desk: Desk, town: Town) -> None:
    site, name = town.site, HOSTILE[:70]
    stored = site.store.counts.intervals(
        PORT, from_ts=begin(town), to_ts=begin(town) + 86_400, seconds=900
    )
    renamed = [hostile(each, name) for each in stored]
    site.store.record(renamed)
    page = opened(desk, town, camera=BARE)
    expect(page.locator(".mk-traffic h2")).to_contain_text("<script>")
    expect(page.locator('[data-chart="flow"] canvas')).to_be_visible()
    box = page.locator('[data-chart="flow"] canvas').bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 3, box["y"] + box["height"] / 2)
    expect(page.locator(".mk-tip").first).to_be_visible()
    page.locator('select[name="direction"]').select_option(index=1)
    wait_for(lambda: "direction" in address(page), "one of its directions")
    assert page.evaluate("window.hit") is None


def hostile(interval: Any, name: str) -> Any:
    """What the port counted, on a line with such a name at another camera."""
    counts = {
        (name, way + name, class_name): n
        for (line, way, class_name), n in interval.counts.items()
        if line == LINE
    }
    lines = {name: tuple(way + name for way in interval.lines[LINE])}
    return CountsMessage.of(
        replace(
            interval, camera_id=BARE, version=1, lines=lines, counts=counts, paces={}, observed={},
            occupied={},
        ),
        synthetic=True,
    )  # fmt: skip


def test_only_own_cameras_are_shown_while_they_are_own(desk: Desk, town: Town) -> None:
    site = town.site
    group = site.store.groups.add("harbour", [PORT], TESTER)
    rights = Rights(Role.ANALYST, groups=frozenset({group.id}))
    user = site.store.people.add("planner", rights, TESTER).id
    page = desk.open(f"/room/traffic?camera={SQUARE}&day={town.day}", user=user)
    expect(page.get_by_role("status").filter(has_text=FOREIGN)).to_be_visible()
    assert page.locator('select[name="place"] option:not([disabled])').count() == 1
    # the junction has a camera that they do not see
    desk.go(page, f"/room/traffic?junction=Simpang+Contoh&day={town.day}")
    expect(page.locator(".mk-facts")).to_have_count(0)
    desk.go(page, f"/room/traffic?camera={PORT}&day={town.day}")
    expect(page.locator(".mk-facts")).to_be_visible()
    site.store.groups.change(group.id, "harbour", [], TESTER)
    expect(page.locator(".mk-facts")).to_have_count(0)
