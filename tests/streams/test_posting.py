"""Posting an alert: what is sent, what counts as stored, and what a server may not do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from streams.apiclient import MAX_ANSWER_BYTES
from streams.posting import Poster
from tests.streams.apis import KEY, StubApi, dripping, stub_api
from tests.streams.servers import free_port
from tests.streams.statements import alert
from vision.errors import ConfigError, PostingError, PostRefusedError


@pytest.fixture
def api() -> Iterator[StubApi]:
    with stub_api() as found:
        yield found


def post(api: StubApi, message: Any = None, **times: float) -> None:
    with closing(Poster(api.url, KEY, **times)) as poster:
        poster.post(message or alert(1), 1_700_000_001.25)


def test_what_is_sent(api: StubApi) -> None:
    message = alert(7, version=3, track_ids=(4, 9), detected_ts=1_700_000_001.0)
    post(api, message)
    assert api.paths == ["/api/v1/alerts"]
    assert api.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert api.headers[0]["Content-Type"] == "application/json"
    assert api.sent == [
        {
            "id": "a7",
            "version": 3,
            "camera": "cam1",
            "kind": "intrusion",
            "rule": "no entry",
            "place": "yard",
            "severity": "high",
            "state": "open",
            "start": "2023-11-14T22:13:20+00:00",
            "raised": "2023-11-14T22:13:20.500000+00:00",
            "end": None,
            "track_ids": [4, 9],
            "score": 0.5,
            "details": {"why": "somebody → inside"},
            "revision": 1,
            "synthetic": False,
            "detected": "2023-11-14T22:13:21+00:00",
            "spooled": "2023-11-14T22:13:21.250000+00:00",
        }
    ]


def test_a_closed_one_has_an_end_and_an_odd_one_has_its_times_in_order(api: StubApi) -> None:
    post(api, alert(1, version=2, state="closed"))
    post(api, alert(2, state="closed", end_ts=None, raised_ts=1.0))
    first, odd = api.sent
    assert (first["state"], first["end"]) == ("closed", "2023-11-14T22:13:29+00:00")
    assert odd["start"] == odd["raised"] == odd["end"]
    assert odd["detected"] is None


@pytest.mark.parametrize("status", [200, 201])
def test_stored(api: StubApi, status: int) -> None:
    api.status = status
    post(api)
    api.body = json.dumps({"id": "a1", "version": 5}).encode()
    post(api)


@pytest.mark.parametrize("status", [404, 413, 422])
def test_refused_is_about_this_alert(api: StubApi, status: int) -> None:
    api.status = status
    with pytest.raises(PostRefusedError, match=f"status {status}"):
        post(api)


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (401, "refuses the key .*keys create NAME --worker"),
        (403, "refuses the key"),
        (503, "takes no alert now"),
        (500, "takes no alert now"),
        (429, "takes no alert now"),
        (204, "takes no alert now"),
        (302, "sends us elsewhere"),
        (308, "sends us elsewhere"),
    ],
)
def test_none_is_taken(api: StubApi, status: int, why: str) -> None:
    api.status = status
    with pytest.raises(PostingError, match=why) as failure:
        post(api)
    assert not isinstance(failure.value, PostRefusedError)
    assert api.paths == ["/api/v1/alerts"], "no redirect is followed"
    assert KEY not in str(failure.value)


@pytest.mark.parametrize(
    "body", [b"", b"welcome", b"[]", b'{"id": "a2", "version": 1}', b'{"id": "a1"}', b"[" * 5000]
)
def test_another_servers_yes_is_none(api: StubApi, body: bytes) -> None:
    api.body = body
    with pytest.raises(PostingError, match="is no Matakota"):
        post(api)


def test_an_older_version_is_not_what_was_sent(api: StubApi) -> None:
    api.body = json.dumps({"id": "a1", "version": 1}).encode()
    with pytest.raises(PostingError, match="is no Matakota"):
        post(api, alert(1, version=2))


def test_an_answer_without_end(api: StubApi) -> None:
    api.body = b"x" * (MAX_ANSWER_BYTES + 1)
    with pytest.raises(PostingError, match="without end"):
        post(api)


def test_no_answer(api: StubApi) -> None:
    api.hangs.set()
    with pytest.raises(PostingError, match=r"does not answer \(TimeoutError\)"):
        post(api, answer_s=0.2)
    gone = f"http://127.0.0.1:{free_port()}"
    with (
        closing(Poster(gone, KEY)) as poster,
        pytest.raises(PostingError, match=r"does not answer \(ConnectError\)"),
    ):
        poster.post(alert(1), None)


def test_an_answer_that_comes_in_drops() -> None:
    """Each byte in time, and never the end, of the headers or of the body."""
    for head in (b"HTTP/1.1 201 ", b"HTTP/1.1 201 Created\r\nContent-Length: 99999\r\n\r\n"):
        with (
            dripping(head) as url,
            closing(Poster(url, KEY, answer_s=0.3)) as poster,
            pytest.raises(PostingError, match=r"does not answer \(TimeoutError\)"),
        ):
            poster.post(alert(1), None)


def test_no_proxy_of_the_environment_is_used(api: StubApi, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    post(api)
    assert len(api.stored) == 1


@pytest.mark.parametrize(
    "url",
    [
        "", "room.example", "ftp://room.example", "https://", "https://user:geheim@room.example",
        "https://room.example?x=1", "https://room.example#x", "https://room.example:0",
        "https://room.example:x", "https://ro om", "https://rööm.example",
        f"https://{'a' * 64}.example",
    ],
)  # fmt: skip
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(ConfigError, match="MATAKOTA_API_URL is no address") as failure:
        Poster(url, KEY)
    assert "geheim" not in str(failure.value)


@pytest.mark.parametrize("host", ["room.example", "10.0.0.5", "localhost.example", "[fd00::1]"])
def test_a_key_is_not_sent_in_clear_to_another_machine(host: str) -> None:
    with pytest.raises(ConfigError, match="could be read on its way"):
        Poster(f"http://{host}:8080", KEY)
    Poster(f"https://{host}:8080/city/", KEY)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_this_machine_may_be_asked_in_clear(host: str) -> None:
    found = Poster(f"http://{host}:8080/city/", KEY)
    assert found.url == f"http://{host}:8080/city/api/v1/alerts"
    assert repr(found) == f"Poster({found.url})"


@pytest.mark.parametrize("key", ["clé", "a\nb", "a b"])
def test_a_key_that_cannot_be_sent(key: str) -> None:
    with pytest.raises(ConfigError, match="MATAKOTA_API_KEY") as failure:
        Poster("https://room.example", key)
    assert key not in str(failure.value)
