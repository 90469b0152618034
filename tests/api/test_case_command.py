"""``matakota alerts case`` and ``matakota cases run``: an alert saved in one step is a case that
fails until the threshold is changed."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog

import streams.keeper
import streams.replaying
from api.cli import clips, run
from api.evidence.masks import MASK_S, MORE_S
from api.store import Store
from streams.bus import RedisBus, RedisControl
from streams.citydocument import yaml_of
from streams.commands import Given
from streams.messages import encode
from streams.replaycase import CLIP, cases_in, run_case
from tests.api.answering import answering
from tests.api.served import TESTER, report, sqlite_url
from tests.streams.keeping import YARD, alert_of, keep, kept, obeying, stays, told
from tests.streams.workers import camera, city
from tests.vision.rules.scenarios import T0
from tests.waiting import PATIENCE_S
from vision.types import JsonValue

Command = Callable[..., tuple[int, str, str]]
KEY = "mk_12345678_" + "0" * 64


@pytest.fixture
def ids(
    tmp_path: Path, valkey: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, list[str]]]:
    """The alerts of a city whose worker runs, by what they were closed as."""
    monkeypatch.setattr(streams.keeper, "FREE_BYTES", 0)
    monkeypatch.setattr(streams.replaying, "REST_AFTER_S", 9.0)
    monkeypatch.setenv("MATAKOTA_DATA", str(tmp_path))
    monkeypatch.setenv("MATAKOTA_DATABASE_URL", sqlite_url(tmp_path))
    monkeypatch.setenv("MATAKOTA_REDIS_URL", valkey)
    own = camera("cam", scene=YARD)
    found: dict[str, list[str]] = {"true": [], "false": [], "": []}
    bus, control = RedisBus(valkey), RedisControl(valkey)
    bus.report("w", encode(report(time.time(), "cam")), ttl_s=PATIENCE_S)
    with kept(tmp_path) as keeper, Store.open(sqlite_url(tmp_path)) as store:
        keep(keeper, stays([1.2, 9, 1.8, 5]))
        store.configuration.apply(city(own), TESTER)
        closings = told(keeper, "in", {1})
        for place, closing in enumerate(closings):
            store.record([alert_of(closing)])
            outcome = ("false", "true", "false", "")[place]
            if outcome:
                store.cases.resolve(closing.alert, outcome, "", TESTER, edit=0, only=None)  # type: ignore[arg-type]
            found[outcome].append(closing.alert)
        others = {"gone": {"start_ts": T0 + 9000, "raised_ts": T0 + 9001, "end_ts": T0 + 9002},
                  "quiet": {"track_ids": (77,)}, "later": {"revision": 7, "rule": "off"},
                  "down": {"rule": "down", "kind": "person_down"}}  # fmt: skip
        for name, more in others.items():
            store.record([alert_of(closings[0], **{"id": name, **more})])
            store.cases.resolve(name, "false", "", TESTER, edit=0, only=None)
        with obeying(control, keeper, own):
            yield found
    bus.close()
    control.close()


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """A command in this process: exit code, standard output, standard error."""

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run([*arguments])
        return code, *capsys.readouterr()

    yield call
    structlog.reset_defaults()


def drawn(path: Path, **rule: JsonValue) -> str:
    rules: list[JsonValue] = [{"kind": "intrusion", "zone": "yard", "name": "in"} | rule]
    path.write_text(yaml_of(YARD | {"rules": rules}), "utf-8")
    return str(path)


def test_a_false_alarm_becomes_a_case_that_fails_as_long_as_nothing_changes(
    command: Command, ids: dict[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = tmp_path / "cases"
    for alert in (*ids["false"], *ids["true"]):
        code, out, err = command("alerts", "case", alert, str(cases / alert))
        assert (code, "told as intrusion of rule 'in'" in out) == (0, True), err
        assert ("it fails until the scene changes" in out) is (alert in ids["false"])
    # neither worker nor bus nor store is needed from here on
    monkeypatch.delenv("MATAKOTA_REDIS_URL")
    code, out, _ = command("cases", "run", str(cases))
    assert code == 1
    assert (out.count("FAILED: a false alarm"), out.count("holds: a true alarm")) == (2, 1)
    assert [run_case(each).holds for each in cases_in(cases)].count(True) == 1


def test_what_is_suggested_makes_the_cases_hold(
    command: Command, ids: dict[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = tmp_path / "cases"
    for alert in (*ids["false"], *ids["true"]):
        assert command("alerts", "case", alert, str(cases / alert))[0] == 0
    monkeypatch.setattr("api.cli.alerts.time", SimpleNamespace(time=lambda: T0 + 3600))
    code, out, _ = command("alerts", "suggest", "cam", "in", "--json")
    assert code == 0
    best = json.loads(out)["best"]
    assert (best["setting"], best["true_kept"], best["false_gone"]) == ("min_dwell_s", 1, 2)
    new = drawn(tmp_path / "new.yaml", **{best["setting"]: best["value"]})
    code, out, _ = command("cases", "run", str(cases), "--scene", new)
    assert (code, out.count(": holds: ")) == (0, 3)
    much = drawn(tmp_path / "much.yaml", min_dwell_s=30)
    code, out, _ = command("cases", "run", str(cases / ids["true"][0]), "--scene", much)
    assert code == 1
    assert "FAILED: a true alarm" in out
    assert "not told; told was nothing" in out


@pytest.mark.parametrize(
    ("alert", "sentence"),
    [
        ("nowhere", "there is no alert 'nowhere'"),
        ("gone", "no tracks are kept any more of the time of alert 'gone'"),
        ("quiet", "alert 'quiet' is not told of again"),
        ("later", "there is no revision 7 of the scene"),
        ("down", "rule 'down' looks at how people hold themselves"),
    ],
)
@pytest.mark.usefixtures("ids")
def test_what_cannot_be_a_case_says_why_and_writes_nothing(
    command: Command, tmp_path: Path, alert: str, sentence: str
) -> None:
    code, out, err = command("alerts", "case", alert, str(tmp_path / "case"))
    assert (code, out) == (2, "")
    assert sentence in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "case").exists()


def test_one_that_nobody_closed_is_no_case(
    command: Command, ids: dict[str, list[str]], tmp_path: Path
) -> None:
    (alert,) = ids[""]
    code, _, err = command("alerts", "case", alert, str(tmp_path / "case"))
    assert (code, "resolve it first" in err) == (2, True)


def test_what_the_worker_refuses(
    command: Command, ids: dict[str, list[str]], tmp_path: Path, valkey: str
) -> None:
    bus, control = RedisBus(valkey), RedisControl(valkey)
    bus.report("a", encode(report(time.time(), "cam", worker="a")), ttl_s=PATIENCE_S)
    for said, code in ((Given(ok=False, message="no"), 2), (Given(ok=False, busy=True), 1)):
        with answering(control, encode(said), "a"):
            got, _, _ = command("alerts", "case", ids["true"][0], str(tmp_path / "case"))
        assert got == code
    bus.close()
    control.close()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("cases", "run", "nowhere"), "name a folder of cases"),
        (("cases", "run"), "Missing argument"),
        (("alerts", "case", "a"), "Missing argument"),
    ],
)
def test_mistakes_are_one_sentence(
    command: Command, arguments: tuple[str, ...], sentence: str
) -> None:
    code, _, err = command(*arguments)
    assert (code, sentence in err) == (2, True)


# --- the clip


@contextmanager
def serving(*answers: tuple[str, int, bytes]) -> Iterator[tuple[str, list[str]]]:
    """An API that gives these answers, each once and the last of a path again and again."""
    left, asked = [*answers], list[str]()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.path} {self.headers['Authorization']}")
            mine = [each for each in left if self.path.endswith(each[0])]
            if len(mine) > 1:
                left.remove(mine[0])
            _, status, body = mine[0] if mine else ("", 404, b"{}")
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if status == 503:
                self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join(PATIENCE_S)


LISTED = json.dumps({"items": [{"form": "clip", "state": "stored", "copy": "none"}]}).encode()
NONE = json.dumps({"items": [{"form": "clip", "state": "missing"}]}).encode()


@pytest.mark.parametrize(
    ("answers", "saved"),
    [
        ([("/evidence", 200, LISTED), ("/copy", 202, b"{}"), ("/copy", 200, b"film")], b"film"),
        ([("/evidence", 200, LISTED), ("/copy", 503, b"{}"), ("/copy", 200, b"film")], b"film"),
        ([("/evidence", 200, LISTED), ("/copy", 202, b"{}")], None),
        ([("/evidence", 200, LISTED), ("/copy", 404, b"{}")], None),
        ([("/evidence", 200, NONE), ("/copy", 200, b"film")], None),
        ([("/evidence", 200, b"[]")], None),
        ([("/evidence", 403, b"{}")], None),
        ([], None),
    ],
)
def test_the_masked_clip_goes_with_it_where_there_is_one(
    command: Command, ids: dict[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    answers: list[tuple[str, int, bytes]], saved: bytes | None,
) -> None:  # fmt: skip
    assert clips.PATIENCE_S > MASK_S + MORE_S, "a worker may take as long as it is given"
    monkeypatch.setattr(clips, "AGAIN_S", 0.01)
    monkeypatch.setattr(clips, "PATIENCE_S", 1.0)
    monkeypatch.setenv("MATAKOTA_API_KEY", KEY)
    (alert,) = ids["true"]
    with serving(*answers) as (url, asked):
        monkeypatch.setenv("MATAKOTA_API_URL", url)
        code, out, err = command("alerts", "case", alert, str(tmp_path / "case"))
    assert code == 0
    assert asked[0] == f"/api/v1/alerts/{alert}/evidence Bearer {KEY}"
    clip = tmp_path / "case" / CLIP
    assert (clip.read_bytes() if clip.exists() else None) == saved
    assert ("with its clip" in out) is (saved is not None)
    assert KEY not in out + err


def test_an_api_that_is_away_or_elsewhere(
    command: Command, ids: dict[str, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MATAKOTA_API_KEY", KEY)
    monkeypatch.setenv("MATAKOTA_API_URL", "http://127.0.0.1:9")
    assert command("alerts", "case", ids["true"][0], str(tmp_path / "case"))[0] == 0
    assert not (tmp_path / "case" / CLIP).exists()
    monkeypatch.setenv("MATAKOTA_API_URL", "http://10.0.0.9")
    code, _, err = command("alerts", "case", ids["true"][0], str(tmp_path / "other"))
    assert (code, "could be read on its way" in err) == (2, True)


def test_the_folder_has_to_be_new(
    command: Command, ids: dict[str, list[str]], tmp_path: Path
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    code, _, err = command("alerts", "case", ids["true"][0], str(tmp_path / "full"))
    assert (code, "is not empty" in err) == (2, True)
