"""The hub of live pictures: who gets which, who is told what, and what it costs while nobody
views."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from structlog.testing import capture_logs

from api import live
from api.ingest import Heard
from api.live import CrowdedError, Hub
from streams.bus.memory_control import MemoryControl
from streams.commands import Picture
from tests.api.hub import newest, picture, run, show, until, views
from tests.api.served import DAY, report, wait_until
from tests.api.viewing import GUARD_S, hearing

# --- who gets which


def test_a_viewer_gets_each_picture_once_and_the_newest() -> None:
    async def story(hub: Hub, control: MemoryControl) -> None:
        with hub.watch("plaza") as viewer:
            await asyncio.to_thread(show, control, "plaza", 1)
            first = await newest(viewer)
            assert (first.camera, first.picture) == ("plaza", picture(1))
            assert await viewer.next(0.1) is None
            for number in range(2, 50):
                show(control, "plaza", number)
            await until(lambda: hub._viewed["plaza"].newest.picture == picture(49))
            assert (await newest(viewer)).picture == picture(49), "what it missed is gone"
            assert await viewer.next(0.1) is None

    run(story)


def test_a_viewer_that_waits_gets_it_at_once() -> None:
    async def story(hub: Hub, control: MemoryControl) -> None:
        with hub.watch("plaza") as viewer:
            waiting = asyncio.create_task(viewer.next(1000))
            await asyncio.sleep(0.1)
            show(control, "plaza", 1)
            shown = await asyncio.wait_for(waiting, GUARD_S)
            assert shown is not None
            assert shown.picture == picture(1)

    run(story)


def test_every_viewer_gets_it() -> None:
    async def story(hub: Hub, control: MemoryControl) -> None:
        with hub.watch("plaza") as first, hub.watch("plaza") as second, hub.watch("road") as third:
            await asyncio.to_thread(show, control, "plaza", 1)
            assert (await newest(first)).picture == picture(1)
            assert (await newest(second)).picture == picture(1)
            assert await third.next(0.05) is None

    run(story)


def test_who_joins_gets_what_is_recent(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(hub: Hub, control: MemoryControl) -> None:
        with hub.watch("plaza") as first:
            await asyncio.to_thread(show, control, "plaza", 1)
            await newest(first)
            with hub.watch("plaza") as second:
                assert (await newest(second)).picture == picture(1)
            monkeypatch.setattr(live, "RECENT_S", 0.05)
            await asyncio.sleep(0.1)
            with hub.watch("plaza") as third:
                assert await third.next(0.1) is None, "too old"
                await asyncio.to_thread(show, control, "plaza", 2)
                assert (await newest(third)).picture == picture(2)
        with hub.watch("plaza") as fourth:
            assert await fourth.next(0.1) is None, "nothing is kept that nobody views"

    run(story)


def test_a_busy_camera_takes_no_turn_of_others() -> None:
    async def story(hub: Hub, control: MemoryControl) -> None:
        stop = threading.Event()

        def busy() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                control.show("busy", picture(number).encode())
                if number % 50 == 0:
                    for camera in ("a", "b"):
                        control.show(camera, picture(number).encode())
                time.sleep(0.0005)

        thread = threading.Thread(target=busy, daemon=True)
        thread.start()
        try:
            with hub.watch("busy", "a", "b") as viewer:
                seen: list[str] = []
                until_s = time.monotonic() + GUARD_S
                while min(seen.count(c) for c in ("busy", "a", "b")) < 3:
                    assert time.monotonic() < until_s
                    seen.append((await newest(viewer)).camera)
                    await asyncio.sleep(0.01)
        finally:
            stop.set()
            thread.join(GUARD_S)

    run(story)


def test_wishes_change() -> None:
    async def story(hub: Hub, control: MemoryControl) -> None:
        with hub.watch("a") as viewer:
            await asyncio.to_thread(show, control, "a", 1)
            assert (await newest(viewer)).camera == "a"
            viewer.wish(["b", "b"])
            assert hub.room == live.MAX_WATCHED - 1
            await asyncio.to_thread(show, control, "b", 2)
            assert (await newest(viewer)).camera == "b"
            await until(lambda: control.show("a", picture(3).encode()) == 0)
            viewer.wish([])
            assert hub.room == live.MAX_WATCHED
            await until(lambda: control.show("b", picture(3).encode()) == 0)
            assert await viewer.next(0.05) is None

    run(story)


def test_there_is_room_for_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MAX_WATCHED", 3)

    async def story(hub: Hub, _: MemoryControl) -> None:
        with hub.watch("a", "b") as viewer:
            with hub.watch("a"):
                with pytest.raises(CrowdedError, match="close some pages"), hub.watch("b"):
                    pass
                with pytest.raises(CrowdedError):
                    viewer.wish(["a", "b", "c"])
                assert list(viewer.had) == ["a", "b"]
                viewer.wish(["c", "d"])
                assert hub.room == 0
            viewer.wish(["a", "b", "c"])

    run(story)


def test_what_is_no_picture_is_left_out() -> None:
    async def story(hub: Hub, control: MemoryControl) -> None:
        with hub.watch("plaza") as viewer:
            await asyncio.to_thread(
                wait_until, lambda: control.show("plaza", b"\x00\xff" * 50), GUARD_S
            )
            control.show("plaza", Picture(float("nan"), 1, 1, b"x").encode())
            show(control, "plaza", 1)
            assert (await newest(viewer)).picture == picture(1)

    with capture_logs() as logs:
        run(story)
    assert {line["log_level"] for line in logs} == {"debug"}


# --- who is told


def test_workers_are_told_while_somebody_views(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "RENEW_S", 0.2)

    async def story(hub: Hub, control: MemoryControl) -> None:
        await asyncio.sleep(0.3)
        assert views(control) == [], "nobody views"
        with hub.watch("plaza"):
            told: list[str] = []
            await until(lambda: told.extend(views(control)) or len(told) >= 3)
            with hub.watch("road"), hub.watch("plaza"):
                await until(lambda: told.extend(views(control)) or told.count("road") >= 2)
            assert set(told) == {"plaza", "road"}
            views(control)
            await asyncio.sleep(0.5)
            assert set(views(control)) == {"plaza"}
        views(control)
        await asyncio.sleep(0.5)
        assert views(control) == [], "the last one left"

    run(story, workers=hearing("plaza", "road"))


def test_the_first_viewer_is_told_of_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "RENEW_S", 1000.0)
    monkeypatch.setattr(live, "AGAIN_S", 0.1)

    async def story(hub: Hub, control: MemoryControl) -> None:
        for _ in range(3):
            with hub.watch("plaza"):
                await until(lambda: views(control) == ["plaza"])
                with hub.watch("plaza"):
                    await asyncio.sleep(0.05)
                    assert views(control) == [], "another one changes nothing"

    run(story)


def test_viewers_that_come_and_go_tell_workers_no_more_often() -> None:
    async def story(hub: Hub, control: MemoryControl) -> None:
        began_s = time.monotonic()
        for _ in range(200):
            with hub.watch("plaza"):
                await asyncio.sleep(0.002)
        told = len(views(control))
        assert 1 <= told <= 2 + (time.monotonic() - began_s) / live.AGAIN_S

    run(story)


def test_whoever_has_the_camera_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "NOBODY_S", 0.05)
    monkeypatch.setattr(live, "INDEX_S", 0.05)
    heard: list[Heard] = []

    async def story(hub: Hub, control: MemoryControl) -> None:
        with hub.watch("plaza"):
            await asyncio.sleep(0.2)
            heard.append(Heard(report(DAY, "road", worker="other"), time.monotonic()))
            heard.append(Heard(report(DAY, "plaza", worker="late"), time.monotonic()))
            await until(lambda: views(control, "late") == ["plaza"])
            assert views(control, "other") == []

    run(story, workers=lambda: tuple(heard))


# --- how cameras are


def test_ages_do_not_depend_on_clocks() -> None:
    now_s = time.monotonic()
    heard = (
        Heard(report(DAY, "plaza", last_frame_ts=DAY - 2), now_s - 1),
        Heard(report(DAY, "never", worker="v", last_frame_ts=None), now_s),
        Heard(report(DAY, "ahead", worker="u", last_frame_ts=DAY + 60), now_s),
    )
    hub = Hub(MemoryControl(), lambda: heard)
    seen = hub.seen("plaza")
    assert seen is not None
    assert seen.age_s is not None
    assert 3 <= seen.age_s < 3 + GUARD_S
    assert 1 <= seen.since_s < 1 + GUARD_S
    assert (hub.seen("never") or seen).age_s is None
    assert (hub.seen("ahead") or seen).age_s == 0
    assert hub.seen("unknown") is None


def test_of_two_workers_the_one_that_sees_it_counts() -> None:
    now_s = time.monotonic()
    heard = (
        Heard(report(DAY, "plaza", worker="a"), now_s - 3),
        Heard(report(DAY, "plaza", worker="b", state="down"), now_s),
    )
    seen = Hub(MemoryControl(), lambda: heard).seen("plaza")
    assert seen is not None
    assert seen.heard.report.worker == "a"


def test_a_picture_is_as_old_as_its_worker_says() -> None:
    heard = (Heard(report(DAY + 10, "plaza"), time.monotonic()),)

    async def story(hub: Hub, control: MemoryControl) -> None:
        with hub.watch("plaza", "road") as viewer:
            await asyncio.to_thread(show, control, "plaza", 3)
            shown = await newest(viewer)
            assert 7 <= shown.age_s < 7 + GUARD_S
            await asyncio.to_thread(show, control, "road", 3)
            age_s = (await newest(viewer)).age_s
            assert 0 <= age_s < GUARD_S, "nobody knows better"

    run(story, workers=lambda: heard)
