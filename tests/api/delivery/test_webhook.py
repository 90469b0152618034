"""Webhooks: signed so that others' code agrees, to the address that was looked at, with an end."""

from __future__ import annotations

import json
import socket
import threading
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from api.alerting.secrets import signing_key
from api.delivery.sender import STOPPED
from api.delivery.webhook import signature
from tests.api.delivery.receiver import (
    SECRET,
    drip,
    hang,
    letter,
    receiving,
    sender,
    stored,
)
from tests.waiting import wait_for
from vision.errors import ConfigError

SHORT_S = 0.3
"""Enough for an answer that comes at once, and little to wait for one that never does."""


def test_the_signature_is_that_of_the_specification() -> None:
    # the example of the specification's own libraries
    key = signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    said = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert said == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_message_is_a_signed_cloud_event() -> None:
    with receiving() as receiver:
        answer = sender(receiver.url).send(letter(stored("x"), attempt=3))
        assert (answer.ok, answer.status, answer.why) == (True, 200, "")
    (got,) = receiver.got
    assert got.path == "/alerts?of=room1"
    assert got.headers["host"] == receiver.url.split("/")[2]
    assert got.headers["content-type"].startswith("application/cloudevents+json")
    assert got.headers["webhook-id"] == "ntc_000000000001"
    event = Webhook(SECRET).verify(got.body, got.headers)
    assert event == json.loads(got.body)
    assert (event["id"], event["data"]["id"]) == ("ntc_000000000001", "x")
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "A" * 40).verify(got.body, got.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(got.body + b" ", got.headers)


@pytest.mark.parametrize(
    ("given", "ok", "final", "retry_after_s"),
    [
        (200, True, False, None),
        (204, True, False, None),
        (500, False, False, None),
        ((503, {"Retry-After": "90"}), False, False, 90.0),
        ((429, {"Retry-After": "30"}), False, False, 30.0),
        ((301, {"Location": "http://127.0.0.1:9/"}), False, False, None),
        ((307, {"Location": "/elsewhere"}), False, False, None),
        (400, False, False, None),
        (404, False, False, None),
        (408, False, False, None),
        (410, False, True, None),
    ],
)
def test_what_an_answer_means(
    given: Any, ok: bool, final: bool, retry_after_s: float | None
) -> None:
    with receiving(given) as receiver:
        answer = sender(receiver.url).send(letter(stored()))
    assert (answer.ok, answer.final, answer.retry_after_s) == (ok, final, retry_after_s)
    assert answer.status == (given[0] if isinstance(given, tuple) else given)
    assert len(receiver.got) == 1, "no redirect is followed"
    assert ok or answer.why.startswith("127.0.0.1 answers")


@pytest.mark.parametrize("given", [hang, drip])
def test_a_server_that_never_ends_is_left(given: Any) -> None:
    with receiving(given) as receiver:
        answer = sender(receiver.url, timeout_s=SHORT_S).send(letter(stored()))
    assert (answer.ok, answer.status, answer.final) == (False, None, False)
    assert "within 0.3 s" in answer.why


def test_nobody_there_and_no_http() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
    answer = sender(url).send(letter(stored()))
    assert (answer.ok, answer.final) == (False, False)
    assert "ConnectError" in answer.why

    def talk(handler: Any, _receiver: Any) -> None:
        handler.wfile.write(b"SSH-2.0-nothing\r\n" + b"x" * 200_000)

    with receiving(talk) as receiver:
        answer = sender(receiver.url).send(letter(stored()))
    assert not answer.ok
    assert "RemoteProtocolError" in answer.why


def test_an_answer_without_end_is_not_read() -> None:
    def pour(handler: Any, receiver: Any) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while not receiver.ending.is_set():
                handler.wfile.write(b"x" * 65_536)
        except OSError:
            return

    with receiving(pour) as receiver:
        assert sender(receiver.url, timeout_s=SHORT_S * 100).send(letter(stored())).ok


def test_a_try_ends_when_the_sender_is_closed() -> None:
    with receiving(hang) as receiver:
        closing = sender(receiver.url, timeout_s=100)
        found: list[Any] = []
        thread = threading.Thread(target=lambda: found.append(closing.send(letter(stored()))))
        thread.start()
        wait_for(lambda: receiver.got, "the message is on its way")
        closing.close()
        thread.join(20)
        assert found == [STOPPED]
        assert closing.send(letter(stored())) == STOPPED


def test_what_leads_inside_is_not_connected_to() -> None:
    with receiving() as receiver:
        answer = sender(receiver.url, networks=()).send(letter(stored()))
        assert not answer.ok
        assert "not public" in answer.why
        assert receiver.got == []


def test_a_name_is_looked_up_once_and_what_was_looked_at_is_connected_to() -> None:
    with receiving() as receiver:
        asked: list[str] = []

        def resolve(host: str, _port: int) -> list[str]:
            # a name that leads elsewhere as soon as it was looked at
            asked.append(host)
            return ["127.0.0.1"] if len(asked) == 1 else ["10.9.9.9"]

        port = receiver.url.split(":")[2]
        url = f"http://receiver.test:{port}"
        rebinding = sender(url, resolve=resolve)
        assert rebinding.send(letter(stored())).ok
        assert (asked, receiver.got[0].headers["host"]) == (
            ["receiver.test"], f"receiver.test:{port.split('/')[0]}",
        )  # fmt: skip
        answer = rebinding.send(letter(stored()))
        assert "10.9.9.9" in answer.why
        assert len(receiver.got) == 1


def test_the_next_address_of_a_name_is_tried() -> None:
    with receiving() as receiver:
        url = f"http://receiver.test:{receiver.url.split(':')[2]}"
        both = sender(url, resolve=lambda *_: ["127.0.0.9", "127.0.0.1"])
        assert both.send(letter(stored())).ok


def test_a_name_that_is_not_known_is_tried_again() -> None:
    def resolve(_host: str, _port: int) -> list[str]:
        raise OSError

    answer = sender("https://receiver.test/", resolve=resolve).send(letter(stored()))
    assert (answer.ok, answer.final) == (False, False)
    assert "not known" in answer.why


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as receiver, receiving() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        assert sender(receiver.url).send(letter(stored())).ok
        assert (len(receiver.got), len(proxy.got)) == (1, 0)


def test_the_address_opens_nothing_in_what_is_said() -> None:
    with receiving(500) as receiver:
        url = receiver.url.replace("/alerts", "/not-a-real-token")
        failing = sender(url)
        answer = failing.send(letter(stored()))
    assert "not-a-real-token" not in answer.why + repr(failing)


@pytest.mark.parametrize(
    "secret",
    ["", "whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_not*base64",
     "whsec_" + "A" * 400],
)  # fmt: skip
def test_a_secret_that_is_none_is_refused_without_repeating_it(secret: str) -> None:
    with pytest.raises(ConfigError) as refused:
        signing_key(secret)
    assert not secret.removeprefix("whsec_") or secret.removeprefix("whsec_") not in str(
        refused.value
    )
