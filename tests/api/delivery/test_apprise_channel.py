"""Chat and mail: only services that send to a host which may be sent to, and nothing of what opens
them is said."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from api.delivery.apprise_channel import SCHEMES, AppriseSender
from api.delivery.sender import STOPPED
from api.delivery.words import Wording, Words
from api.store.letters import Letter
from tests.api.delivery.receiver import LOOPBACK, Receiver, hang, letter, receiving, stored
from tests.waiting import wait_for
from vision.errors import ConfigError

PUBLIC = "93.184.215.14"
TOKEN = "notarealtokennotarealtoken"
ADDRESSES = {
    "discord": f"discord://4174216298/{TOKEN}",
    "gotify": f"gotify://chat.test/{TOKEN}",
    "gotifys": f"gotifys://chat.test/{TOKEN}",
    "mailto": "mailto://room1:not-a-real-password@mail.test?to=jaga@mail.test",
    "mailtos": "mailtos://room1:not-a-real-password@mail.test?to=jaga@mail.test",
    "matrix": "matrix://room1:not-a-real-password@chat.test/#jaga",
    "matrixs": "matrixs://room1:not-a-real-password@chat.test/#jaga",
    "mmost": f"mmost://chat.test/{TOKEN}",
    "mmosts": f"mmosts://chat.test/{TOKEN}",
    "ntfy": "ntfy://chat.test/jaga",
    "ntfys": "ntfys://chat.test/jaga",
    "pover": f"pover://{'u' * 30}@{'a' * 30}",
    "rocket": "rocket://room1:not-a-real-password@chat.test/#jaga",
    "rockets": "rockets://room1:not-a-real-password@chat.test/#jaga",
    "signal": "signal://chat.test/+15550001111/+15550002222",
    "signals": "signals://chat.test/+15550001111/+15550002222",
    "slack": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#jaga",
    "tgram": "tgram://123456789:abcdefg_hijklmnop/12315544/",
    "twilio": f"twilio://AC{'a' * 32}:{'b' * 32}@+15550001111/+15550002222",
    "whatsapp": f"whatsapp://{'a' * 40}@123456789012345/+15550002222",
    "workflow": f"workflow://flow.test/{'a' * 32}/{'b' * 43}",
    "workflows": f"workflows://flow.test/{'a' * 32}/{'b' * 43}",
}
"""One of each service, none of which opens anything."""


def words(_letter: Letter) -> Words:
    return Words("Intrusion, plaza", "on the lawn\nnow")


def apprise_sender(url: str, *ips: str, **more: Any) -> AppriseSender:
    values = {"networks": (), "resolve": lambda *_: ips or [PUBLIC]} | more
    return AppriseSender(url, words, **values)


def here(receiver: Receiver, path: str = "jaga", **more: Any) -> AppriseSender:
    address = receiver.url.split("/")[2]
    return apprise_sender(f"ntfy://{address}/{path}", "127.0.0.1", networks=LOOPBACK, **more)


def test_every_service_that_is_offered_is_there() -> None:
    assert ADDRESSES.keys() == SCHEMES
    for url in ADDRESSES.values():
        apprise_sender(url)


@pytest.mark.parametrize(
    "url",
    [
        "", "plaza", "json://host/", "jsons://host/", "xml://host/", "form://host/",
        "file:///etc/passwd", "exec:///bin/true", "syslog://", "dbus://", "glib://", "windows://",
        "macosx://", "mqtt://host/topic", "rsyslog://host", "apprise://host/token", "smpp://host",
        "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
        "JSON://host/", " json://host/", "kodi://host", "home-assistant://host", "vapid://a@b.test",
    ],
)  # fmt: skip
def test_other_services_are_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="messages are not sent by"):
        apprise_sender(url)


@pytest.mark.parametrize(
    "argument",
    [
        "attach=/etc/passwd", "template=/etc/passwd", "pgp=yes", "pgppub=/etc/passwd",
        "pgpprv=/etc/passwd", "avatar_url=http://10.0.0.1/", "icon_url=http://10.0.0.1/",
        "config=/etc/passwd", "verify=no", "redirect=yes", "retry=9", "wait=100", "rto=1000",
        "discovery=yes", "ATTACH=x", "%61ttach=x", "attach", "+header=x", "-header=x", ":key=x",
        "store=yes", "wkd=yes", "actions=x", "click=x",
    ],
)  # fmt: skip
@pytest.mark.parametrize("joint", ["&", ";"])
def test_arguments_that_do_more_than_send_are_refused(argument: str, joint: str) -> None:
    with pytest.raises(ConfigError, match="argument"):
        apprise_sender(f"ntfys://chat.test/jaga?priority=high{joint}{argument}")


@pytest.mark.parametrize("scheme", ["ntfys", "mailtos", "matrixs", "workflow", "gotifys"])
@pytest.mark.parametrize("ip", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1"])
def test_hosts_that_are_not_public_are_refused(scheme: str, ip: str) -> None:
    answer = apprise_sender(ADDRESSES[scheme], ip).send(letter(stored()))
    assert (answer.ok, answer.final) == (False, False)
    assert "not public" in answer.why


def test_mail_goes_by_the_host_that_it_is_sent_through() -> None:
    asked: list[str] = []

    def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["10.0.0.1"]

    url = "mailtos://room1:not-a-real-password@mail.test?smtp=inside.test&to=jaga@mail.test"
    assert not apprise_sender(url, resolve=resolve).send(letter(stored())).ok
    assert asked == ["inside.test"]


@pytest.mark.parametrize("scheme", ["ntfy", "gotify", "matrix", "mmost", "rocket", "signal"])
def test_elsewhere_it_is_encrypted(scheme: str) -> None:
    answer = apprise_sender(ADDRESSES[scheme]).send(letter(stored()))
    assert "encrypted alone" in answer.why


def test_a_message_arrives_in_words() -> None:
    with receiving() as receiver:
        assert here(receiver).send(letter(stored())).ok
    (got,) = receiver.got
    said = json.loads(got.body)
    assert (said["topic"], said["title"], said["message"]) == (
        "jaga", "Intrusion, plaza", "on the lawn\nnow",
    )  # fmt: skip


def test_no_redirect_is_followed() -> None:
    with receiving() as inside, receiving() as receiver:
        receiver.answers = [(307, {"Location": inside.url})]
        here(receiver).send(letter(stored()))
        assert (len(receiver.got), len(inside.got)) == (1, 0)


def test_what_opens_a_channel_is_said_nowhere(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with receiving(500) as receiver, caplog.at_level(logging.DEBUG):
        address = receiver.url.split("/")[2]
        # its requests have the token in their paths
        url = f"mmost://{address}/{TOKEN}"
        sending = apprise_sender(url, "127.0.0.1", networks=LOOPBACK)
        answer = sending.send(letter(stored()))
    assert not answer.ok
    assert receiver.got
    with caplog.at_level(logging.DEBUG):
        answers = [answer, apprise_sender(url, "127.0.0.1", networks=LOOPBACK).send(letter())]
        with pytest.raises(ConfigError) as refused:
            apprise_sender(f"gotify://{address}/{TOKEN}?attach={TOKEN}")
        with pytest.raises(ConfigError) as unreadable:
            apprise_sender(f"tgram://{TOKEN}")
    out = capfd.readouterr()
    for text in (
        caplog.text, out.out, out.err, repr(sending), str(refused.value), str(unreadable.value),
        *(each.why for each in answers),
    ):  # fmt: skip
        assert TOKEN not in text


def test_a_server_that_hangs_holds_nobody_for_ever() -> None:
    with receiving(hang, 200) as receiver:
        sending = here(receiver, try_s=0.3, answer_s=100)
        assert "within 0.3 s" in sending.send(letter(stored())).why
        assert "still waits" in sending.send(letter(stored())).why
        assert len(receiver.got) == 1, "one at a time"
        receiver.ending.set()
        wait_for(lambda: sending.send(letter(stored())).ok, "it works again")


def test_a_server_that_does_not_answer_is_left_by_itself() -> None:
    with receiving(hang) as receiver:
        assert "did not take it" in here(receiver, answer_s=0.2).send(letter(stored())).why


def test_a_try_ends_when_the_sender_is_closed() -> None:
    with receiving(hang) as receiver:
        sending = here(receiver)
        from threading import Thread

        found: list[Any] = []
        thread = Thread(target=lambda: found.append(sending.send(letter(stored()))))
        thread.start()
        wait_for(lambda: receiver.got, "the message is on its way")
        sending.close()
        thread.join(20)
        assert found == [STOPPED]
    assert here(receiver).send(letter()).ok is False


def test_a_long_message_is_cut_and_not_sent_in_pieces() -> None:
    with receiving() as receiver:
        long = Words("Intrusion", "x" * 20_000)
        address = receiver.url.split("/")[2]
        AppriseSender(f"ntfy://{address}/jaga", lambda _: long, networks=LOOPBACK).send(
            letter(stored())
        )
    assert len(receiver.got) == 1


def test_words_are_those_of_the_letter() -> None:
    with receiving() as receiver:
        address = receiver.url.split("/")[2]
        url = f"ntfy://{address}/jaga"
        assert AppriseSender(url, Wording("en"), networks=LOOPBACK).send(letter(stored("x"))).ok
    assert "Intrusion" in json.loads(receiver.got[0].body)["title"]
