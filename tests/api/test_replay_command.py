"""``matakota cameras replay``: what a worker kept, through the rules of a scene."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import structlog

import api.cli.replaying as module
from api.cli import run
from api.cli.replaying import _time
from streams.bus import RedisBus, RedisControl
from streams.commands import NotReplayed, Replay, Replayed, ReplayedEvent, decode_command
from streams.config import WITA
from streams.messages import encode
from streams.valkey import EmbeddedValkey, running_url
from tests.api.served import report
from tests.waiting import PATIENCE_S

TS = 1_769_817_600.0
EVENT = ReplayedEvent(
    id="abc", kind="intrusion", rule="intrusion@yard", place="yard", start_ts=TS + 60,
    raised_ts=TS + 62, end_ts=None, track_ids=(4, 7), score=0.5, severity="medium",
)  # fmt: skip
FOUND = Replayed(
    ok=True, events=(EVENT,), pictures=300, first_ts=TS, last_ts=TS + 60, damaged=2,
    left_out=(NotReplayed(rule="fall", kind="person_down", why="looks at poses"),),
)  # fmt: skip
SCENE = "frame_size: [640, 360]\nclasses: [person]\n"
ASKED = ("--from", "2026-01-31T08:00", "--to", "2026-01-31T09:00")

Called = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(
    tmp_path: Path, valkey: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Called]:
    """The command in this process: exit code, standard output, standard error."""
    monkeypatch.setenv("MATAKOTA_DATA", str(tmp_path))
    monkeypatch.setenv("MATAKOTA_REDIS_URL", valkey)
    monkeypatch.setattr(module, "MORE_S", 1.0)

    def called(*arguments: str) -> tuple[int, str, str]:
        code = run(["cameras", "replay", *arguments])
        return code, *capsys.readouterr()

    yield called
    structlog.reset_defaults()


@contextmanager
def answering(valkey: str, said: Replayed) -> Iterator[list[Replay]]:
    """A worker ``w`` that has camera ``plaza`` and answers so; what it was asked."""
    bus, control = RedisBus(valkey), RedisControl(valkey)
    bus.report("w", encode(report(TS, "plaza")), ttl_s=PATIENCE_S)
    asked: list[Replay] = []

    def work() -> None:
        for command in control.take("w", wait_s=PATIENCE_S):
            wanted = decode_command(command.body)
            assert isinstance(wanted, Replay)
            asked.append(wanted)
            control.answer(command.id, encode(said))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield asked
    finally:
        thread.join(PATIENCE_S)
        bus.close()
        control.close()


def test_events_as_a_table(call: Called, valkey: str) -> None:
    with answering(valkey, FOUND) as asked:
        code, out, err = call("plaza", *ASKED)
    assert (code, err) == (0, "")
    head, row, *rest = out.splitlines()
    assert head.split() == [*module.HEAD]
    assert [cell.strip() for cell in row.split("  ") if cell.strip()] == [
        "2026-01-31 08:01:02", "intrusion", "intrusion@yard", "yard", "2026-01-31 08:01:00", "-",
        "medium", "0.50", "4,7", "abc",
    ]  # fmt: skip
    assert rest == [
        "1 events in 300 pictures from 2026-01-31 08:00:00 to 2026-01-31 08:01:00",
        "2 damaged parts were skipped",
        "not replayed: fall (person_down) looks at poses",
    ]
    (wanted,) = asked
    assert (wanted.from_ts, wanted.to_ts, wanted.scene) == (TS, TS + 3600, None)


def test_events_as_json(call: Called, valkey: str) -> None:
    with answering(valkey, FOUND):
        code, out, _ = call("plaza", *ASKED, "--json")
    event, summary = map(json.loads, out.splitlines())
    assert code == 0
    assert (event["type"], event["id"], event["track_ids"]) == ("event", "abc", [4, 7])
    assert (summary["type"], summary["events"], summary["damaged"]) == ("summary", 1, 2)
    assert summary["left_out"][0]["kind"] == "person_down"


def test_another_scene_is_sent(call: Called, valkey: str, tmp_path: Path) -> None:
    (tmp_path / "scene.yaml").write_text(SCENE, "utf-8")
    with answering(valkey, Replayed(ok=True)) as asked:
        code, out, _ = call("plaza", *ASKED, "--scene", str(tmp_path / "scene.yaml"))
    assert (code, out) == (0, "no tracks are kept of that time\n")
    assert asked[0].scene == {"frame_size": [640, 360], "classes": ["person"]}


def test_one_that_did_not_come_to_the_end(call: Called, valkey: str) -> None:
    cut = FOUND.model_copy(update={"reached_ts": TS + 60, "more": 9})
    with answering(valkey, cut):
        code, out, _ = call("plaza", *ASKED)
    assert code == 1
    assert "stopped at 2026-01-31 08:01:00" in out
    assert "9 later events are not shown" in out


@pytest.mark.parametrize(
    ("said", "code", "sentence"),
    [
        (Replayed(ok=False, message="the scene is wrong"), 2, "the scene is wrong"),
        (Replayed(ok=False, message="try again", busy=True), 1, "try again"),
    ],
)
def test_what_the_worker_refuses(
    call: Called, valkey: str, said: Replayed, code: int, sentence: str
) -> None:
    with answering(valkey, said):
        assert call("plaza", *ASKED) == (code, "", f"matakota: {sentence}\n")


def test_a_worker_that_says_nothing(call: Called, valkey: str) -> None:
    bus = RedisBus(valkey)
    bus.report("w", encode(report(TS, "plaza")), ttl_s=PATIENCE_S)
    bus.close()
    code, _, err = call("plaza", *ASKED, "--timeout", "1")
    assert code == 1
    assert "worker w did not answer" in err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("gone", *ASKED), "no worker has a camera 'gone': no worker runs"),
        (("plaza", "--from", "monday", "--to", "2026-01-31T09:00"), "--from 'monday' is no time"),
        (("plaza", "--from", "2026-01-31T08:00", "--to", "2026-13-31T09"), "is no time"),
        (("plaza", "--from", "2026-01-31T09:00", "--to", "2026-01-31T09:00"), "not after --from"),
        (("plaza", "--from", "2026-01-30T08:00", "--to", "2026-01-31T09:00"), "up to 24 hours"),
        (("", *ASKED), "camera cannot be replayed"),
        (("plaza", *ASKED, "--scene", "nowhere.yaml"), "nowhere.yaml"),
        (("plaza", *ASKED, "--timeout", "0"), "--timeout"),
    ],
)
def test_mistakes_are_one_sentence(call: Called, arguments: tuple[str, ...], sentence: str) -> None:
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert sentence in err


def test_times_are_the_citys_unless_they_say_otherwise() -> None:
    assert _time("--to", "2026-01-31T08:00") == _time("--to", "2026-01-31T00:00:00Z") == TS
    now = datetime.fromtimestamp(TS, WITA) + timedelta(hours=1)
    assert _time("--to", now.isoformat()) == TS + 3600


def test_the_valkey_of_up_is_found(valkey_server: EmbeddedValkey, tmp_path: Path) -> None:
    valkey_server.start()
    assert running_url(valkey_server.folder) == valkey_server.url
    assert running_url(tmp_path) is None
    (tmp_path / "socket").write_text(str(tmp_path))
    assert running_url(tmp_path) is None
