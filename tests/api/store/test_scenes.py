"""Scenes that are drawn one after the other: their numbers, who was first, and those of before."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from api.store import SceneChangedError, Store
from tests.api.served import TESTER
from tests.api.store.older import make_older
from tests.api.store.test_configuration import camera, city, revisions, scene


def drawn(store: Store, x: float, base: int, **more: Any) -> int | None:
    found = store.scenes.draw("a", scene(x), TESTER, base=base, **more)
    return None if found is None else found.revision


def test_scenes_are_drawn_one_after_the_other(store: Store) -> None:
    assert drawn(store, 1, 0) is None, "no such camera"
    store.configuration.apply(city(camera(), camera("b", scene=scene())), TESTER)
    assert store.scenes.history("x", limit=9) is None
    assert [drawn(store, x, x - 1, note=f"to {x}") for x in (1, 2, 3)] == [1, 2, 3]
    assert store.configuration.number() == 4
    assert revisions(store) == {"a": 3, "b": 1}
    # the same again, and again on what is gone
    assert (drawn(store, 3, 3), drawn(store, 3, 1), store.configuration.number()) == (3, 3, 4)
    with pytest.raises(SceneChangedError) as refused:
        drawn(store, 4, 2)
    assert refused.value.now is not None
    assert (refused.value.now.revision, refused.value.now.note) == (3, "to 3")
    found = store.scenes.history("a", limit=2)
    assert found is not None
    assert ([each.note for each in found.drawn], found.more) == (["to 3", "to 2"], True)
    # a file that has no scene takes it away; what is drawn then is a new revision all the same
    store.configuration.apply(city(), TESTER)
    assert store.scenes.get("a") is None
    with pytest.raises(SceneChangedError) as refused:
        drawn(store, 3, 3)
    assert refused.value.now is None
    assert drawn(store, 3, 0) == 4


def test_of_many_who_draw_at_once_one_is_first(store: Store) -> None:
    store.configuration.apply(city(), TESTER)

    def draw(x: int) -> int | None:
        try:
            return drawn(store, x, 0)
        except SceneChangedError:
            return None

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(draw, range(8)))
    assert sorted(found, key=str) == [1] + [None] * 7
    assert (revisions(store), store.configuration.number()) == ({"a": 1}, 2)


OLD_SCENE = """
INSERT INTO scenes (camera, revision, document, digest, created_at)
VALUES ('a', 7, '{"frame_size": [64, 48]}', 'x', 5)
"""


def test_scenes_of_an_older_version(blank: str) -> None:
    make_older(blank, "0009", [OLD_SCENE])
    with Store.open(blank) as store:
        found = store.scenes.get("a", 7)
        assert found is not None
        assert (found.by, found.note, found.created_at) == (None, None, 5)
        store.configuration.apply(city(camera(scene=scene())), TESTER)
        assert drawn(store, 2, 8, note="why") == 9
