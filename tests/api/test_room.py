"""The operations room's words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest

from api.access import SCOPES, WORKER_SCOPES, Caller, Permission
from api.board import NOT_WELL, Tile, View
from api.cameras import CameraOut
from api.i18n import texts
from api.kinds import INCIDENTS, KINDS, SEVERITIES
from api.pages.listed import alert_texts
from api.pages.words import shown_alert, shown_camera, wall_texts
from api.store import StoredAlert
from streams.health import SENTENCES, Code
from streams.messages import SYSTEM_CAMERA
from tests.api.served import DAY
from vision.policy import STREAM_KINDS
from vision.rules.registry import kinds
from vision.types import Severity

_ = texts("en")
READER = Caller("k", "k", "key", frozenset(SCOPES), None)
VIEWER = replace(READER, permissions=frozenset({Permission.CAMERAS_READ}))
PLAZA = CameraOut(
    id="plaza", name="Plaza", source="rtsp", state="live", code=None, message="", since=None,
    last_frame=None, width=None, height=None, analysed=0, dropped=0, connects=0, detections=0,
    crossings=0, revision=0, worker="host", age_seconds=1.0,
)  # fmt: skip


def camera(**more: object) -> CameraOut:
    return PLAZA.model_copy(update=more)


def test_every_kind_has_a_name_of_its_own() -> None:
    assert KINDS.keys() >= {*kinds(), *STREAM_KINDS}
    assert len(set(KINDS.values())) == len(KINDS)
    assert all(name[0].isupper() for name in KINDS.values())


def test_every_code_and_state_has_words() -> None:
    said = wall_texts(_, READER)
    assert said["codes"] == {str(code): SENTENCES[code] for code in Code}
    states = {"live", "starting", "down", "stopped", "unknown", "old"}
    assert said["states"].keys() == states
    assert len(said["ages"]) == 4
    assert wall_texts(_, replace(READER, cameras=frozenset()))["empty"] != said["empty"]


@pytest.mark.parametrize(
    ("of", "caller", "said"),
    [
        (camera(), READER, ""),
        (camera(message="its worker's own word"), READER, "its worker's own word"),
        (camera(code=Code.STALLED, message="another version's"), READER, SENTENCES[Code.STALLED]),
        (camera(state="unknown", age_seconds=61.4), READER, "its worker has not been heard for 61"),
        (camera(state="unknown", age_seconds=None), READER, "'matakota worker --name host'"),
        (camera(state="unknown", age_seconds=None), VIEWER, "check that one runs"),
        (camera(state="unknown", age_seconds=None, worker=None), READER, "check that one runs"),
    ],
)
def test_what_is_said_of_a_camera(of: CameraOut, caller: Caller, said: str) -> None:
    message = shown_camera(Tile(of, ()), caller, _)["message"]
    assert said in message
    assert bool(message) == bool(said)


@pytest.mark.parametrize(
    ("cameras", "permissions", "seen", "worker", "problems"),
    [
        (None, SCOPES, ["plaza", "road"], "host", ("a is gone", "b is")),
        (frozenset({"road", "none"}), SCOPES, ["road"], "host", ("a is gone", "b is")),
        (frozenset({"plaza"}), WORKER_SCOPES, ["plaza"], None, (NOT_WELL,)),
        (frozenset(), WORKER_SCOPES, [], None, (NOT_WELL,)),
    ],
)
def test_a_view_is_of_own_cameras(
    cameras: frozenset[str] | None,
    permissions: tuple[Permission, ...],
    seen: list[str],
    worker: str | None,
    problems: tuple[str, ...],
) -> None:
    caller = replace(READER, cameras=cameras, permissions=frozenset(permissions))
    tiles = (Tile(camera(), ()), Tile(camera(id="road"), ()))
    view = View("Makassar", tiles, ("a is gone", "b is")).of(caller)
    assert [tile.camera.id for tile in view.tiles] == seen
    assert {tile.camera.worker for tile in view.tiles} <= {worker}
    assert view.problems == problems
    assert View("", tiles, ()).of(caller).problems == ()


ALERT = StoredAlert(
    id="a", version=1, camera="plaza", kind="wrong_way", rule="r", place="lawn",
    severity="high", state="open", start_ts=DAY, raised_ts=DAY, end_ts=None, track_ids=(),
    score=1.0, details={"why": "as it was written"}, revision=1, synthetic=False,
    stored_at=DAY, updated_at=DAY, position=7,
)  # fmt: skip


def test_an_alert_is_told_in_words() -> None:
    shown = shown_alert(ALERT, {"plaza": "Plaza"}, _)
    assert (shown["title"], shown["where"]) == ("Wrong way", "Plaza · lawn")
    assert (shown["time"], shown["day"]) == ("08:00:00", "2026-01-31")
    assert (shown["why"], shown["position"]) == ("as it was written", 7)
    # rules write in English, people as they do
    assert (shown["why_lang"], shown["said"]) == ("en", "")
    assert shown_alert(replace(ALERT, opened_by="room1"), {}, _)["why_lang"] == ""
    # of other programs there may be any
    other = shown_alert(replace(ALERT, kind="fence_cut", place="", details={}), {}, _)
    assert (other["title"], other["where"], other["why"]) == ("Fence cut", "plaza", "")
    ours = replace(ALERT, camera=SYSTEM_CAMERA, kind="dead_letter", place="")
    assert shown_alert(ours, {}, _)["where"] == "Matakota"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"status": "acknowledged", "acknowledged_by": "room1"}, "seen by room1"),
        ({"status": "assigned", "assigned_to": "<b>"}, "assigned to <b>"),
        (
            {"status": "resolved", "resolved_by": "room1", "outcome": "true"},
            "true alarm, says room1",
        ),
        (
            {"status": "resolved", "resolved_by": "room1", "outcome": "false"},
            "false alarm, says room1",
        ),
        (
            {"status": "resolved", "resolved_by": "room1", "merged_into": "b"},
            "part of another alert, says room1",
        ),
        # of a camera that is not the reader's, so that its id is not told
        ({"status": "resolved", "resolved_by": "room1"}, "part of another alert, says room1"),
    ],
)
def test_what_people_did_is_told_in_words(more: dict[str, Any], said: str) -> None:
    assert shown_alert(replace(ALERT, **more), {}, _)["said"] == said


def test_every_severity_is_told_in_words_of_its_own() -> None:
    assert tuple(SEVERITIES) == tuple(reversed(get_args(Severity)))
    assert len({*alert_texts(_, acts=True)["severities"].values()}) == len(SEVERITIES)
    assert "dead_letter" not in INCIDENTS
    assert {*INCIDENTS} >= {*kinds(), *STREAM_KINDS}
