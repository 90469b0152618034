"""A link opens a session once, a cookie keeps it, and leaving ends it: over real connections."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from structlog.testing import capture_logs

from api.access import Role
from api.auth import form_token
from api.links import LINK_S, base_address, new_link
from api.sessions import DEVICE_S, SESSION_S
from api.store import Rights, Store
from api.store.audit import Wanted
from tests.api.logins import Clock
from tests.api.served import DAY, TESTER, Api, add_user, alert, api, sqlite_url, wait_until
from tests.api.test_door import call
from vision.errors import StoreError

NOT_OURS = ("httpx", "httpcore", "uvicorn.access")
"""Loggers of the client, and the one that 'matakota serve' keeps off."""
LINK = re.compile(r"/enter\?link=ml_[0-9a-f]{8}_[0-9a-f]{64}")


@pytest.fixture
def clock() -> Clock:
    return Clock(DAY)


@pytest.fixture
def served(tmp_path: Path, clock: Clock) -> Iterator[Api]:
    with Store.open(sqlite_url(tmp_path), clock=clock) as store, api(store) as running:
        yield running


@pytest.fixture
def browser(served: Api) -> Iterator[httpx.Client]:
    """A client without a key, that keeps cookies and follows nothing by itself."""
    with httpx.Client(base_url=served.client.base_url, timeout=30) as client:
        yield client


@pytest.fixture
def user(served: Api) -> int:
    return add_user(served.store, "kendali")


def link(served: Api) -> str:
    """Path and query of a new link of this user."""
    found = served.store.people.named("kendali")
    user = add_user(served.store, "kendali") if found is None else found.id
    address = urlsplit(new_link(served.store, "http://127.0.0.1:8080", user))
    return f"{address.path}?{address.query}"


def cookies(answer: httpx.Response) -> dict[str, tuple[str, list[str]]]:
    """What an answer has the browser keep: by name, the value and how."""
    found = {}
    for each in answer.headers.get_list("set-cookie"):
        pair, *attributes = each.split("; ")
        name, _, value = pair.partition("=")
        found[name] = (value, sorted(attribute.lower() for attribute in attributes))
    return found


def post(browser: httpx.Client, path: str, **headers: str) -> httpx.Response:
    """Change something, as a page of the server does."""
    session = browser.cookies.get(f"matakota_{browser.base_url.port}") or ""
    given = {"origin": str(browser.base_url).rstrip("/"), "x-csrf-token": form_token(session)}
    return browser.post(path, headers=given | headers)


def enter(served: Api, browser: httpx.Client) -> None:
    assert browser.get(link(served)).status_code == 303


def session_of(browser: httpx.Client) -> str:
    """The session that the browser keeps."""
    return browser.cookies[f"matakota_{browser.base_url.port}"]


@pytest.mark.parametrize(
    ("host", "tls", "reached"),
    [
        ("127.0.0.1", False, "http://127.0.0.1:8081"),
        ("0.0.0.0", False, "http://127.0.0.1:8081"),  # noqa: S104
        ("::", False, "http://[::1]:8081"),
        ("::1", False, "http://[::1]:8081"),
        ("room.city.example", True, "https://room.city.example:8081"),
    ],
)
def test_an_address_that_can_be_opened(
    served: Api, user: int, host: str, tls: bool, reached: str
) -> None:
    address = new_link(served.store, base_address(host, 8081, tls=tls), user)
    assert address.startswith(reached)
    assert LINK.fullmatch(address.removeprefix(reached))


def test_a_link_opens_a_session_of_its_user(served: Api, browser: httpx.Client) -> None:
    assert browser.get("/api/v1/alerts").status_code == 401
    path = link(served)
    answer = browser.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    kept = cookies(answer)
    port = served.client.base_url.port
    assert set(kept) == {f"matakota_{port}", f"matakota_{port}_device"}
    value, how = kept[f"matakota_{port}"]
    assert re.fullmatch(r"ms_[0-9a-f]{8}_[0-9a-f]{64}", value)
    assert how == ["httponly", f"max-age={SESSION_S:.0f}", "path=/", "samesite=lax"]
    value, how = kept[f"matakota_{port}_device"]
    assert re.fullmatch(r"md_[0-9a-f]{8}_[0-9a-f]{64}", value)
    assert how == ["httponly", f"max-age={DEVICE_S:.0f}", "path=/", "samesite=lax"]
    assert browser.get("/api/v1/alerts").status_code == 200
    served.store.record([alert("known")])
    said = post(browser, "/api/v1/alerts/known/acknowledge").json()
    assert said["acknowledged_by"] == "kendali"
    # in already, without a link
    again = browser.get("/enter")
    assert (again.status_code, again.headers["location"]) == (303, "/")


def test_a_device_opens_nothing(served: Api, browser: httpx.Client) -> None:
    enter(served, browser)
    port = browser.base_url.port
    device = browser.cookies[f"matakota_{port}_device"]
    for presented in (
        {"cookie": f"matakota_{port}={device}"},
        {"cookie": f"matakota_{port}_device={device}"},
        {"cookie": f"matakota_{port}={device.replace('md_', 'ms_')}"},
        {"authorization": f"Bearer {device}"},
        {"authorization": f"Bearer {device.replace('md_', 'mk_')}"},
    ):
        with httpx.Client(base_url=browser.base_url, headers=presented) as other:
            assert other.get("/api/v1/cameras").status_code == 401
            assert other.get(f"/enter?link={device}").status_code == 401
            assert other.get(f"/enter?link={device.replace('md_', 'ml_')}").status_code == 401


def test_the_session_that_a_browser_has_ends_with_the_next_one(
    served: Api, browser: httpx.Client
) -> None:
    enter(served, browser)
    before = {"cookie": f"matakota_{browser.base_url.port}={session_of(browser)}"}
    enter(served, browser)
    with httpx.Client(base_url=browser.base_url, headers=before) as other:
        assert other.get("/api/v1/cameras").status_code == 401
    assert browser.get("/api/v1/cameras").status_code == 200
    (ended,) = served.store.audit.find(Wanted(action="session.ended"), limit=9).entries
    assert (ended.actor_kind, ended.actor) == ("user", "kendali")


def test_a_link_of_somebody_who_is_disabled_opens_nothing(
    served: Api, browser: httpx.Client, user: int
) -> None:
    add_user(served.store, "petugas")
    path = link(served)
    served.store.people.change(user, Rights(Role.VIEWER, disabled=True), TESTER)
    assert browser.get(path).status_code == 401
    assert not dict(browser.cookies)


def come(served: Api, scheme: str, *headers: tuple[bytes, bytes]) -> list[Any]:
    path, _, query = link(served).partition("?")
    return call(
        served.door, path, query_string=query.encode(), scheme=scheme, headers=list(headers),
        server=("127.0.0.1", 8443),
    )  # fmt: skip


@pytest.mark.parametrize(("scheme", "forwarded"), [("http", b"https"), ("https", b"http")])
def test_a_proxy_that_nobody_named_brings_nobody_in(
    served: Api, scheme: str, forwarded: bytes
) -> None:
    sent = come(served, scheme, (b"x-forwarded-proto", forwarded))
    assert sent[0]["status"] == 403
    assert not [name for name, _ in sent[0]["headers"] if name == b"set-cookie"]


@pytest.mark.parametrize(("scheme", "secure"), [("http", False), ("https", True)])
def test_over_tls_the_cookies_stay_there(served: Api, scheme: str, secure: bool) -> None:
    sent = come(served, scheme)
    kept = [value.decode() for name, value in sent[0]["headers"] if name == b"set-cookie"]
    start = "__Host-matakota_8443" if secure else "matakota_8443"
    assert [each.split("=")[0] for each in kept] == [start, f"{start}_device"]
    assert all(("secure" in each.lower()) == secure for each in kept)


def test_a_link_is_used_once(served: Api, browser: httpx.Client) -> None:
    path = link(served)
    assert browser.get(path).status_code == 303
    with httpx.Client(base_url=browser.base_url) as other:
        for client in (browser, other):
            refused = client.get(path)
            assert refused.status_code == 401
            assert "run 'matakota link'" in refused.json()["detail"]
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


@pytest.mark.parametrize(
    ("method", "status"), [("POST", 303), ("PUT", 405), ("DELETE", 405), ("OPTIONS", 405)]
)
def test_a_link_is_opened_and_nothing_else(
    served: Api, browser: httpx.Client, method: str, status: int
) -> None:
    path = link(served)
    own = {"origin": str(browser.base_url).rstrip("/")}
    assert browser.request(method, path).status_code == 403
    sent = own | {"x-csrf-token": form_token(path.partition("=")[2])}
    assert browser.request(method, path, headers=sent).status_code == status
    assert not dict(browser.cookies)
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
    page = browser.get(link(served), headers={"accept": "text/html", "accept-language": "en"})
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
    served.store.keys.revoke(session.id, TESTER)
    wait_until(lambda: browser.get("/api/v1/cameras").status_code == 401, 30)


def test_leaving_ends_the_session_at_once(served: Api, browser: httpx.Client) -> None:
    enter(served, browser)
    port, before = browser.base_url.port, session_of(browser)
    left = post(browser, "/leave")
    assert left.status_code == 204
    value, how = cookies(left)[f"matakota_{port}"]
    assert "max-age=0" in how
    assert before not in value
    assert list(dict(browser.cookies)) == [f"matakota_{port}_device"], "the browser forgets it"
    assert browser.get("/api/v1/cameras").status_code == 401
    kept = browser.get("/api/v1/cameras", headers={"cookie": f"matakota_{port}={before}"})
    assert kept.status_code == 401, "and whoever kept it has nothing"


def test_leaving_is_said_to_a_person(served: Api, browser: httpx.Client) -> None:
    enter(served, browser)
    left = post(browser, "/leave", accept="text/html")
    assert (left.status_code, left.headers["location"]) == (303, "/login")
    assert post(browser, "/leave").status_code == 401


def test_only_a_session_can_leave(served: Api) -> None:
    assert served.client.post("/leave").status_code == 403
    assert served.client.get("/api/v1/cameras").status_code == 200
    assert served.client.get("/leave").status_code == 405, "a picture's address ends nothing"


def test_another_sites_page_changes_nothing(served: Api, browser: httpx.Client) -> None:
    enter(served, browser)
    for headers in (
        {"origin": "http://evil"},
        {"origin": "null"},
        {"x-csrf-token": "0" * 64},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ):
        assert post(browser, "/leave", **headers).status_code == 403
    own = {"origin": str(browser.base_url).rstrip("/")}
    assert browser.post("/leave", headers=own).status_code == 403, "without the token"
    assert post(browser, "/leave", **{"sec-fetch-site": "same-origin"}).status_code == 204


def test_a_stream_ends_with_its_session(served: Api, browser: httpx.Client) -> None:
    enter(served, browser)
    with (
        httpx.Client(base_url=browser.base_url, cookies=dict(browser.cookies)) as window,
        browser.stream("GET", "/api/v1/alerts/stream") as stream,
    ):
        lines = stream.iter_lines()
        assert next(lines).startswith("retry")
        assert post(window, "/leave").status_code == 204
        assert not [line for line in lines if line.startswith("data")]


def test_no_secret_is_kept_or_logged(
    served: Api, browser: httpx.Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = link(served)
    with capture_logs() as logged, caplog.at_level(0):
        browser.get(path)
        browser.get(path)
        browser.get(f"/none{path}")
        kept_by_browser = dict(browser.cookies)
        assert post(browser, "/leave").status_code == 204
    assert len(kept_by_browser) == 2
    secrets = [text.rpartition("_")[2] for text in (path, *kept_by_browser.values())]
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
    assert (LINK_S, SESSION_S, DEVICE_S) == (3600, 7 * 24 * 3600, 90 * 24 * 3600)
