"""The configuration in the store: what a change changes, and the numbers of scenes."""

from __future__ import annotations

import json
import os
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from api.store import Applied, Entry, Store, Wanted
from streams.address import DEFAULT_NETWORKS, parse_address
from streams.config import CameraConfig, City
from tests.api.served import DAY, TESTER, report
from tests.api.store.older import make_older
from vision.errors import StoreError
from vision.types import JsonValue

ADDRESS = parse_address("rtsps://camera.example:8554/live?channel=1")

OLD_ALERT = """
INSERT INTO alerts (
    id, version, camera, kind, rule, place, severity, state, start_ts, raised_ts, track_ids, score,
    details, revision, synthetic, stored_at, updated_at, position
) VALUES (
    'a', 1, 'plaza', 'k', 'r', '', 'low', 'open', 1, 1, '[]', 1, '{}', 123456789, false, 1, 1, 1
)
"""


def scene(x: float = 100) -> dict[str, JsonValue]:
    return {
        "frame_size": [640, 360],
        "lines": [{"name": "gäte", "points": [[x, 0], [x, 359.5]], "forward": "in"}],
        "stretch": False,
    }


def camera(name: str = "a", /, **more: Any) -> CameraConfig:
    values: dict[str, Any] = {
        "name": name.upper(), "source": ADDRESS, "login": None, "model": "nanodet_g", "fps": 5.0,
        "worker": None, "scene": None,
    }  # fmt: skip
    return CameraConfig(id=name, **(values | more))


def city(*cameras: CameraConfig, **more: Any) -> City:
    values: dict[str, Any] = {
        "name": "Makassar", "networks": DEFAULT_NETWORKS, "credentials": None,
    }  # fmt: skip
    return City(cameras=cameras or (camera(),), **(values | more))


def revisions(store: Store) -> dict[str, int]:
    document = store.configuration.current()
    assert document is not None
    return {each.id: each.revision for each in document.cameras}


def test_at_first_there_is_none(store: Store) -> None:
    assert store.configuration.number() == 0
    assert store.configuration.current() is None
    assert store.configuration.cameras() == []
    assert store.scenes.get("a") is None


def test_what_is_applied_is_current(url: str) -> None:
    given = city(
        camera("b", scene=scene(), login="all", worker="north", fps=None, model="/m/own.onnx"),
        camera(
            "a", source="synthetic", fps=7.5, name="ä ' \" %s", position=(-5.147665, 119.432731)
        ),
        camera("c", substream="/stream2?x=1"),
        name="Kota ü",
        credentials=Path("/etc/matakota/logins.yaml"),
        networks=(),
    )
    with Store.open(url) as first:
        applied = first.configuration.apply(given, TESTER)
    with Store.open(url) as second:
        document = second.configuration.current()
        listed = second.configuration.cameras()
    assert applied == Applied(1, 3, True, ("b", "a", "c"), (), (), {"b": 1})
    assert document is not None
    assert document.number == 1
    cameras = (replace(given.cameras[0], revision=1), *given.cameras[1:])
    assert document.city() == replace(given, cameras=cameras)
    assert [(c.id, c.name, c.synthetic, c.worker, c.revision) for c in listed] == [
        ("b", "B", False, "north", 1), ("a", "ä ' \" %s", True, None, 0),
        ("c", "C", False, None, 0),
    ]  # fmt: skip
    assert [c.position for c in listed] == [None, (-5.147665, 119.432731), None]


def test_the_same_again_writes_nothing(url: str) -> None:
    now = [DAY]
    given = city(camera("a", scene=scene()), camera("b"))
    with Store.open(url, clock=lambda: now[0]) as store:
        store.configuration.apply(given, TESTER)
        now[0] += 100
        again = store.configuration.apply(given, TESTER)
        assert again == Applied(1, 2, False, (), (), (), {})
        assert not again.anything
        # the order of fields says nothing, revisions that somebody made up neither
        other = dict(reversed(scene().items()))
        same = city(camera("a", scene=other, revision=9), camera("b"))
        assert not store.configuration.apply(same, TESTER).anything
        kept = store.scenes.get("a")
        assert kept is not None
        assert (kept.revision, kept.created_at) == (1, DAY)
        with store._database.read() as connection:
            (changed,) = connection.exec_driver_sql("SELECT changed_at FROM city").one()
        assert changed == DAY


@pytest.mark.parametrize(
    "more",
    [
        {"name": "other"},
        {"source": "synthetic"},
        {"login": "all"},
        {"model": "motion"},
        {"fps": 5.5},
        {"fps": None},
        {"worker": "north"},
        {"substream": "off"},
    ],
)
def test_one_field_of_one_camera_is_a_change(store: Store, more: dict[str, Any]) -> None:
    store.configuration.apply(city(camera("a", scene=scene()), camera("b")), TESTER)
    applied = store.configuration.apply(
        city(camera("a", scene=scene(), **more), camera("b")), TESTER
    )
    assert applied == Applied(2, 2, False, (), ("a",), (), {})
    assert store.configuration.number() == 2
    assert revisions(store) == {"a": 1, "b": 0}


@pytest.mark.parametrize(
    "more", [{"name": "other"}, {"networks": ()}, {"credentials": Path("/logins.yaml")}]
)
def test_what_is_beside_the_cameras_is_a_change(store: Store, more: dict[str, Any]) -> None:
    store.configuration.apply(city(), TESTER)
    assert store.configuration.apply(city(**more), TESTER) == Applied(2, 1, True, (), (), (), {})
    assert store.configuration.apply(city(**more), TESTER).number == 2


def test_the_order_is_kept(store: Store) -> None:
    a, b, c = map(camera, "abc")
    store.configuration.apply(city(c, a), TESTER)
    assert [each.id for each in store.configuration.cameras()] == ["c", "a"]
    assert store.configuration.apply(city(b, c, a), TESTER) == Applied(
        2, 3, False, ("b",), (), (), {}
    )
    assert store.configuration.apply(city(a, b, c), TESTER) == Applied(3, 3, True, (), (), (), {})
    assert [each.id for each in store.configuration.cameras()] == ["a", "b", "c"]


def test_scenes_are_numbered_by_camera_and_stay(store: Store) -> None:
    apply = partial(store.configuration.apply, by=TESTER)
    assert apply(city(camera("a", scene=scene(1)), camera("b", scene=scene(1)))).scenes == {
        "a": 1, "b": 1,
    }  # fmt: skip
    changed = apply(city(camera("a", scene=scene(2)), camera("b", scene=scene(1))))
    assert changed == Applied(2, 2, False, (), ("a",), (), {"a": 2}, {"a": TESTER.name})
    # what was drawn long ago is drawn anew: between the two, something else was counted
    assert apply(city(camera("a", scene=scene(1)))).scenes == {"a": 3}
    assert revisions(store) == {"a": 3}
    assert [store.scenes.get("a", n).document for n in (1, 2, 3)] == [  # type: ignore[union-attr]
        scene(1), scene(2), scene(1),
    ]  # fmt: skip
    assert store.scenes.get("a", 4) is None
    assert store.scenes.get("b") is None, "it is not configured any more"
    assert store.scenes.get("b", 1) is not None


def test_a_camera_that_comes_back_goes_on_numbering(store: Store) -> None:
    apply = partial(store.configuration.apply, by=TESTER)
    apply(city(camera("a", scene=scene(1))))
    gone = apply(city(camera("b")))
    assert (gone.added, gone.removed) == (("b",), ("a",))
    assert apply(city(camera("a", scene=scene(2)))).scenes == {"a": 2}
    apply(city(camera("a")))
    assert revisions(store) == {"a": 0}
    assert store.scenes.get("a") is None
    # nobody counted anything else meanwhile
    assert apply(city(camera("a", scene=scene(2)))).scenes == {}
    assert revisions(store) == {"a": 2}


def test_a_preview_changes_nothing(store: Store) -> None:
    first = city(camera("a", scene=scene(1)))
    assert store.configuration.preview(first) == Applied(1, 1, True, ("a",), (), (), {"a": 1})
    assert store.configuration.number() == 0
    store.configuration.apply(first, TESTER)
    second = city(camera("a", scene=scene(2)))
    assert store.configuration.preview(second) == store.configuration.preview(second)
    assert revisions(store) == {"a": 1}
    assert store.configuration.preview(first).number == 1


def test_what_the_database_refuses_changes_nothing(store: Store) -> None:
    store.configuration.apply(city(camera("a", scene=scene(1))), TESTER)
    folder = Path(os.fsdecode(b"/\xff/logins.yaml"))
    twice = city(camera("a", scene=scene(2)), camera("a", scene=scene(3)))
    for bad in (city(camera("b"), credentials=folder), twice):
        with pytest.raises(StoreError):
            store.configuration.apply(bad, TESTER)
    document = store.configuration.current()
    assert document is not None
    assert (document.number, [each.id for each in document.cameras]) == (1, ["a"])
    assert revisions(store) == {"a": 1}


def test_two_at_once_get_numbers_of_their_own(url: str) -> None:
    with Store.open(url) as one, Store.open(url) as other, ThreadPoolExecutor(6) as pool:
        stores = (one, other)
        done = list(
            pool.map(
                lambda n: stores[n % 2].configuration.apply(
                    city(camera("a", scene=scene(n))), TESTER
                ),
                range(24),
            )
        )
        assert sorted(applied.number for applied in done) == list(range(1, 25))
        assert sorted(applied.scenes["a"] for applied in done) == list(range(1, 25))


def test_any_history_has_each_scene_under_its_number(store: Store) -> None:
    """Whatever is applied in whatever order: a revision never changes its content, and what is
    current is what was applied last."""
    chance = random.Random(7)
    seen: dict[tuple[str, int], float] = {}
    number = 0
    for _ in range(60):
        drawn = {
            name: chance.choice([None, 1, 2, 3])
            for name in chance.sample("abc", chance.randint(1, 3))
        }
        given = city(*(camera(n, scene=None if x is None else scene(x)) for n, x in drawn.items()))
        expected = store.configuration.preview(given)
        applied = store.configuration.apply(given, TESTER)
        assert applied == expected
        assert applied.number == number + applied.anything
        number = applied.number
        document = store.configuration.current()
        assert document is not None
        assert document.number == number
        assert {each.id: each.scene for each in document.cameras} == {
            each.id: each.scene for each in given.cameras
        }
        for each in document.cameras:
            x = drawn[each.id]
            if x is not None:
                assert seen.setdefault((each.id, each.revision), x) == x
            else:
                assert each.revision == 0
    assert len(seen) > 20
    for (name, revision), x in seen.items():
        kept = store.scenes.get(name, revision)
        assert kept is not None
        assert kept.document == scene(x)


def test_a_configured_camera_is_known(store: Store) -> None:
    store.configuration.apply(city(camera("a")), TESTER)
    assert store.cameras.known("a")
    assert not store.cameras.known("b")


def test_a_camera_that_is_taken_from_a_worker_is_not_missed(url: str) -> None:
    with Store.open(url) as store:
        store.configuration.apply(city(*map(camera, "abc")), TESTER)
        store.cameras.save(report(DAY, "a", "b", "c"))
        assert [each.report.camera for each in store.cameras.all()] == ["a", "b", "c"]
        store.configuration.apply(city(camera("a"), camera("b", worker="other")), TESTER)
        assert [each.report.camera for each in store.cameras.all()] == ["a"]
        store.configuration.apply(city(camera("b", worker="w")), TESTER)
        assert store.cameras.workers() == {}
        # who has one says so within a second
        store.cameras.save(report(DAY + 1, "b"))
        store.configuration.apply(city(camera("b", worker="w", name="B2")), TESTER)
        assert [each.report.camera for each in store.cameras.all()] == ["b"]


def test_a_database_of_the_first_version_gets_the_tables(blank: str) -> None:
    make_older(blank, "0001", [OLD_ALERT])
    with Store.open(blank) as store:
        assert store.configuration.current() is None
        given = city(camera(scene=scene()))
        assert store.configuration.apply(given, TESTER).scenes == {"a": 1}
        kept = store.alerts.get("a", only=None)
        assert kept is not None
        assert kept.revision == 123_456_789


# --- what the record keeps of it


def recorded(store: Store) -> list[Entry]:
    return list(store.audit.each(Wanted(action="configuration")))


def test_the_record_says_who_changed_what(store: Store) -> None:
    apply = partial(store.configuration.apply, by=TESTER)
    apply(city(camera("a", scene=scene(1)), camera("b", login="all"), camera("c")))
    apply(city(camera("a", scene=scene(2)), camera("b", fps=7.5, worker="w"), name="Kota"))
    assert not apply(
        city(camera("a", scene=scene(2)), camera("b", fps=7.5, worker="w"), name="Kota")
    ).anything
    apply(city(camera("b", fps=7.5, worker="w"), camera("a", scene=scene(2)), name="Kota"))
    first, second, third = recorded(store)
    assert {(each.actor, each.action, each.object_kind) for each in (first, second, third)} == {
        ("tests", "configuration.applied", "configuration")
    }
    assert [each.object for each in (first, second, third)] == ["1", "2", "3"]
    assert first.before is None
    assert first.after is not None
    assert (first.after["name"], len(first.after["cameras"])) == ("Makassar", 3)  # type: ignore[arg-type]
    assert second.before == {
        "name": "Makassar",
        "cameras": {
            "a": {"revision": 1},
            "b": {"login": "all", "fps": 5.0, "worker": None},
            "c": {
                "name": "C", "source": "rtsps://camera.example:8554/live…", "model": "nanodet_g",
                "fps": 5.0, "revision": 0,
            },
        },
    }  # fmt: skip
    assert second.after == {
        "name": "Kota",
        "cameras": {"a": {"revision": 2}, "b": {"login": None, "fps": 7.5, "worker": "w"}},
    }
    assert (third.before, third.after) == ({}, {"reordered": True})


def test_the_record_repeats_no_login_that_an_address_holds(store: Store) -> None:
    apply = partial(store.configuration.apply, by=TESTER)
    for path in ("live?password=canary-1", "live?password=canary-2", "user=x&password=canary-3"):
        apply(city(camera("a", source=parse_address(f"rtsp://10.0.0.5/{path}"))))
    entries = recorded(store)
    assert "canary" not in repr(entries)
    assert [each.after["cameras"]["a"]["source"] for each in entries if each.after] == [  # type: ignore[index, call-overload]
        "rtsp://10.0.0.5:554/live…",
        "rtsp://10.0.0.5:554/live… (another one)",
        "rtsp://10.0.0.5:554/user…",
    ]


def test_the_record_of_many_cameras_is_bounded(store: Store) -> None:
    apply = partial(store.configuration.apply, by=TESTER)
    names = [f"c{n:03}" for n in range(468)]
    apply(city(*(camera(name, name="x" * 120) for name in names)))
    apply(city(*(camera(name, name="x" * 120, fps=7.5) for name in names)))
    first, second = recorded(store)
    for entry in (first, second):
        assert len(json.dumps([entry.before, entry.after])) < 100_000
        after = entry.after or {}
        told = [*after["cameras"], *after.get("more_cameras", ())]  # type: ignore[misc]
        assert told == names
    assert first.after is not None
    assert first.after["more_cameras"], "there was no room for all"
    assert second.before is not None
    assert len(second.before["cameras"]) == 468, "and enough for one field of each"  # type: ignore[arg-type]


def test_a_preview_is_not_recorded(store: Store) -> None:
    store.configuration.preview(city())
    assert recorded(store) == []
