"""A link opens a session once, a cookie keeps it, and leaving ends it: over real connections."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from structlog.testing import capture_logs

from api import sessions
from api.sessions import LINK_S, SESSION_S, new_link
from api.store import Store
from tests.api.served import Api, alert, api, sqlite_url, wait_until
from tests.api.test_door import call
from vision.errors import StoreError

NOT_OURS = ("httpx", "httpcore", "uvicorn.access")
"""Loggers of the client, and the one that 'matakota serve' keeps off."""
LINK = re.compile(r"/enter\?link=ml_[0-9a-f]{8}_[0-9a-f]{64}")


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1_769_817_600.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def served(tmp_path: Path, clock: Clock) -> Iterator[Api]:
    with Store.open(sqlite_url(tmp_path), clock=clock) as store, api(store) as running:
        yield running


@pytest.fixture
def browser(served: Api) -> Iterator[httpx.Client]:
    """A client without a key, that keeps cookies and follows nothing by itself."""
    with httpx.Client(base_url=served.client.base_url, timeout=30) as client:
        yield client


def link(served: Api) -> str:
    """Path and query of a new link."""
    address = urlsplit(new_link(served.store, "127.0.0.1", 8080))
    return f"{address.path}?{address.query}"


def enter(served: Api, browser: httpx.Client) -> None:
    assert browser.get(link(served)).status_code == 303


@pytest.mark.parametrize(
    ("host", "reached"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),  # noqa: S104
        ("::", "[::1]"),
        ("::1", "[::1]"),
        ("room.city.example", "room.city.example"),
    ],
)
def test_an_address_that_can_be_opened(served: Api, host: str, reached: str) -> None:
    address = new_link(served.store, host, 8081)
    start = f"http://{reached}:8081"
    assert address.startswith(start)
    assert LINK.fullmatch(address.removeprefix(start))


def test_a_link_opens_a_session_as_administrator(served: Api, browser: httpx.Client) -> None:
    assert browser.get("/api/v1/alerts").status_code == 401
    path = link(served)
    answer = browser.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    name, _, rest = answer.headers["set-cookie"].partition("=")
    value, *attributes = rest.split("; ")
    assert name == f"matakota_{served.client.base_url.port}"
    assert re.fullmatch(r"ms_[0-9a-f]{8}_[0-9a-f]{64}", value)
    assert sorted(a.lower() for a in attributes) == [
        "httponly", f"max-age={SESSION_S:.0f}", "path=/", "samesite=lax",
    ]  # fmt: skip
    assert browser.get("/api/v1/alerts").status_code == 200
    served.store.record([alert("known")])
    said = browser.post("/api/v1/alerts/known/acknowledge").json()
    assert said["acknowledged_by"] == "administrator"
    # in already, without a link
    again = browser.get("/enter")
    assert (again.status_code, again.headers["location"]) == (303, "/")


@pytest.mark.parametrize(
    ("scheme", "headers", "secure"),
    [
        ("http", [], False),
        ("https", [], True),
        ("http", [(b"x-forwarded-proto", b"https")], True),
        ("https", [(b"x-forwarded-proto", b"http")], True),
        ("http", [(b"x-forwarded-proto", b"http")], False),
    ],
)
def test_over_tls_the_cookie_stays_there(
    served: Api, scheme: str, headers: list[tuple[bytes, bytes]], secure: bool
) -> None:
    path, _, query = link(served).partition("?")
    sent = call(
        served.door, path, query_string=query.encode(), scheme=scheme, headers=headers,
        server=("10.0.0.1", 8443),
    )  # fmt: skip
    cookie = dict(sent[0]["headers"])[b"set-cookie"].decode()
    assert cookie.startswith("matakota_8443=ms_")
    assert ("secure" in cookie.lower()) == secure


def test_a_link_is_used_once(served: Api, browser: httpx.Client) -> None:
    path = link(served)
    assert browser.get(path).status_code == 303
    with httpx.Client(base_url=browser.base_url) as other:
        for client in (browser, other):
            refused = client.get(path)
            assert refused.status_code == 401
            assert "'matakota link' prints a new one" in refused.json()["detail"]
            assert "set-cookie" not in refused.headers


def test_a_link_is_used_in_time(served: Api, browser: httpx.Client, clock: Clock) -> None:
    first, second = link(served), link(served)
    clock.now += LINK_S - 1
    assert browser.get(first).status_code == 303
    clock.now += 1
    assert browser.get(second).status_code == 401


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("HEAD", {}),
        ("GET", {"Sec-Purpose": "prefetch"}),
        ("GET", {"Sec-Purpose": "prefetch;prerender"}),
        ("GET", {"Purpose": "prefetch"}),
        ("GET", {"X-Purpose": "preview"}),
        ("GET", {"X-Moz": "prefetch"}),
    ],
)
def test_looking_at_a_link_does_not_use_it(
    served: Api, browser: httpx.Client, method: str, headers: dict[str, str]
) -> None:
    path = link(served)
    looked = browser.request(method, path, headers=headers)
    assert looked.status_code == 503, "no success, which would be kept for the person"
    assert "set-cookie" not in looked.headers
    assert looked.headers["cache-control"] == "no-store"
    assert browser.get(path).status_code == 303


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_a_link_is_opened_and_nothing_else(served: Api, browser: httpx.Client, method: str) -> None:
    path = link(served)
    assert browser.request(method, path).status_code == 405
    assert browser.get(path).status_code == 303


def test_of_many_at_the_same_moment_one_comes_in(served: Api) -> None:
    many = 8
    for _ in range(5):
        path = link(served)
        together = threading.Barrier(many)

        def ask(path: str = path, together: threading.Barrier = together) -> int:
            with httpx.Client(base_url=served.client.base_url, timeout=30) as client:
                client.get("/healthz")
                together.wait(30)
                answer = client.get(path)
                assert ("set-cookie" in answer.headers) == (answer.status_code == 303)
                return answer.status_code

        with ThreadPoolExecutor(many) as pool:
            statuses = sorted(each.result() for each in [pool.submit(ask) for _ in range(many)])
        assert statuses == [303] + [401] * (many - 1)


def test_whoever_is_too_late_is_told_so_as_a_browser_wants_it(
    served: Api, browser: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the door saw a link that opens, and somebody else was faster
    monkeypatch.setattr(served.store.keys, "redeem", lambda *_, **__: None)
    page = browser.get(link(served), headers={"accept": "text/html"})
    assert page.status_code == 401
    assert page.headers["content-type"].startswith("text/html")
    assert int(page.headers["content-length"]) == len(page.content)
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "used already" in page.text
    assert "used already" in browser.get(link(served)).json()["detail"]


def test_a_session_ends_after_its_time(served: Api, browser: httpx.Client, clock: Clock) -> None:
    enter(served, browser)
    clock.now += SESSION_S - 1
    assert browser.get("/api/v1/cameras").status_code == 200
    clock.now += 1
    refused = browser.get("/api/v1/cameras")
    assert refused.status_code == 401
    assert "this session is unknown or over" in refused.json()["detail"]


def test_a_revoked_session_opens_nothing(
    served: Api, browser: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter(served, browser)
    (session,) = [key for key in served.store.keys.all() if key.kind == "session"]
    served.store.keys.revoke(session.id)
    wait_until(lambda: browser.get("/api/v1/cameras").status_code == 401, 30)


def test_leaving_ends_the_session_at_once(served: Api, browser: httpx.Client) -> None:
    enter(served, browser)
    cookie = dict(browser.cookies)
    left = browser.post("/leave")
    assert left.status_code == 204
    assert "Max-Age=0" in left.headers["set-cookie"]
    assert not dict(browser.cookies), "the browser forgets it"
    assert browser.get("/api/v1/cameras").status_code == 401
    ((name, value),) = cookie.items()
    kept = browser.get("/api/v1/cameras", headers={"cookie": f"{name}={value}"})
    assert kept.status_code == 401, "and whoever kept it has nothing"


def test_leaving_is_said_to_a_person(served: Api, browser: httpx.Client) -> None:
    enter(served, browser)
    page = browser.post("/leave", headers={"accept": "text/html"})
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "matakota link" in page.text
    assert browser.post("/leave").status_code == 401


def test_only_a_session_can_leave(served: Api) -> None:
    answer = served.client.post("/leave")
    assert answer.status_code == 422
    assert "'matakota keys revoke' ends a machine key" in answer.json()["detail"]
    assert served.client.get("/api/v1/cameras").status_code == 200
    assert served.client.get("/leave").status_code == 405, "a picture's address ends nothing"


def test_another_sites_page_changes_nothing(served: Api, browser: httpx.Client) -> None:
    enter(served, browser)
    for headers in (
        {"origin": "http://evil"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ):
        assert browser.post("/leave", headers=headers).status_code == 403
    own = f"http://127.0.0.1:{browser.base_url.port}"
    headers = {"origin": own, "sec-fetch-site": "same-origin"}
    assert browser.post("/leave", headers=headers).status_code == 204


def test_a_stream_ends_with_its_session(served: Api, browser: httpx.Client) -> None:
    enter(served, browser)
    with browser.stream("GET", "/api/v1/alerts/stream") as stream:
        lines = stream.iter_lines()
        assert next(lines).startswith("retry")
        cookie = {"cookie": "; ".join(f"{k}={v}" for k, v in browser.cookies.items())}
        assert httpx.post(browser.base_url.join("/leave"), headers=cookie).status_code == 204
        assert not [line for line in lines if line.startswith("data")]


def test_no_secret_is_kept_or_logged(
    served: Api, browser: httpx.Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = link(served)
    with capture_logs() as logged, caplog.at_level(0):
        browser.get(path)
        browser.get(path)
        browser.get(f"/none{path}")
        session = next(iter(browser.cookies.values()))
        browser.post("/leave")
    secrets = [text.rpartition("_")[2] for text in (path, session)]
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    ours = [
        record.getMessage() for record in caplog.records if not record.name.startswith(NOT_OURS)
    ]
    for secret in secrets:
        assert len(secret) == 64
        assert secret.encode() not in kept
        assert secret not in f"{logged}{ours}"


def test_a_store_that_is_gone_uses_no_link(
    served: Api, browser: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise StoreError("the database is gone")

    path = link(served)
    with monkeypatch.context() as patch:
        patch.setattr(served.store.keys, "redeem", gone)
        answer = browser.get(path)
        assert (answer.status_code, answer.json()["detail"]) == (503, "the database is gone")
    assert browser.get(path).status_code == 303


def test_names_are_as_documented() -> None:
    assert sessions.ADMINISTRATOR == "administrator"
    assert (LINK_S, SESSION_S) == (3600, 7 * 24 * 3600)
