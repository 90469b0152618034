"""Many browsers on the page of alerts: when each of them shows what arrives, and what they cost the
server."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from playwright.sync_api import Browser, Page, StorageState

from streams.posting import Poster
from tests.api.served import alert
from tests.browser.listeners import listening
from tests.faults.living import Living
from tests.waiting import wait_for

SIZE = {"width": 800, "height": 600}
NOTE = """
window.shownAt = {};
new MutationObserver(() => {
  for (const row of document.querySelectorAll(".mk-alert")) {
    shownAt[row.dataset.alert] ??= Date.now() / 1000;
  }
}).observe(document, { subtree: true, childList: true, attributeFilter: ["data-alert"] });
"""
"""A page keeps when it first showed each alert, also of those that have left its list since."""
LINES = 12
CAUGHT_UP_S = 60.0
"""Whoever is late has missed nothing."""
PATIENCE_MS = 120_000
"""All of them on one machine open slowly."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """``stated`` alerts reached ``pages`` browsers, of which ``drawn`` were Chromium, and which
    ``missed`` so many of them together, in ``seconds``; the server kept so many ``cores`` busy."""

    pages: int
    drawn: int
    stated: int
    missed: int
    seconds: float
    cores: float


def write_road(folder: Path) -> None:
    """``folder/city.yaml``: one rendered road on which each passage is an alert at many lines."""
    ys = [150 + 12 * number for number in range(LINES)]
    lines = "".join(f"  - {{name: l{y}, points: [[120, {y}], [520, {y}]]}}\n" for y in ys)
    rules = "".join(
        f"  - {{name: r{y}, kind: line_crossing, line: l{y}, classes: [moving]}}\n" for y in ys
    )
    (folder / "road.yaml").write_text(
        f"frame_size: [640, 360]\nclasses: [moving]\nlines:\n{lines}rules:\n{rules}",
        encoding="utf-8",
    )
    (folder / "city.yaml").write_text(
        "name: Crowd\nfps: 5\ncameras:\n"
        "  - {id: road, source: synthetic, model: motion, scene: road.yaml}\n",
        encoding="utf-8",
    )


@contextmanager
def opened(living: Living, browser: Browser, pages: int) -> Iterator[Sequence[Page]]:
    """So many browsers of one person on the page of alerts."""
    with ExitStack() as stack:
        state = entered(living, browser)
        found = []
        for _ in range(pages):
            context = browser.new_context(viewport=SIZE, storage_state=state)
            stack.enter_context(closing(context))
            context.add_init_script(NOTE)
            page = context.new_page()
            page.set_default_timeout(PATIENCE_MS)
            page.goto(f"{living.address}/room/")
            page.wait_for_selector(".mk-alerts")
            found.append(page)
        yield found


def entered(living: Living, browser: Browser) -> StorageState:
    """What a browser keeps of a person who came in."""
    with closing(browser.new_context()) as context:
        context.new_page().goto(living.link())
        return context.storage_state()


def shown_at(page: Page) -> dict[str, float]:
    """When the page first showed each alert, UTC seconds."""
    found: dict[str, float] = page.evaluate("shownAt")
    return found


def delays(living: Living, browser: Browser, number: int) -> list[float]:
    """From so many events, as cameras saw them, to a page that shows them: seconds, sorted."""
    with opened(living, browser, 1) as (page,):
        begin = time.time()
        wait_for(
            lambda: sum(ts > begin for ts in shown_at(page).values()) >= number,
            f"{number} alerts on the page", 10 * number,
        )  # fmt: skip
        at = shown_at(page)
    found = []
    for told in living.alerts():
        raised = datetime.fromisoformat(told["raised"]).timestamp()
        if raised > begin and told["version"] == 1 and told["id"] in at:
            found.append(at[told["id"]] - raised)
    return sorted(found)


def crowd(
    living: Living, browser: Browser, *, pages: int, drawn: int, a_minute: int, seconds: float
) -> Crowd:
    """Post alerts at an even rate while so many browsers look, ``drawn`` of them in Chromium, the
    others without drawing."""
    made = living.run("keys", "create", "crowd", "--every-camera", "--scope", "alerts:state")
    assert made.returncode == 0, made.stderr
    cookies = entered(living, browser)["cookies"]
    cookie = "; ".join(f"{each['name']}={each['value']}" for each in cookies)
    ids: set[str] = set()
    with (
        opened(living, browser, drawn) as open_pages,
        listening(
            living.address, cookie, pages - drawn, pattern=re.compile(r"crowd:\d+"), camera="road"
        ) as others,
        ThreadPoolExecutor(1) as executor,
    ):
        (server,) = living.pids("API")
        cpu_s, began_s = _cpu_s(server), time.monotonic()

        def post() -> None:
            with closing(Poster(living.address, made.stdout.strip())) as poster:
                while (passed_s := time.monotonic() - began_s) < seconds:
                    if len(ids) < passed_s * a_minute / 60:
                        now, name = time.time(), f"crowd:{len(ids)}"
                        poster.post(alert(name, camera="road", start_ts=now, raised_ts=now), None)
                        ids.add(name)
                    else:
                        time.sleep(0.01)

        # whoever drives Chromium has a loop of its own in this thread
        executor.submit(post).result()
        cores = (_cpu_s(server) - cpu_s) / (time.monotonic() - began_s)

        def missed() -> int:
            shown = [set(shown_at(page)) for page in open_pages]
            return sum(len(ids - each) for each in (*shown, *(other.told for other in others)))

        end_s = time.monotonic() + CAUGHT_UP_S
        while missed() and time.monotonic() < end_s:
            time.sleep(0.5)
        return Crowd(pages, drawn, len(ids), missed(), seconds, cores)


def _cpu_s(pid: int) -> float:
    """What a process has used of all cores."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
