"""What an alert rests on, in the operations room and in real Chromium: masked pictures and clips
for everybody who reads alerts, originals for those who may."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from api.access import Role
from api.store import Wanted
from streams.evidenceboxes import encode_boxes
from streams.evidenceform import PartName
from streams.maskingprocess import make_copy
from streams.rtsp.clipping import Clip, cut
from streams.rtsp.forkserver import ForkServer
from streams.rtsp.ring import Ring
from streams.simulator import Simulator, load_recording
from tests.api.evidence.packing import BOXES, V1, clip, packed, picture, post
from tests.api.served import add_key, add_user, alert, report
from tests.browser.desk import PATIENCE_MS, Desk, sitting
from tests.browser.sites import Site, serving
from tests.streams.rtsp.oddcameras import frames, source
from tests.streams.simulator.clients import small_clip

PLAYED = "video => video.currentTime"
PLAY = "video => { video.muted = true; return video.play(); }"
WHY = "the camera sent no packets then"


@pytest.fixture
def site(tmp_path: Path, browser: Browser) -> Iterator[Site]:
    with serving(tmp_path) as served:
        served.store.cameras.save(report(time.time(), "plaza"))
        now = time.time()
        served.store.record([alert("a", start_ts=now, raised_ts=now)])
        yield served


@pytest.fixture
def desk(site: Site, browser: Browser) -> Iterator[Desk]:
    with sitting(site, browser) as made:
        yield made


def send(site: Site, form: str, *, masked: bool = True, **more: Any) -> None:
    """As its worker sends an item, with its copy."""
    body = clip() if form == "clip" else picture()
    parts: dict[Any, bytes] = {"original": body, "boxes": BOXES}
    if masked:
        parts["copy"] = body
    with worker(site) as client:
        answer = post(client, packed("a", form, parts=parts, **more), form)
        assert answer.status_code == 201, answer.text


def worker(site: Site) -> httpx.Client:
    key = add_key(site.store, f"w{time.monotonic_ns()}", worker=True)
    headers = {"authorization": f"Bearer {key}"}
    return httpx.Client(base_url=site.address, headers=headers, timeout=30)


def look(page: Page) -> Locator:
    page.locator('.mk-alert[data-alert="a"] .mk-title').click()
    panel = page.locator('.mk-panel[data-alert="a"]')
    expect(panel).to_be_visible()
    return panel


def item(panel: Locator, form: str) -> Locator:
    return panel.locator(f'[data-evidence="{form}"]')


def test_the_opened_alert_shows_what_was_seen(desk: Desk, site: Site) -> None:
    site_ts = 1_769_817_600.0
    send(site, "snapshot", **{"from": site_ts, "to": site_ts})
    send(site, "clip", **{"from": site_ts - 5, "to": site_ts + 10, "note": "cut short"})
    viewer = add_user(site.store, "room1", Role.VIEWER, cameras=["plaza"])
    page = desk.open("/room/", user=viewer)
    panel = look(page)
    shown = item(panel, "snapshot")
    expect(shown).to_contain_text("Picture, 2026-01-31 08:00:00")
    image = shown.locator("img")
    expect(image).to_have_js_property("complete", True)
    expect(image).to_have_js_property("naturalWidth", 160)
    expect(item(panel, "clip")).to_contain_text("Clip, 2026-01-31 07:59:55 – 08:00:10")
    expect(item(panel, "clip")).to_contain_text("cut short")
    video = item(panel, "clip").locator("video")
    expect(video).to_have_attribute("preload", "none")
    expect(video).to_have_attribute("controls", "")
    # it is not fetched before somebody wants it
    assert not [url for url in desk.asked if url.endswith("/clip/copy")]
    video.evaluate(PLAY)
    page.wait_for_function(
        "() => document.querySelector('.mk-panel video').currentTime > 1", timeout=PATIENCE_MS
    )
    assert video.evaluate("video => video.videoWidth") == 160
    # what was skipped to is fetched by its bytes
    video.evaluate("video => { video.pause(); video.currentTime = 3.5; }")
    page.wait_for_function(
        "() => !document.querySelector('.mk-panel video').seeking", timeout=PATIENCE_MS
    )
    assert video.evaluate(PLAYED) == 3.5
    # and no way leads to the original
    expect(panel.locator('a[href*="original"]')).to_have_count(0)
    for form in ("snapshot", "clip"):
        asked = page.context.request.get(f"{site.address}{V1}/alerts/a/evidence/{form}/original")
        assert asked.status == 403
    assert site.store.audit.find(Wanted(action="evidence"), limit=9).entries == []


def test_what_a_camera_sent_plays_masked_and_as_it_was(
    desk: Desk, site: Site, tmp_path: Path
) -> None:
    clip, parts = cut_of_a_camera(tmp_path)
    seconds = clip.to_ts - clip.from_ts
    with worker(site) as client:
        body = packed("a", "clip", parts=parts, **{"from": clip.from_ts, "to": clip.to_ts})
        assert post(client, body, "clip").status_code == 201
    page = desk.open("/room/", user=add_user(site.store, "petugas"))
    shown = item(look(page), "clip")
    check_plays(shown.locator("video"), seconds)
    # the original is for downloading; what players make of it shows one that is beside it
    shown.locator("a").evaluate(
        "link => { const video = document.createElement('video');"
        " video.id = 'whole'; video.src = link.href; document.body.append(video); }"
    )
    check_plays(page.locator("#whole"), seconds)
    asked = {url.rpartition("/")[2] for url in desk.asked if "/evidence/clip/" in url}
    assert asked == {"copy", "original"}


def cut_of_a_camera(folder: Path) -> tuple[Clip, dict[PartName, bytes]]:
    """Three seconds of a simulated camera with H.264, cut and masked as workers do."""
    original, boxes, copy = folder / "cut.mp4", folder / "boxes", folder / "copy.mp4"
    recording = load_recording(small_clip(folder / "small.mp4"), folder / "cache")
    with (
        Simulator({"a": recording}) as simulator,
        ForkServer() as forkserver,
        source(simulator.url("a"), forkserver, ring=Ring(forkserver)) as camera,
    ):
        first_ts = last_ts = frames(camera, 1)[0].ts
        while last_ts < first_ts + 4:
            (frame,) = frames(camera, 1)
            last_ts = frame.ts
        assert camera.ring is not None
        found = cut(camera.ring, first_ts + 0.5, first_ts + 3.5, original)
    with av.open(str(original)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
    boxes.write_bytes(encode_boxes([]))
    make_copy(
        "clip", original, boxes, copy,
        from_ts=found.from_ts, limit_s=PATIENCE_MS / 1000, stop=threading.Event(),
    )  # fmt: skip
    paths: dict[PartName, Path] = {"original": original, "boxes": boxes, "copy": copy}
    return found, {name: path.read_bytes() for name, path in paths.items()}


def check_plays(video: Locator, seconds: float) -> None:
    video.evaluate(PLAY)
    expect(video).to_have_js_property("error", None)
    video.evaluate(
        "video => new Promise(done => { video.ontimeupdate = () => video.currentTime > 1 && done();"
        " })"
    )
    assert abs(video.evaluate("video => video.duration") - seconds) < 0.5


def test_whoever_may_gets_the_original_and_leaves_a_trace(desk: Desk, site: Site) -> None:
    send(site, "snapshot")
    page = desk.open("/room/", user=add_user(site.store, "petugas"))
    link = item(look(page), "snapshot").locator("a")
    expect(link).to_have_text("Original, not masked (who opens it stands in the record)")
    with page.expect_download() as download:
        link.click()
    assert download.value.suggested_filename == "a-snapshot-original.jpg"
    assert Path(download.value.path()).read_bytes() == picture()
    (entry,) = site.store.audit.find(Wanted(action="evidence"), limit=9).entries
    assert (entry.actor, entry.action, entry.object) == ("petugas", "evidence.original", "a")


def test_a_copy_is_made_when_somebody_asks(desk: Desk, site: Site) -> None:
    send(site, "clip", masked=False)
    page = desk.open("/room/", user=add_user(site.store, "room1", Role.VIEWER, cameras=["plaza"]))
    shown = item(look(page), "clip")
    expect(shown.locator("video")).to_have_count(0)
    shown.get_by_role("button", name="Show the clip").click()
    # by a worker that is heard here for the first 15 s, and then no more
    expect(page.locator("body")).to_contain_text(re.compile("being made|no worker is heard"))
    with worker(site) as client:
        body = packed("a", "clip", parts={"copy": clip()})
        assert post(client, body, "clip/copy").status_code == 201
    send(site, "snapshot")
    page.reload()
    expect(item(look(page), "clip").locator("video")).to_have_count(1)


def test_what_is_not_there_is_said_and_comes_by_itself(desk: Desk, site: Site) -> None:
    page = desk.open("/room/", user=add_user(site.store, "room1", Role.OPERATOR), locale="id")
    panel = look(page)
    expect(panel.locator(".mk-evidence")).to_contain_text("Gambar dan klip belum datang")
    with worker(site) as client:
        said = {"camera": "plaza", "why": WHY}
        path = f"{V1}/alerts/a/evidence/clip/missing"
        assert client.post(path, json=said).status_code == 204
    expect(item(panel, "clip")).to_contain_text("Tidak ada klip")
    expect(item(panel, "clip")).to_contain_text(WHY)
    send(site, "clip")
    expect(item(panel, "clip").locator("video")).to_have_count(1)
    expect(item(panel, "clip")).not_to_contain_text(WHY)
    form = panel.locator('[data-act="resolve"]')
    form.click()
    panel.locator("textarea").fill("dua orang")
    send(site, "snapshot")
    expect(item(panel, "snapshot").locator("img")).to_have_count(1)
    # what is written meanwhile stays
    expect(panel.locator("textarea")).to_have_value("dua orang")


def test_one_that_was_opened_by_hand_has_none(desk: Desk, site: Site) -> None:
    user = add_user(site.store, "room1", Role.OPERATOR)
    page = desk.open("/room/", user=user)
    page.locator(".mk-by-hand").click()
    page.locator('.mk-panel [type="submit"]').click()
    page.locator(".mk-alert:not([data-alert='a']) .mk-title").click()
    expect(page.locator(".mk-panel .mk-evidence")).to_contain_text("no picture and no clip")
