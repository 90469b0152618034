"""Second opinions: they come later, lower and add words, and take nothing back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

import streams.opinions as module
import vision.policy as policy
from streams.incidents import Incidents, Seen
from streams.messages import AlertMessage, decode
from streams.opinions import (
    AROUND,
    LEAST_PX,
    MAX_WAITING,
    MAX_WORDS_CHARS,
    Opinion,
    Opinions,
    Verdict,
    advised,
    carried,
    crop_of,
    jpeg_of,
)
from streams.recorder import Recorder
from streams.spool import Spool
from tests.streams.played import config
from tests.waiting import wait_for
from vision.errors import OpinionError
from vision.policy import alert_of
from vision.types import Event, Frame, Image, JsonValue, Severity

T0 = 1_800_000_000.0
IMAGE = np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8)


def event(
    number: int = 1,
    *,
    camera: str = "a",
    kind: str = "person_down",
    end_s: float | None = None,
    severity: Severity = "high",
    **details: JsonValue,
) -> Event:
    return Event(
        id=f"e{number}",
        kind=kind,
        rule="watch",
        camera_id=camera,
        place="yard",
        start_ts=T0,
        raised_ts=T0 + 1,
        end_ts=None if end_s is None else T0 + end_s,
        track_ids=(1,),
        score=0.8,
        details={"why": "somebody lies there", **details},
        severity=severity,
    )


def frame(camera: str = "a") -> Frame:
    return Frame(camera, 0, T0 + 1, IMAGE)


@dataclass
class Adviser:
    """Says ``verdict``; waits for ``go`` before each answer; raises where there is none."""

    verdict: Verdict | None = "doubted"
    go: threading.Event = field(default_factory=threading.Event)
    asked: list[str] = field(default_factory=list)

    def ask(self, crop: Image, event: Event) -> Opinion:
        assert self.go.wait(10)
        self.asked.append(event.id)
        if self.verdict is None:
            raise OpinionError("nobody answers")
        return Opinion(self.verdict, "a mannequin", "model")


@pytest.fixture
def adviser() -> Iterator[Adviser]:
    found = Adviser()
    yield found
    found.go.set()


class Camera:
    """The incidents of one camera, and what was stated of them."""

    def __init__(self, folder: Path, opinions: Opinions | None) -> None:
        self._spool = Spool(folder / "spool.db")
        self.incidents = Incidents(
            "a", Recorder(self._spool), lambda: Seen(1, synthetic=False), opinions
        )

    def said(self) -> list[AlertMessage]:
        found = [decode(each.body) for each in self._spool.unsent(1000)]
        assert all(isinstance(message, AlertMessage) for message in found)
        return found  # type: ignore[return-value]

    def brief(self) -> list[tuple[int, str, str, bool]]:
        """Version, state, severity and whether an opinion stands there, of each statement."""
        return [(m.version, m.state, m.severity, "opinion" in m.details) for m in self.said()]


@pytest.mark.parametrize(
    ("verdict", "severity"), [("doubted", "medium"), ("confirmed", "high"), ("unsure", "high")]
)
def test_an_opinion_is_stated_when_it_comes(
    verdict: Verdict, severity: Severity, adviser: Adviser, tmp_path: Path
) -> None:
    adviser.verdict = verdict
    with Opinions(adviser) as opinions:
        camera = Camera(tmp_path, opinions)
        camera.incidents.state([event()], frame())
        # the alert waits for nobody
        assert camera.brief() == [(1, "open", "high", False)]
        adviser.go.set()
        wait_for(lambda: camera.incidents.state([]) or len(camera.said()) > 1, "an opinion")
    assert camera.brief()[1:] == [(2, "open", severity, True)]
    assert camera.said()[1].details == {
        "why": "somebody lies there",
        "opinion": {"verdict": verdict, "words": "a mannequin", "by": "model"},
    }
    # it stays, whatever is said of the incident from then on
    camera.incidents.state([event(seen_again=True)], frame())
    camera.incidents.state([event(end_s=9)], frame())
    assert camera.brief()[2:] == [(3, "open", severity, True), (4, "closed", severity, True)]
    assert adviser.asked == ["e1"], "he is asked once about an incident"


def test_an_opinion_on_what_is_over_is_stated_too(adviser: Adviser, tmp_path: Path) -> None:
    with Opinions(adviser) as opinions:
        camera = Camera(tmp_path, opinions)
        camera.incidents.state([event(), event(end_s=0.5)], frame())
        adviser.go.set()
        wait_for(lambda: camera.incidents.state([]) or len(camera.said()) > 2, "an opinion")
    assert camera.brief() == [
        (1, "open", "high", False),
        (2, "closed", "high", False),
        (3, "closed", "medium", True),
    ]
    assert camera.incidents.events == ()


def test_nothing_is_asked_of_other_kinds_or_cameras(adviser: Adviser, tmp_path: Path) -> None:
    adviser.go.set()
    with Opinions(adviser, ["person_down"]) as opinions:
        camera = Camera(tmp_path, opinions)
        assert not opinions.offer(frame(), event(kind="crowd"))
        assert opinions.offer(frame("b"), event(7, camera="b"))
        wait_for(lambda: adviser.asked == ["e7"], "a question")
        camera.incidents.state([event(kind="crowd")], frame())
        assert camera.brief() == [(1, "open", "high", False)]
        wait_for(lambda: opinions.take("b"), "an opinion")
        assert opinions.take("b") == [], "each opinion is heard once"


def test_who_does_not_answer_changes_nothing(adviser: Adviser, tmp_path: Path) -> None:
    adviser.verdict = None
    adviser.go.set()
    with Opinions(adviser) as opinions:
        camera = Camera(tmp_path, opinions)
        camera.incidents.state([event()], frame())
        wait_for(lambda: adviser.asked == ["e1"], "a question")
        adviser.verdict = "confirmed"
        camera.incidents.state([event(2)], frame())
        wait_for(lambda: camera.incidents.state([]) or len(camera.said()) > 2, "an opinion")
        assert opinions.alive
    assert [(m.id, m.version) for m in camera.said()] == [("e1", 1), ("e2", 1), ("e2", 2)]


def test_of_too_many_questions_the_newest_are_asked(adviser: Adviser) -> None:
    with Opinions(adviser) as opinions:
        opinions.offer(frame(), event(0))
        # the first one is being asked when the others come
        wait_for(lambda: not opinions._waiting, "that it is taken up")
        for number in range(1, 2 * MAX_WAITING + 1):
            opinions.offer(frame(), event(number))
        adviser.go.set()
        wait_for(lambda: len(adviser.asked) == MAX_WAITING + 1, "all questions")
    newest = range(MAX_WAITING + 1, 2 * MAX_WAITING + 1)
    assert adviser.asked == ["e0", *(f"e{number}" for number in newest)]


def test_an_old_question_is_not_asked(adviser: Adviser, monkeypatch: pytest.MonkeyPatch) -> None:
    with Opinions(adviser) as opinions:
        opinions.offer(frame(), event(0))
        wait_for(lambda: not opinions._waiting, "that it is taken up")
        opinions.offer(frame(), event(1))
        monkeypatch.setattr(module, "MAX_AGE_S", -1.0)
        adviser.go.set()
        wait_for(lambda: not opinions._waiting, "that it is taken up")
        monkeypatch.undo()
        opinions.offer(frame(), event(2))
        wait_for(lambda: "e2" in adviser.asked, "a question")
    assert adviser.asked == ["e0", "e2"]


def test_an_opinion_survives_a_restart() -> None:
    message = AlertMessage.of(alert_of(event(), 1), revision=1, synthetic=False)
    known = advised(message, Opinion("doubted", "a mannequin", "model"))
    later = AlertMessage.of(alert_of(event(), 3), revision=1, synthetic=False)
    assert carried(known, later).severity == "medium"
    assert carried(known, later).details == known.details
    # what the rule goes on with holds it already, and is not lowered twice
    assert carried(known, known) == known
    assert carried(message, later) == later


def test_what_a_later_pipeline_finds_again_stays_as_low() -> None:
    message = AlertMessage.of(alert_of(event(), 1), revision=1, synthetic=False)
    known = advised(message, Opinion("doubted", "a mannequin", "model"))
    incidents = policy.Incidents([config("person_down", name="watch")])
    incidents.remember([known.event])
    for version, again in ((3, event(2)), (4, event(2, looks=9))):
        (found,) = incidents.update([again], T0 + version)
        assert found.id == known.id
        known = carried(
            known, AlertMessage.of(alert_of(found, version), revision=1, synthetic=False)
        )
        assert known.severity == "medium"


@pytest.mark.parametrize(
    ("details", "rows", "columns"),
    [
        pytest.param({"box_px": [100, 60, 200, 160]}, (10, 200), (50, 250), id="around"),
        pytest.param({"members_px": [0, 0, 300, 200]}, (0, 200), (0, 300), id="many"),
        pytest.param({"box_px": [150, 100, 154, 104]}, (54, 150), (104, 200), id="small"),
        pytest.param({}, (0, 200), (0, 300), id="no place"),
        pytest.param({"box_px": [900, 900, 950, 950]}, (0, 200), (0, 300), id="beyond"),
    ],
)
def test_what_is_shown(
    details: dict[str, JsonValue], rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    crop = crop_of(IMAGE, event(**details))
    assert np.array_equal(crop, IMAGE[slice(*rows), slice(*columns)])
    assert not np.shares_memory(crop, IMAGE), "the picture is used again"
    assert (AROUND, LEAST_PX) == (0.5, 96)


def test_places_are_those_of_the_picture_that_was_drawn_on(
    adviser: Adviser, tmp_path: Path
) -> None:
    where: dict[str, JsonValue] = {"box_px": [200, 240, 400, 640]}
    # the scene is drawn on 600x800, the stream has 300x200
    crop = crop_of(IMAGE, event(**where), (600, 800))
    assert np.array_equal(crop, IMAGE[10:200, 50:250])
    with Opinions(adviser) as opinions:
        camera = Camera(tmp_path, opinions)
        camera.incidents.state([event(0)], frame())
        wait_for(lambda: not opinions._waiting, "that it is taken up")
        camera.incidents.state([event(**where)], frame(), (600, 800))
        (question,) = opinions._waiting
        assert np.array_equal(question.crop, crop)
        adviser.go.set()


def test_a_large_picture_is_made_smaller() -> None:
    large = np.zeros((2160, 3840, 3), np.uint8)
    assert crop_of(large, event()).shape == (360, 640, 3)
    assert crop_of(large, event(box_px=[0, 0, 3840, 10])).shape == (9, 640, 3)
    assert len(jpeg_of(IMAGE, 30)) < len(jpeg_of(IMAGE, 300)) / 10


def test_words_are_bounded() -> None:
    with pytest.raises(ValueError, match="words"):
        Opinion("unsure", "x" * (MAX_WORDS_CHARS + 1), "model")
