"""Incidents of a live camera over restarts, with a real pipeline; and those of its own stream, with
real cameras that are simulated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import streams.incidents as module
import streams.rtsp.source as rtsp
from streams.health import SENTENCES, Code, Health, State
from streams.incidents import Incidents, Seen
from streams.messages import AlertMessage, decode
from streams.recorder import Recorder
from streams.rtsp.forkserver import ForkServer
from streams.simulator import Fault, FaultKind, Recording, Simulator, load_recording
from streams.spool import Spool
from tests.streams import statements
from tests.streams.rtsp.oddcameras import source
from tests.streams.simulator.clients import small_clip
from tests.streams.stage import Stage
from tests.vision.painted import GROUND, SETTINGS, detector, paint
from tests.waiting import wait_for
from vision.pipeline import Pipeline
from vision.policy import CAMERA_DOWN, CLOCK_SKEW, STREAM_CORRUPT, STREAM_KINDS
from vision.rules.loitering import Settings as Loitering
from vision.scene import RuleConfig, Scene, Zone
from vision.types import Frame

T0 = 1_800_000_000.0
FPS = 4.0
DWELL_S, COOLDOWN_S = 5.0, 4.0
YARD = Zone("yard", np.array([[40.0, 20.0], [300.0, 20.0], [300.0, 180.0], [40.0, 180.0]]))
WALLS = np.random.default_rng(1).integers(0, 90, (12, 20, 1)).repeat(16, 0).repeat(16, 1)
SPOT, OTHER = (100.0, 120.0), (220.0, 120.0)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(tmp_path / "spool.db") as opened:
        yield opened


def scene(name: str = "linger") -> Scene:
    rule = RuleConfig(
        name, "loitering", "yard", ("person",), Loitering(dwell_s=DWELL_S), cooldown_s=COOLDOWN_S
    )
    return Scene((320, 192), ("person",), zones=(YARD,), rules=(rule,))


class Run:
    """One run of a camera: its incidents over a pipeline, frame by frame."""

    def __init__(self, spool: Spool, start_s: float, *, name: str = "linger") -> None:
        self._spool = spool
        self._incidents = Incidents("a", Recorder(spool), lambda: Seen(1, synthetic=False))
        self._scene = scene(name)
        self._ts = T0 + start_s
        self._grain = np.random.default_rng(0)
        self._index = 0
        left = [decode(body) for body in spool.open_alerts()]
        opened = [each for each in left if isinstance(each, AlertMessage)]
        self._incidents.take_over(opened, T0 + start_s - 1 if opened else None)
        self.begin()

    def begin(self) -> None:
        """With a pipeline that is new."""
        self._pipeline = Pipeline(self._scene, detector(("person",)), SETTINGS)
        self._incidents.resume(self._pipeline)

    def leave(self) -> None:
        """Drop the pipeline."""
        self._incidents.leave(self._pipeline.finish().events, self._ts, "it was dropped")

    def see(self, seconds: float, spot: tuple[float, float] | None = None) -> None:
        """Somebody at ``spot``, or nobody, for so long."""
        for _ in range(round(seconds * FPS)):
            image = paint({"person": spot} if spot else {})
            # walls and windows, and noise: a plain picture is a camera that is covered, and one
            # that never changes is frozen
            image += np.where(image == GROUND, WALLS, 0).astype(np.uint8)
            noise = self._grain.integers(0, 12, image.shape, np.uint8)
            self._ts += 1 / FPS
            self._index += 1
            frame = Frame("a", self._index, self._ts, image + noise)
            self._incidents.state(self._pipeline.step(frame).events)

    def said(self) -> list[tuple[str, int, str]]:
        """Id, version and state of everything about loiterers that was stated, by any run."""
        found = [decode(each.body) for each in self._spool.unsent(1000)]
        return [
            (m.id, m.version, m.state)
            for m in found
            if isinstance(m, AlertMessage) and m.kind == "loitering"
        ]

    def last(self) -> AlertMessage:
        found = decode(self._spool.unsent(1000)[-1].body)
        assert isinstance(found, AlertMessage)
        return found


def test_a_loiterer_is_one_alert_over_a_kill(spool: Spool) -> None:
    before = Run(spool, 0)
    before.see(8, SPOT)
    ((alert, _, _),) = before.said()
    # a kill: nothing is said, and the next run begins a minute later
    after = Run(spool, 60)
    after.see(8, SPOT)
    assert after.said() == [(alert, 1, "open"), (alert, 2, "open")]
    again = after.last()
    assert (again.details["seen_again"], again.details["box_px"]) == (
        1,
        pytest.approx([88, 88, 112, 120], abs=3),
    )
    # a track that stood is waited for, then the rule could fire again
    after.see(60 + COOLDOWN_S + DWELL_S - 2)
    assert len(after.said()) == 2
    after.see(5)
    assert after.said()[2:] == [(alert, 3, "closed")]
    over = after.last()
    assert over.start_ts == pytest.approx(T0, abs=0.5)
    assert over.end_ts == pytest.approx(T0 + 68, abs=0.5)
    # who stands there later is another
    after.see(8, SPOT)
    assert [version for _, version, _ in after.said()] == [1, 2, 3, 1]


def test_who_stands_elsewhere_after_a_kill_is_another(spool: Spool) -> None:
    Run(spool, 0).see(8, SPOT)
    after = Run(spool, 60)
    after.see(8, OTHER)
    (first, second) = after.said()
    assert first[0] != second[0]
    # and the first one is over since it was last seen
    after.see(60 + DWELL_S + COOLDOWN_S - 8 - 1, OTHER)
    assert len(after.said()) == 2
    after.see(2, OTHER)
    assert after.said()[2:] == [(first[0], 2, "closed")]
    assert after.last().end_ts == T0 + 59


def test_a_pipeline_that_is_built_anew_goes_on(spool: Spool) -> None:
    run = Run(spool, 0)
    run.see(8, SPOT)
    for _ in range(3):
        run.leave()
        run.begin()
        run.see(8, SPOT)
    assert len({alert for alert, _, _ in run.said()}) == 1
    assert [(version, state) for _, version, state in run.said()] == [
        (version, "open") for version in (1, 2, 3, 4)
    ]
    # of what does not come back again, the last sight is known
    run.leave()
    run.begin()
    run.see(60 + COOLDOWN_S + DWELL_S + 1)
    (over,) = run.said()[4:]
    assert over[1:] == (5, "closed")
    assert run.last().end_ts == pytest.approx(T0 + 32, abs=0.3)


def test_a_rule_that_is_gone_takes_its_incidents_along(spool: Spool) -> None:
    Run(spool, 0).see(8, SPOT)
    renamed = Run(spool, 60, name="stay")
    assert [version for _, version, _ in renamed.said()] == [1, 2]
    assert renamed.last().details["closed"] == "no rule watches it any more"
    assert spool.open_alerts() == []


# --- the stream itself --------------------------------------------------------------------------


@dataclass
class Stream:
    """What is made of a camera's health, second by second."""

    spool: Spool
    ts: float = T0

    def __post_init__(self) -> None:
        self.incidents = Incidents("a", Recorder(self.spool), lambda: Seen(1, synthetic=False))

    def carry(self, code: Code | None, seconds: float, state: State = State.LIVE) -> None:
        for _ in range(round(2 * seconds)):
            self.ts += 0.5
            self.incidents.watch(Health(state, code, T0), self.ts)

    def said(self) -> list[AlertMessage]:
        found = [decode(each.body) for each in self.spool.unsent(1000)]
        return [each for each in found if isinstance(each, AlertMessage)]


CARRIED = pytest.mark.parametrize(
    ("kind", "code", "severity"),
    [(STREAM_CORRUPT, Code.CORRUPT, "medium"), (CLOCK_SKEW, Code.CLOCK_SKEW, "low")],
)


@CARRIED
def test_a_code_that_stays_is_an_incident(
    spool: Spool, kind: str, code: Code, severity: str
) -> None:
    stream = Stream(spool)
    stream.carry(code, module.AFTER_S - 1)
    stream.carry(None, 10)
    assert stream.said() == [], "a moment is none"
    since_ts = stream.ts + 0.5
    stream.carry(code, module.AFTER_S + 20)
    (alert,) = stream.said()
    assert (alert.kind, alert.severity, alert.state) == (kind, severity, "open")
    assert (alert.start_ts, alert.raised_ts) == (since_ts, since_ts + module.AFTER_S)
    assert alert.details == {"code": code.value, "why": SENTENCES[code]}
    # gone for a while, as after a new connection
    stream.carry(None, module.RELEASE_S - 1)
    stream.carry(code, 5)
    stream.carry(None, module.RELEASE_S)
    assert len(stream.said()) == 1
    gone_ts = stream.ts - module.RELEASE_S + 0.5
    stream.carry(None, 1)
    over = stream.said()[1:]
    assert [(m.id, m.version, m.state, m.end_ts) for m in over] == [
        (alert.id, 2, "closed", gone_ts)
    ]
    assert stream.incidents.events == (), "nobody saw it in a picture"


@pytest.mark.parametrize(
    ("hiding", "state"),
    [
        (Code.RESOLUTION_CHANGED, State.LIVE),
        (Code.UNREACHABLE, State.DOWN),
        (None, State.STARTING),
    ],
)
@CARRIED
def test_what_cannot_be_known_neither_opens_nor_closes(
    spool: Spool, kind: str, code: Code, severity: str, hiding: Code | None, state: State
) -> None:
    del kind, severity
    stream = Stream(spool)
    stream.carry(code, module.AFTER_S + 1)
    stream.carry(hiding, 10 * module.RELEASE_S, state)
    stream.carry(None, module.RELEASE_S - 1)
    assert [m.state for m in stream.said()] == ["open"]
    stream.carry(hiding, 10 * module.RELEASE_S, state)
    stream.carry(None, 2)
    assert [m.state for m in stream.said()] == ["open"]
    stream.carry(None, module.RELEASE_S)
    assert [m.state for m in stream.said()] == ["open", "closed"]
    stream.carry(code, module.AFTER_S - 1)
    stream.carry(hiding, 10 * module.RELEASE_S, state)
    stream.carry(code, module.AFTER_S - 1)
    assert len(stream.said()) == 2


def test_damage_hides_what_the_clock_says(spool: Spool) -> None:
    stream = Stream(spool)
    stream.carry(Code.CLOCK_SKEW, 5)
    stream.carry(Code.CORRUPT, 2 * module.RELEASE_S)
    assert [(m.kind, m.state) for m in stream.said()] == [
        (CLOCK_SKEW, "open"),
        (STREAM_CORRUPT, "open"),
    ]
    stream.carry(Code.CLOCK_SKEW, 2 * module.RELEASE_S)
    assert [(m.kind, m.state) for m in stream.said()[2:]] == [(STREAM_CORRUPT, "closed")]


def test_incidents_of_the_stream_go_on_after_a_restart(spool: Spool) -> None:
    stream = Stream(spool)
    stream.carry(Code.CORRUPT, 5)
    stream.carry(Code.CLOCK_SKEW, 5)
    stream.incidents.begin(CAMERA_DOWN, Code.STALLED, stream.ts, stream.ts + 2)
    assert {m.kind for m in stream.said()} == set(STREAM_KINDS)
    again = Stream(spool, stream.ts + 100)
    left: list[Any] = [decode(body) for body in spool.open_alerts()]
    again.incidents.take_over([*left, left[0].model_copy(update={"id": "twice"})], None)
    assert again.incidents.outage
    assert [(m.id, m.state) for m in again.said()[3:]] == [("twice", "closed")]
    again.carry(Code.CLOCK_SKEW, 5)
    assert len(again.said()) == 4, "it is known already"
    again.incidents.end_all(again.ts, "the camera was removed")
    assert {(m.kind, m.version, m.state) for m in again.said()[4:]} == {
        (kind, 2, "closed") for kind in STREAM_KINDS
    }
    assert spool.open_alerts() == []


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    folder = tmp_path_factory.mktemp("clips")
    return load_recording(small_clip(folder / "small.mp4"), folder / "cache")


@pytest.mark.parametrize(
    ("kind", "fault"), [(STREAM_CORRUPT, FaultKind.CORRUPT), (CLOCK_SKEW, FaultKind.CLOCK)]
)
def test_a_camera_with_a_faulty_stream(
    spool: Spool,
    recording: Recording,
    kind: str,
    fault: FaultKind,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "AFTER_S", 0.5)
    monkeypatch.setattr(module, "RELEASE_S", 0.5)
    monkeypatch.setattr(rtsp, "WARN_S", 2.0)
    with ForkServer() as forkserver, Simulator({"a": recording}) as simulator:
        simulator.fault("a", Fault(fault))
        stage = Stage(spool, scene=False)
        stage.sources.append(source(simulator.url("a"), forkserver))  # type: ignore[arg-type]
        with stage:
            (alert,) = wait_for(lambda: stage.alerts(kind), "opened")
            assert alert.details["why"] == stage.loop.report().message
            simulator.fault("a", None)
            wait_for(lambda: len(stage.alerts(kind)) == 2, "closed")
    assert [(m.id, m.version, m.state) for m in stage.alerts()] == [
        (alert.id, 1, "open"),
        (alert.id, 2, "closed"),
    ]


# --- when it was stated


def test_every_statement_says_when_it_was_made(spool: Spool) -> None:
    now = [T0 + 1.0]
    incidents = Incidents(
        "a", Recorder(spool), lambda: Seen(1, synthetic=False), clock=lambda: now[0]
    )
    incidents.begin(CAMERA_DOWN, Code.UNREACHABLE, T0, T0 + 1)
    now[0] = T0 + 50.25
    incidents.end(CAMERA_DOWN, T0 + 50, "it is back")
    found = [decode(each.body) for each in spool.unsent(10)]
    assert [(m.version, m.detected_ts) for m in found if isinstance(m, AlertMessage)] == [
        (1, T0 + 1.0),
        (2, T0 + 50.25),
    ]


def test_what_an_older_version_left_is_closed_by_this_one(spool: Spool) -> None:
    """A reader of the older schema knows no time of detection."""
    left = statements.alert("old", camera="a", kind=CAMERA_DOWN, place="", schema_version=1)
    incidents = Incidents("a", Recorder(spool), lambda: Seen(1, synthetic=False), clock=lambda: T0)
    incidents.take_over([left], None)
    incidents.end(CAMERA_DOWN, T0, "it is back")
    (found,) = [decode(each.body) for each in spool.unsent(10)]
    assert isinstance(found, AlertMessage)
    assert (found.schema_version, found.version, found.detected_ts) == (2, 2, T0)
