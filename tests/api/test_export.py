"""Alerts exported over a real socket and by the command: all that the caller may see, once each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import jsonschema_rs
import pytest
import structlog

from api import export as exporting
from api.access import Caller, Permission
from api.cli import run
from api.known import KnownKeys
from api.standards.alert_schema import alert_schema
from api.standards.onvif import NAMESPACES
from api.store import Store
from streams.messages import CANARY, SYSTEM_CAMERA
from tests.api.served import DAY, Api, add_key, alert, api, sqlite_url

EXPORT = "/api/v1/alerts/export"
SCHEMA = "/api/v1/alerts/schema"
MANY = 25
KNOWN = (
    *(alert(f"a{i}", start_ts=DAY + i, raised_ts=DAY + i) for i in range(MANY)),
    alert("gate", camera="gate", kind="line_crossing"),
    alert("over", 2, state="closed", start_ts=DAY - 60, end_ts=DAY, details={"é": "\u2028<&>"}),
    alert("own", camera=SYSTEM_CAMERA, kind="dead_letter"),
    alert("canary:w", camera=SYSTEM_CAMERA, kind=CANARY, synthetic=True),
)
SHOWN = [message.id for message in KNOWN if message.kind != CANARY]


@pytest.fixture(scope="module")
def shared_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """For requests that change nothing."""
    with Store.open(sqlite_url(tmp_path_factory.mktemp("export"))) as store, api(store) as running:
        store.record(KNOWN)
        yield running


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "PIECE", 4)


def export(served: Api, shape: str = "cloudevents", **query: Any) -> httpx.Response:
    return served.client.get(EXPORT, params={"format": shape} | query)


def subjects(response: httpx.Response) -> list[str]:
    assert response.status_code == 200, response.text
    return [json.loads(line)["subject"] for line in response.text.splitlines()]


@pytest.mark.usefixtures("small_pieces")
def test_every_alert_comes_once_newest_first_in_pieces(shared_api: Api) -> None:
    response = export(shared_api)
    assert response.headers["content-type"].startswith("application/x-ndjson")
    assert 'filename="matakota-cloudevents.ndjson"' in response.headers["content-disposition"]
    found = subjects(response)
    assert sorted(found) == sorted(SHOWN)
    begins = [json.loads(line)["data"]["start"] for line in response.text.splitlines()]
    assert begins == sorted(begins, reverse=True)


def test_every_alert_fits_the_schema_that_is_served(shared_api: Api) -> None:
    response = shared_api.client.get(SCHEMA)
    assert response.headers["content-type"] == "application/schema+json"
    schema = response.json()
    assert schema == alert_schema()
    validator = jsonschema_rs.validator_for(schema, validate_formats=True)
    events = [json.loads(line) for line in export(shared_api).text.splitlines()]
    assert len(events) == len(SHOWN)
    for event in events:
        assert event["dataschema"] == schema["$id"]
        validator.validate(event["data"])
    listed = shared_api.client.get("/api/v1/alerts/over").json()
    assert listed in [event["data"] for event in events]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ({"camera": "gate"}, ["gate"]),
        ({"kind": "dead_letter"}, ["own"]),
        ({"to": "2026-01-31T00:00:00Z"}, ["over"]),
        ({"from": f"2026-01-31T00:00:{MANY - 2}Z"}, [f"a{MANY - 1}", f"a{MANY - 2}"]),
        ({"from": "2026-01-31T08:00:01+08:00", "to": "2026-01-31T00:00:02Z"}, ["a1"]),
        ({"camera": "nowhere"}, []),
        ({"kind": CANARY}, []),
    ],
)
def test_only_what_is_asked_for(shared_api: Api, query: dict[str, str], ids: list[str]) -> None:
    assert subjects(export(shared_api, **query)) == ids


@pytest.mark.usefixtures("small_pieces")
def test_only_the_caller_s_cameras(shared_api: Api) -> None:
    key = add_key(
        shared_api.store, "one camera", scopes=(Permission.ALERTS_READ,), cameras=("gate",)
    )
    headers = {"authorization": f"Bearer {key}"}
    for shape in ("cloudevents", "onvif"):
        response = shared_api.client.get(EXPORT, params={"format": shape}, headers=headers)
        assert response.status_code == 200
        assert len(response.text.splitlines()) == 1
        assert "gate" in response.text


def test_onvif_says_the_same_in_json_and_xml(shared_api: Api) -> None:
    lines = [json.loads(line) for line in export(shared_api, "onvif").text.splitlines()]
    response = export(shared_api, "onvif-xml")
    assert response.headers["content-type"].startswith("application/xml")
    root = ET.fromstring(response.content)  # noqa: S314
    topics = [topic.text for topic in root.iterfind("*/wsnt:Topic", NAMESPACES)]
    assert topics == [line["Topic"] for line in lines]
    # one that is over has two messages
    assert len(lines) == len(SHOWN) + 1
    of_one = [line for line in lines if line["Key"]["mtk:AlertId"] == "over"]
    assert [line["PropertyOperation"] for line in of_one] == ["Initialized", "Deleted"]


def test_an_empty_export_is_a_whole_one(shared_api: Api) -> None:
    assert export(shared_api, "onvif", camera="nowhere").text == ""
    root = ET.fromstring(export(shared_api, "onvif-xml", camera="nowhere").content)  # noqa: S314
    assert len(root) == 0


@pytest.mark.parametrize(
    "query",
    ["", "format=csv", "format=onvif&from=now", "format=onvif&limit=1", "format=onvif&to=1"],
)
def test_what_is_wrong_is_said(shared_api: Api, query: str) -> None:
    answer = shared_api.client.get(f"{EXPORT}?{query}")
    assert answer.status_code == 422
    assert answer.json()["detail"]


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("shape", ["cloudevents", "onvif-xml"])
@pytest.mark.parametrize("left", [None, Permission.KNOWN])
def test_it_breaks_off_where_the_right_ends(
    shared_api: Api, monkeypatch: pytest.MonkeyPatch, shape: str, left: Permission | None
) -> None:
    async def renewed(_keys: KnownKeys, caller: Caller) -> Caller | None:
        return left and replace(caller, permissions=frozenset({left}))

    monkeypatch.setattr(KnownKeys, "renewed", renewed)
    with pytest.raises(httpx.RemoteProtocolError):
        export(shared_api, shape)


@pytest.mark.usefixtures("small_pieces")
def test_cameras_that_are_taken_away_meanwhile_are_left_out(
    shared_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def renewed(_keys: KnownKeys, caller: Caller) -> Caller:
        return replace(caller, cameras=frozenset({"gate"}))

    monkeypatch.setattr(KnownKeys, "renewed", renewed)
    newest = [f"a{i}" for i in range(MANY - 1, MANY - 5, -1)]
    assert subjects(export(shared_api)) == [*newest, "gate"]


Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Command]:
    """``matakota alerts`` in this process: exit code, standard output, standard error."""
    monkeypatch.setenv("MATAKOTA_DATABASE_URL", sqlite_url(tmp_path))
    monkeypatch.setattr("api.cli.alerts.PIECE", 4)
    with Store.open(sqlite_url(tmp_path)) as store:
        store.record(KNOWN)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(["alerts", *arguments])
        return code, *capsys.readouterr()

    yield call
    structlog.reset_defaults()


def test_the_command_gives_the_same(command: Command, shared_api: Api) -> None:
    code, out, said = command("export")
    assert (code, said) == (0, "")
    assert sorted(json.loads(line)["subject"] for line in out.splitlines()) == sorted(SHOWN)
    for shape in ("onvif", "onvif-xml"):
        since = "2026-01-31T00:00:20Z"
        code, out, said = command(
            "export", "--format", shape, "--from", since, "--kind", "intrusion"
        )
        assert (code, said) == (0, "")
        wanted = {"from": since, "kind": "intrusion"}
        assert out == export(shared_api, shape, **wanted).text
        assert "a20" in out


def test_the_command_prints_the_schema(command: Command) -> None:
    code, out, _said = command("schema")
    assert code == 0
    assert json.loads(out) == alert_schema()


@pytest.mark.parametrize("wrong", [("--from", "now"), ("--format", "csv")])
def test_the_command_refuses_what_is_wrong(command: Command, wrong: tuple[str, str]) -> None:
    code, out, said = command("export", *wrong)
    assert (code, out) == (2, "")
    assert wrong[0] in said
    assert said.count("\n") == 1
