"""The configuration in the store: what a change changes, and the numbers of scenes."""

from __future__ import annotations

import os
import random
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from api.store import Applied, Store
from streams.address import DEFAULT_NETWORKS, parse_address
from streams.config import CameraConfig, City
from tests.api.served import DAY, alert, report, sqlite_url
from vision.errors import StoreError
from vision.types import JsonValue

ADDRESS = parse_address("rtsps://camera.example:8554/live?channel=1")


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
    assert store.configuration.scene("a") is None


def test_what_is_applied_is_current(url: str) -> None:
    given = city(
        camera("b", scene=scene(), login="all", worker="north", fps=None, model="/m/own.onnx"),
        camera("a", source="synthetic", fps=7.5, name="ä ' \" %s"),
        name="Kota ü",
        credentials=Path("/etc/matakota/logins.yaml"),
        networks=(),
    )
    with Store.open(url) as first:
        applied = first.configuration.apply(given)
    with Store.open(url) as second:
        document = second.configuration.current()
        listed = second.configuration.cameras()
    assert applied == Applied(1, 2, True, ("b", "a"), (), (), {"b": 1})
    assert document is not None
    assert document.number == 1
    cameras = (replace(given.cameras[0], revision=1), given.cameras[1])
    assert document.city() == replace(given, cameras=cameras)
    assert [(c.id, c.name, c.synthetic, c.worker, c.revision) for c in listed] == [
        ("b", "B", False, "north", 1), ("a", "ä ' \" %s", True, None, 0),
    ]  # fmt: skip


def test_the_same_again_writes_nothing(url: str) -> None:
    now = [DAY]
    given = city(camera("a", scene=scene()), camera("b"))
    with Store.open(url, clock=lambda: now[0]) as store:
        store.configuration.apply(given)
        now[0] += 100
        again = store.configuration.apply(given)
        assert again == Applied(1, 2, False, (), (), (), {})
        assert not again.anything
        # the order of fields says nothing, revisions that somebody made up neither
        other = dict(reversed(scene().items()))
        same = city(camera("a", scene=other, revision=9), camera("b"))
        assert not store.configuration.apply(same).anything
        kept = store.configuration.scene("a")
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
    ],
)
def test_one_field_of_one_camera_is_a_change(store: Store, more: dict[str, Any]) -> None:
    store.configuration.apply(city(camera("a", scene=scene()), camera("b")))
    applied = store.configuration.apply(city(camera("a", scene=scene(), **more), camera("b")))
    assert applied == Applied(2, 2, False, (), ("a",), (), {})
    assert store.configuration.number() == 2
    assert revisions(store) == {"a": 1, "b": 0}


@pytest.mark.parametrize(
    "more", [{"name": "other"}, {"networks": ()}, {"credentials": Path("/logins.yaml")}]
)
def test_what_is_beside_the_cameras_is_a_change(store: Store, more: dict[str, Any]) -> None:
    store.configuration.apply(city())
    assert store.configuration.apply(city(**more)) == Applied(2, 1, True, (), (), (), {})
    assert store.configuration.apply(city(**more)).number == 2


def test_the_order_is_kept(store: Store) -> None:
    a, b, c = map(camera, "abc")
    store.configuration.apply(city(c, a))
    assert [each.id for each in store.configuration.cameras()] == ["c", "a"]
    assert store.configuration.apply(city(b, c, a)) == Applied(2, 3, False, ("b",), (), (), {})
    assert store.configuration.apply(city(a, b, c)) == Applied(3, 3, True, (), (), (), {})
    assert [each.id for each in store.configuration.cameras()] == ["a", "b", "c"]


def test_scenes_are_numbered_by_camera_and_stay(store: Store) -> None:
    apply = store.configuration.apply
    assert apply(city(camera("a", scene=scene(1)), camera("b", scene=scene(1)))).scenes == {
        "a": 1, "b": 1,
    }  # fmt: skip
    changed = apply(city(camera("a", scene=scene(2)), camera("b", scene=scene(1))))
    assert changed == Applied(2, 2, False, (), ("a",), (), {"a": 2})
    # what was drawn long ago is drawn anew: between the two, something else was counted
    assert apply(city(camera("a", scene=scene(1)))).scenes == {"a": 3}
    assert revisions(store) == {"a": 3}
    assert [store.configuration.scene("a", n).document for n in (1, 2, 3)] == [  # type: ignore[union-attr]
        scene(1), scene(2), scene(1),
    ]  # fmt: skip
    assert store.configuration.scene("a", 4) is None
    assert store.configuration.scene("b") is None, "it is not configured any more"
    assert store.configuration.scene("b", 1) is not None


def test_a_camera_that_comes_back_goes_on_numbering(store: Store) -> None:
    apply = store.configuration.apply
    apply(city(camera("a", scene=scene(1))))
    gone = apply(city(camera("b")))
    assert (gone.added, gone.removed) == (("b",), ("a",))
    assert apply(city(camera("a", scene=scene(2)))).scenes == {"a": 2}
    apply(city(camera("a")))
    assert revisions(store) == {"a": 0}
    assert store.configuration.scene("a") is None
    # nobody counted anything else meanwhile
    assert apply(city(camera("a", scene=scene(2)))).scenes == {}
    assert revisions(store) == {"a": 2}


def test_a_preview_changes_nothing(store: Store) -> None:
    first = city(camera("a", scene=scene(1)))
    assert store.configuration.preview(first) == Applied(1, 1, True, ("a",), (), (), {"a": 1})
    assert store.configuration.number() == 0
    store.configuration.apply(first)
    second = city(camera("a", scene=scene(2)))
    assert store.configuration.preview(second) == store.configuration.preview(second)
    assert revisions(store) == {"a": 1}
    assert store.configuration.preview(first).number == 1


def test_what_the_database_refuses_changes_nothing(store: Store) -> None:
    store.configuration.apply(city(camera("a", scene=scene(1))))
    folder = Path(os.fsdecode(b"/\xff/logins.yaml"))
    twice = city(camera("a", scene=scene(2)), camera("a", scene=scene(3)))
    for bad in (city(camera("b"), credentials=folder), twice):
        with pytest.raises(StoreError):
            store.configuration.apply(bad)
    document = store.configuration.current()
    assert document is not None
    assert (document.number, [each.id for each in document.cameras]) == (1, ["a"])
    assert revisions(store) == {"a": 1}


def test_two_at_once_get_numbers_of_their_own(url: str) -> None:
    with Store.open(url) as one, Store.open(url) as other, ThreadPoolExecutor(6) as pool:
        stores = (one, other)
        done = list(
            pool.map(
                lambda n: stores[n % 2].configuration.apply(city(camera("a", scene=scene(n)))),
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
        applied = store.configuration.apply(given)
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
        kept = store.configuration.scene(name, revision)
        assert kept is not None
        assert kept.document == scene(x)


def test_a_configured_camera_is_known(store: Store) -> None:
    store.configuration.apply(city(camera("a")))
    assert store.cameras.known("a")
    assert not store.cameras.known("b")


def test_a_camera_that_is_taken_from_a_worker_is_not_missed(url: str) -> None:
    with Store.open(url) as store:
        store.configuration.apply(city(*map(camera, "abc")))
        store.cameras.save(report(DAY, "a", "b", "c"))
        assert [each.report.camera for each in store.cameras.all()] == ["a", "b", "c"]
        store.configuration.apply(city(camera("a"), camera("b", worker="other")))
        assert [each.report.camera for each in store.cameras.all()] == ["a"]
        store.configuration.apply(city(camera("b", worker="w")))
        assert store.cameras.workers() == {}
        # who has one says so within a second
        store.cameras.save(report(DAY + 1, "b"))
        store.configuration.apply(city(camera("b", worker="w", name="B2")))
        assert [each.report.camera for each in store.cameras.all()] == ["b"]


def test_a_database_of_the_version_before_gets_the_tables(tmp_path: Path) -> None:
    with Store.open(sqlite_url(tmp_path)) as store:
        store.record([alert(revision=123_456_789)])
    with closing(sqlite3.connect(tmp_path / "matakota.db")) as database:
        for statement in (
            *(
                f"DROP TABLE {table}"
                for table in (
                    "city",
                    "configured_cameras",
                    "scenes",
                    "late_counts",
                    "watched_lines",
                )
            ),
            *(f"ALTER TABLE keys DROP COLUMN {column}" for column in ("kind", "expires_at")),
            "UPDATE alembic_version SET version_num = '0001'",
        ):
            database.execute(statement)
        database.commit()
    with Store.open(sqlite_url(tmp_path)) as store:
        assert store.configuration.current() is None
        assert store.configuration.apply(city(camera(scene=scene()))).scenes == {"a": 1}
        kept = store.alerts.get("a")
        assert kept is not None
        assert kept.revision == 123_456_789
