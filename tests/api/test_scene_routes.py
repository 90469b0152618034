"""Scenes as an editor sees them: their history, a new one and who was first, what is wrong with
one, and what rules can be told."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.access import Role
from api.cameras import NO_WORKER, NOT_READABLE
from api.configuration import UNCHECKED
from api.i18n import LANGUAGES, texts
from api.ingest import Heard
from api.store import Store, Wanted
from streams.drawing import Checked
from streams.messages import encode
from tests.api.answering import answering
from tests.api.served import DAY, TESTER, Api, add_user, api, person, report, sqlite_url
from tests.api.test_configuration_routes import V1, city, scene
from vision.rules.registry import kinds
from vision.types import JsonValue

SCENE = f"{V1}/cameras/plaza/scene"
CHECK = f"{SCENE}/check"
HISTORY = f"{V1}/cameras/plaza/scenes"
HOSTILE = "<script>alert(1)</script> \u202e\"';"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Api]:
    with Store.open(sqlite_url(tmp_path), clock=lambda: DAY) as store, api(store) as it:
        store.configuration.apply(city(("plaza", scene(1)), ("bare", None)), TESTER)
        yield it


@pytest.fixture
def editor(served: Api) -> Iterator[httpx.Client]:
    with person(served, add_user(served.store, "kendali")) as client:
        yield client


def drawn(base: int, document: Any, **more: Any) -> dict[str, Any]:
    return {"base": base, "scene": document, **more}


def test_a_scene_is_drawn(served: Api, editor: httpx.Client) -> None:
    answer = editor.put(SCENE, json=drawn(1, scene(2.5), note=HOSTILE))
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "camera": "plaza", "revision": 2, "created": "2026-01-31T00:00:00.000Z", "by": "kendali",
        "note": HOSTILE, "scene": scene(2.5),
        "unchecked": UNCHECKED.format(why=NO_WORKER),
    }  # fmt: skip
    assert editor.get(SCENE).json().items() < answer.json().items()
    now = served.store.configuration.current()
    assert now is not None
    assert (now.number, now.cameras[0].revision, now.cameras[0].scene) == (2, 2, scene(2.5))
    (entry,) = served.store.audit.find(Wanted(action="scene.drawn"), limit=9).entries
    assert (entry.actor, entry.object_kind, entry.object) == ("kendali", "scene", "plaza")
    assert (entry.before, entry.after) == ({"revision": 1}, {"revision": 2, "note": HOSTILE})


def test_the_first_scene_of_a_camera(served: Api, editor: httpx.Client) -> None:
    path = f"{V1}/cameras/bare/scene"
    assert editor.put(path, json=drawn(1, scene(1))).status_code == 409
    answer = editor.put(path, json=drawn(0, scene(1)))
    assert (answer.status_code, answer.json()["revision"], answer.json()["note"]) == (200, 1, None)
    assert served.store.configuration.number() == 2


def test_who_comes_second_hears_who_was_first(served: Api, editor: httpx.Client) -> None:
    assert editor.put(SCENE, json=drawn(1, scene(2), note="wider")).status_code == 200
    answer = editor.put(SCENE, json=drawn(1, scene(3)))
    assert answer.status_code == 409
    assert answer.json() == {
        "detail": "kendali drew revision 2 at 2026-01-31 08:00 WITA, after the one that this was "
        "drawn on: load it, then decide",
        "revision": 2, "created": "2026-01-31T00:00:00.000Z", "by": "kendali", "note": "wider",
    }  # fmt: skip
    assert served.store.configuration.number() == 2
    # no answer came, and it is sent again: nobody was first
    again = editor.put(SCENE, json=drawn(1, scene(2), note="wider"))
    assert (again.status_code, again.json()["revision"]) == (200, 2)
    assert served.store.configuration.number() == 2


def test_what_is_in_force_is_not_stored_again(served: Api, editor: httpx.Client) -> None:
    same = json.loads(json.dumps(scene(1)).replace("1, 0", "1.0, 0"))
    answer = editor.put(SCENE, json=drawn(1, same))
    assert (answer.status_code, answer.json()["revision"]) == (200, 1)
    assert served.store.configuration.number() == 1
    assert not served.store.audit.find(Wanted(action="scene"), limit=9).entries


def test_the_history_and_its_undoing(served: Api, editor: httpx.Client) -> None:
    for base, x in enumerate((2, 3), 1):
        editor.put(SCENE, json=drawn(base, scene(x)))
    old = editor.get(SCENE, params={"revision": 1}).json()["scene"]
    undone = editor.put(SCENE, json=drawn(3, old, note="as it was")).json()
    assert (undone["revision"], undone["scene"]) == (4, scene(1))
    found = editor.get(HISTORY).json()
    assert [each["revision"] for each in found["scenes"]] == [4, 3, 2, 1]
    assert [each["in_force"] for each in found["scenes"]] == [True, False, False, False]
    assert [each["by"] for each in found["scenes"]] == ["kendali"] * 3 + [TESTER.name]
    assert found["scenes"][0] == {
        "revision": 4, "created": "2026-01-31T00:00:00.000Z", "by": "kendali",
        "note": "as it was", "in_force": True,
    }  # fmt: skip
    part = editor.get(HISTORY, params={"before": 4, "limit": 2}).json()
    assert ([each["revision"] for each in part["scenes"]], part["more"]) == ([3, 2], True)
    # the file that was applied before is another scene again
    served.store.configuration.apply(city(("plaza", scene(3)), ("bare", None)), TESTER)
    assert editor.get(SCENE).json()["revision"] == 5
    assert editor.get(f"{V1}/cameras/bare/scenes").json() == {"scenes": [], "more": False}


@pytest.mark.parametrize(
    ("document", "where", "said"),
    [
        ({}, [], "field 'frame_size' is missing; add 'frame_size: [width, height]'"),
        ({"frame_size": [64]}, ["frame_size"], "found 1 values; write [width, height] in pixels"),
        (
            {"frame_size": [640, 360], "zones": [{"name": "a", "polygon": [[1, 1], [5, 5]]}]},
            ["zones", 0, "polygon"],
            "a polygon has three points or more, found 2; add its corners",
        ),
        (
            scene(1) | {"lines": [scene(1)["lines"][0]] * 2},  # type: ignore[index]
            ["lines", 1],
            "a line named 'gäte' is there already; give this one another 'name'",
        ),
        (
            scene(1) | {"rules": [{"kind": "intrusion", "zone": "nowhere"}]},
            ["rules", 0, "zone"],
            "there is no zone 'nowhere'; draw it under 'zones'",
        ),
        (
            scene(1) | {"rules": [{"kind": "camera_dark", "after_s": -1}]},
            ["rules", 0, "after_s"],
            "rule 'camera_dark': after_s is -1.0, but must be a number from 0 on",
        ),
        (scene(1) | {"colour": "red"}, [], "unknown field 'colour'"),
        ({"frame_size": [10**400, 360]}, ["frame_size", 0], "is not a finite number"),
        (scene(1) | {"view": "AZ"}, ["view"], "the text of a view is broken"),
        (scene(1) | {"classes": ["\0"]}, ["classes", 0], "holds a control character"),
    ],
)  # fmt: skip
def test_a_mistake_has_its_place(
    served: Api, editor: httpx.Client, document: dict[str, JsonValue], where: list[Any], said: str
) -> None:
    found = editor.post(CHECK, json={"scene": document})
    assert found.status_code == 200, found.text
    assert (found.json()["ok"], found.json()["warnings"]) == (False, [])
    assert found.json()["error"]["where"] == where
    assert said in found.json()["error"]["text"]
    refused = editor.put(SCENE, json=drawn(1, document))
    assert refused.status_code == 422
    path = ".".join(map(str, ["scene", *where]))
    assert refused.json()["detail"].startswith(f"{path}: ")
    assert said in refused.json()["detail"]
    assert served.store.configuration.number() == 1


def test_a_scene_that_is_right_and_one_that_cannot_work(editor: httpx.Client) -> None:
    right: dict[str, JsonValue] = {
        "frame_size": [640, 360],
        "lines": [{"name": "road", "points": [[100, 200], [500, 200]]}],
    }
    assert editor.post(CHECK, json={"scene": right}).json() == {
        "ok": True, "error": None, "warnings": [], "unchecked": UNCHECKED.format(why=NO_WORKER),
    }  # fmt: skip
    empty = editor.post(CHECK, json={"scene": {"frame_size": [640, 360]}}).json()
    assert (empty["ok"], len(empty["warnings"])) == (True, 1)
    assert "draws no line and no zone" in empty["warnings"][0]


def test_what_the_worker_cannot_use_is_not_drawn(served: Api, editor: httpx.Client) -> None:
    served.ingest.workers = (Heard(report(DAY, "plaza"), time.monotonic()),)
    shape = scene(1) | {"frame_size": [640, 640]}
    found = editor.post(CHECK, json={"scene": shape}).json()
    assert (found["ok"], found["error"]["where"]) == (False, ["frame_size"])
    refused = editor.put(SCENE, json=drawn(1, shape))
    assert refused.status_code == 422
    assert refused.json()["detail"].startswith("scene.frame_size: the scene is drawn on a picture")
    for said, why in (
        (encode(Checked(ok=False, message="no dinosaurs")), None),
        (encode(Checked(ok=False, busy=True, message="later")), "later"),
        ("{}", NOT_READABLE),
    ):
        with answering(served.control, said):
            found = editor.post(CHECK, json={"scene": scene(1)}).json()
            assert found["ok"] == (why is not None)
            answer = editor.put(SCENE, json=drawn(1, scene(1)))
        if why is None:
            assert (found["error"]["text"], found["unchecked"]) == ("no dinosaurs", None)
            assert (answer.status_code, answer.json()["detail"]) == (422, "no dinosaurs")
        else:
            assert answer.json()["unchecked"] == found["unchecked"] == UNCHECKED.format(why=why)
    assert served.store.configuration.number() == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422), ({"base": 1}, 422), ({"scene": scene(1)}, 422),
        (drawn(-1, scene(1)), 422), (drawn(1 << 31, scene(1)), 422), (drawn("1", scene(1)), 422),  # type: ignore[arg-type]
        (drawn(1, None), 422), (drawn(1, []), 422), (drawn(1, scene(1), more=1), 422),
        (drawn(1, scene(2), note="\0"), 422), (drawn(1, scene(2), note="x" * 2001), 422),
        (drawn(1, {"frame_size": "x" * (1 << 19)}), 413),
    ],
)  # fmt: skip
def test_what_no_scene_can_be_read_from(
    served: Api, editor: httpx.Client, body: Any, status: int
) -> None:
    answer = editor.put(SCENE, json=body)
    assert (answer.status_code, set(answer.json())) == (status, {"detail"})
    assert served.store.configuration.number() == 1


@pytest.mark.parametrize("depth", [100, 5000])
def test_what_nests_deeply_is_refused(editor: httpx.Client, depth: int) -> None:
    nested = "[" * depth + "]" * depth
    for path, head in ((SCENE, '{"base": 1, "scene": {"zones": '), (CHECK, '{"scene": {"zones": ')):
        method = "PUT" if path == SCENE else "POST"
        answer = editor.request(method, path, content=head + nested + "}}")
        assert answer.status_code in {200, 422}
        assert answer.json().get("ok") is not True


def test_a_camera_that_is_not(editor: httpx.Client) -> None:
    for camera, status in (("nobody", 404), ("%00", 422), ("x" * 121, 422)):
        path = f"{V1}/cameras/{camera}"
        assert editor.put(f"{path}/scene", json=drawn(0, scene(1))).status_code == status
        assert editor.post(f"{path}/scene/check", json={"scene": {}}).status_code == status
        assert editor.get(f"{path}/scenes").status_code == status
    for query in ({"before": 0}, {"limit": 0}, {"limit": 501}, {"page": 1}):
        assert editor.get(HISTORY, params=query).status_code == 422


def test_who_may_draw(served: Api) -> None:
    for role in (Role.VIEWER, Role.OPERATOR, Role.ANALYST):
        with person(served, add_user(served.store, f"a {role}", role)) as client:
            assert client.put(SCENE, json=drawn(1, scene(2))).status_code == 403
            assert client.post(CHECK, json={"scene": scene(1)}).status_code == 403
            assert client.get(HISTORY).status_code == 200
    # a machine key has every scope, and none is for this
    assert served.client.put(SCENE, json=drawn(1, scene(2))).status_code == 403
    assert served.store.configuration.number() == 1


# --- what rules can be told


def test_the_shape_of_scenes(editor: httpx.Client) -> None:
    schema = editor.get(f"{V1}/scene/schema").json()
    assert schema["title"] == "Matakota scene"
    assert "zones" in schema["properties"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_kind_and_setting_is_explained(editor: httpx.Client, language: Any) -> None:
    found = editor.get(f"{V1}/scene/kinds", params={"lang": language}).json()
    assert found["language"] == language
    assert {each["kind"] for each in found["kinds"]} == set(kinds())
    for kind in found["kinds"]:
        own = kinds()[kind["kind"]]
        assert (kind["place"], kind["classes"]) == (own.place, list(own.classes))
        for setting in kind["settings"]:
            default = getattr(own.Settings(), setting["name"])
            assert setting["default"] == default
            assert setting["explained"]
            low, high = setting["minimum"], setting["maximum"]
            if default is not None and setting["type"] in {"int", "float"}:
                assert low is None or low <= default
                assert high is None or default <= high
    assert texts(language)("Seconds of stay before the rule fires.") in {
        setting["explained"] for kind in found["kinds"] for setting in kind["settings"]
    }


def test_what_an_editor_offers_for_a_setting(editor: httpx.Client) -> None:
    found = editor.get(f"{V1}/scene/kinds", params={"lang": "en"}).json()["kinds"]
    settings = {(k["kind"], s["name"]): s for k in found for s in k["settings"]}
    assert settings["loitering", "dwell_s"] == {
        "name": "dwell_s", "type": "float", "default": 60.0, "optional": False, "unit": "s",
        "minimum": 0.0, "maximum": None, "choices": None,
        "explained": "Seconds of stay before the rule fires.",
    }  # fmt: skip
    membership = settings["intrusion", "membership"]
    assert (membership["type"], membership["choices"]) == ("choice", ["ground", "box"])
    leave = settings["crowd", "leave_count"]
    assert (leave["type"], leave["optional"], leave["minimum"]) == ("int", True, 1.0)
    assert settings["intrusion", "box_overlap_share"]["maximum"] == 1.0
    direction = settings["line_crossing", "direction"]
    assert (direction["type"], direction["optional"]) == ("str", True)
    replayable = {kind["kind"]: kind["replayable"] for kind in found}
    assert replayable["intrusion"]
    assert not replayable["person_down"]
    assert not replayable["camera_dark"]


def test_kinds_are_named_in_the_language_of_whoever_asks(editor: httpx.Client) -> None:
    for accepts, language in (("en", "en"), ("id-ID,en;q=0.5", "id"), ("", "id")):
        found = editor.get(f"{V1}/scene/kinds", headers={"accept-language": accepts}).json()
        assert found["language"] == language
    assert editor.get(f"{V1}/scene/kinds", params={"lang": "de"}).status_code == 422
