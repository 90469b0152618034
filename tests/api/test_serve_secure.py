"""``matakota serve`` over HTTPS, and behind a proxy that speaks it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import structlog
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from api.auth import form_token
from api.cli import run
from api.links import new_link
from api.store import Store
from tests.api.certificates import make, trusting
from tests.api.relay import relaying
from tests.api.served import add_key, add_session, add_user, sqlite_url
from tests.api.test_serve_command import NOBODY, Server, serve

HTTPS = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
PUBLIC = "https://room.example"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - a text


@dataclass
class Secure:
    server: Server
    certificate: Path
    store: Store
    user: int

    @property
    def port(self) -> int:
        return httpx.URL(self.server.address).port or 0


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    folder = tmp_path_factory.mktemp("secure")
    certificate, key = make(folder)
    with Store.open(sqlite_url(folder)) as store:
        user = add_user(store)
        options = ["--tls-cert", certificate.name, "--tls-key", str(key)]
        with serve(folder, NOBODY, *options) as server:
            yield Secure(server, certificate, store, user)


@contextmanager
def browser(secure: Secure) -> Iterator[httpx.Client]:
    trust = trusting(secure.certificate)
    with httpx.Client(base_url=secure.server.address, verify=trust, timeout=30) as client:
        yield client


def cookie_of(answer: httpx.Response, name: str) -> str:
    (found,) = (c for c in answer.headers.get_list("set-cookie") if c.startswith(f"{name}="))
    return found


def test_a_session_over_https(secure: Secure) -> None:
    assert secure.server.address.startswith("https://127.0.0.1:")
    name = f"__Host-matakota_{secure.port}"
    with browser(secure) as client:
        answer = client.get(new_link(secure.store, secure.server.address, secure.user))
        assert answer.status_code == 303
        words = [word.strip() for word in cookie_of(answer, name).split(";")]
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=lax"} <= set(words)
        assert not [word for word in words if word.lower().startswith("domain")]
        for path in ("/room/", "/healthz", "/none"):
            said = client.get(path).headers["strict-transport-security"]
            assert said == "max-age=31536000"
        session = client.cookies[name]
        headers = {"Origin": secure.server.address, "X-CSRF-Token": form_token(session)}
        plainly = headers | {"Origin": secure.server.address.replace("https", "http")}
        assert client.post("/leave", headers=plainly).status_code == 403
        assert client.post("/leave", headers=headers).status_code == 204
        assert client.get("/api/v1/me").status_code == 401


def test_a_cookie_of_plain_http_opens_nothing_over_https(secure: Secure) -> None:
    session = add_session(secure.store, secure.user)
    with browser(secure) as client:
        for name, status in (("__Host-matakota", 200), ("matakota", 401), ("__Secure-m", 401)):
            headers = {"Cookie": f"{name}_{secure.port}={session}"}
            assert client.get("/api/v1/me", headers=headers).status_code == status, name


def test_sockets_over_https(secure: Secure) -> None:
    session = add_session(secure.store, secure.user)
    held = {"Cookie": f"__Host-matakota_{secure.port}={session}"}
    url = f"wss://127.0.0.1:{secure.port}/api/v1/live"
    trust = trusting(secure.certificate)
    ours = held | {"Origin": secure.server.address}
    with connect(url, ssl=trust, additional_headers=ours, proxy=None) as connection:
        connection.ping().wait(30)
    plainly = held | {"Origin": secure.server.address.replace("https", "http")}
    for wrong in (held, plainly, ours | {"Cookie": ""}):
        with (
            pytest.raises(InvalidStatus, match="403"),
            connect(url, ssl=trust, additional_headers=wrong, proxy=None),
        ):
            pass


def test_plain_http_gets_nothing_from_it(secure: Secure) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(secure.server.address.replace("https", "http") + "/healthz")


def test_old_tls_is_not_spoken(secure: Secure) -> None:
    assert secure.certificate.exists()
    old = trusting(secure.certificate)
    old.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.options &= ~ssl.OP_NO_TLSv1_1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{secure.server.address}/healthz", verify=old)


# --- behind a proxy


@dataclass
class Behind:
    port: int
    store: Store
    user: int
    key: str

    @contextmanager
    def asked(self, headers: Mapping[str, str] = HTTPS) -> Iterator[httpx.Client]:
        """A browser of the proxy that adds these headers, and speaks TLS before it."""
        with (
            relaying(self.port, headers) as port,
            httpx.Client(
                base_url=f"http://127.0.0.1:{port}", headers={"Host": "room.example"}, timeout=30
            ) as client,
        ):
            yield client


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    folder = tmp_path_factory.mktemp("behind")
    with Store.open(sqlite_url(folder)) as store:
        user, key = add_user(store), add_key(store)
        with serve(folder, NOBODY, "--trusted-proxy", "127.0.0.1") as server:
            yield Behind(httpx.URL(server.address).port or 0, store, user, key)


def test_a_session_behind_a_proxy(behind: Behind) -> None:
    link = new_link(behind.store, "", behind.user)
    name = f"__Host-matakota_{behind.port}"
    with behind.asked() as client:
        answer = client.get(link)
        assert answer.status_code == 303
        cookie = cookie_of(answer, name)
        assert "; Secure" in cookie
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        session = cookie.partition("=")[2].partition(";")[0]
        held = {"Cookie": f"{name}={session}", "Origin": PUBLIC}
        assert client.get("/api/v1/me", headers=held).json()["name"] == "administrator"
        (kept,) = [s for s in behind.store.keys.sessions(behind.user) if s.id in session]
        assert kept.address == "203.0.113.9"
        token = {"X-CSRF-Token": form_token(session)}
        for origin in ("http://room.example", "https://other.example", "null"):
            wrong = held | token | {"Origin": origin}
            assert client.post("/leave", headers=wrong).status_code == 403
        assert client.post("/leave", headers=held | token).status_code == 204


def test_sockets_behind_a_proxy(behind: Behind) -> None:
    session = add_session(behind.store, behind.user)
    headers = {"Cookie": f"__Host-matakota_{behind.port}={session}", "Origin": PUBLIC}
    with (
        relaying(behind.port, HTTPS) as port,
        connect(
            "ws://room.example/api/v1/live",
            sock=socket.create_connection(("127.0.0.1", port)),
            additional_headers=headers,
            proxy=None,
        ) as connection,
    ):
        connection.ping().wait(30)


@pytest.mark.parametrize(
    ("added", "sent", "status"),
    [
        (HTTPS, {}, 200),
        (HTTPS, {"X-Forwarded-For": "127.0.0.1"}, 200),
        ({**HTTPS, "X-Forwarded-Proto": "http"}, {}, 403),
        ({"X-Forwarded-For": "203.0.113.9"}, {}, 403),
        # a browser that says so itself is not the proxy
        ({"X-Forwarded-For": "203.0.113.9"}, {"X-Forwarded-For": "127.0.0.1"}, 403),
        (HTTPS, {"X-Forwarded-Proto": "https"}, 403),
        # one that does not say for whom it asks is taken for this machine, unless it says as much
        ({"Forwarded": "for=203.0.113.9;proto=https"}, {}, 403),
        ({"Via": "1.1 proxy"}, {}, 403),
    ],
)
def test_what_a_proxy_has_to_say(
    behind: Behind, added: dict[str, str], sent: dict[str, str], status: int
) -> None:
    with behind.asked(added) as client:
        assert client.get("/healthz", headers=sent).status_code == status
        answer = client.get("/api/v1/me", headers={"X-Api-Key": behind.key, **sent})
        assert answer.status_code == status


def test_reasons_are_not_for_whom_a_proxy_asks(behind: Behind) -> None:
    direct = httpx.get(f"http://127.0.0.1:{behind.port}/readyz").json()
    with behind.asked() as client:
        through = client.get("/readyz").json()
    assert direct["bus"] != through["bus"]
    assert "redis://" not in str(through)


def test_this_machine_itself_needs_no_https(behind: Behind) -> None:
    session = add_session(behind.store, behind.user)
    cookie = {"Cookie": f"matakota_{behind.port}={session}"}
    answer = httpx.get(f"http://127.0.0.1:{behind.port}/api/v1/me", headers=cookie)
    assert answer.status_code == 200
    assert "strict-transport-security" not in answer.headers


# --- what is refused at the start


@pytest.fixture
def refusing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., str]]:
    """What a command says that refuses these options, having begun nothing."""

    def call(*arguments: str) -> str:
        data = tmp_path / "data"
        monkeypatch.setenv("MATAKOTA_DATA", str(data))
        monkeypatch.setenv("MATAKOTA_REDIS_URL", NOBODY)
        monkeypatch.chdir(tmp_path)
        code = run([*arguments])
        out, err = capsys.readouterr()
        assert (code, out) == (2, "")
        assert err.count("\n") == 1
        assert not list(data.glob("*")), "nothing was begun"
        return err.removeprefix("matakota: ")

    yield call
    structlog.reset_defaults()


FILES = ["--tls-cert", "tls.crt", "--tls-key", "tls.key"]


@pytest.mark.parametrize("command", ["serve", "up"])
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", EVERYWHERE], "--host 0.0.0.0 lets other machines ask, which needs HTTPS: add "),
        (["--host", "::"], "--host :: lets other machines ask"),
        (["--host", "192.0.2.1"], "--host 192.0.2.1 lets other machines ask"),
        (["--tls-cert", "tls.crt"], "--tls-cert needs --tls-key"),
        (["--tls-key", "tls.key"], "--tls-key needs --tls-cert"),
        (["--tls-cert", "none.crt", "--tls-key", "tls.key"], "none.crt: no such file or directory"),
        (["--tls-cert", "tls.crt", "--tls-key", "none.key"], "none.key: no such file or directory"),
        (["--tls-cert", ".", "--tls-key", "tls.key"], "--tls-cert .: is a directory"),
        (["--tls-cert", "tls.crt", "--tls-key", "other.key"], "are no certificate and its key"),
        (["--tls-cert", "tls.key", "--tls-key", "tls.crt"], "are no certificate and its key"),
        (["--tls-cert", "empty", "--tls-key", "tls.key"], "are no certificate and its key"),
        (["--tls-cert", "shut.crt", "--tls-key", "shut.key"], "the key has no password"),
        (["--trusted-proxy", "proxy.example"], "'proxy.example' is no address"),
        (["--trusted-proxy", "0.0.0.0/0"], "0.0.0.0/0 is everybody"),
        (["--host", EVERYWHERE, "--trusted-proxy", "10.0.0.7", *FILES[:2]], "needs --tls-key"),
    ],
)
def test_what_cannot_be_served(
    refusing: Callable[..., str], tmp_path: Path, command: str, arguments: list[str], said: str
) -> None:
    make(tmp_path)
    make(tmp_path, "other")
    make(tmp_path, "shut", "not-a-real-password")
    (tmp_path / "empty").touch()
    assert said in refusing(command, *arguments)


def test_both_ways_to_be_reached_are_enough(tmp_path: Path) -> None:
    """As far as the start goes: what is asked is another thing."""
    make(tmp_path)
    for options in (FILES, ["--trusted-proxy", "10.0.0.7"]):
        with serve(tmp_path, NOBODY, "--host", EVERYWHERE, *options) as server:
            tls = options is FILES
            assert server.address.startswith("https" if tls else "http")
            url = server.address.replace(EVERYWHERE, "127.0.0.1")
            trust: ssl.SSLContext | bool = trusting(tmp_path / "tls.crt") if tls else True
            assert httpx.get(f"{url}/healthz", verify=trust).status_code == 200
