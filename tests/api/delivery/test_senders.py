"""Each kind of channel has its sender, and one that cannot be used says what is missing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from standardwebhooks import Webhook

from api.alerting.secrets import ChannelSecret
from api.alerting.settings import Channel
from api.delivery.payload import SOURCE
from api.delivery.senders import sender_for
from tests.api.delivery.receiver import SECRET, letter, receiving, stored
from vision.errors import ConfigError

NETWORKS = ("127.0.0.0/8",)


def channel(kind: str = "webhook", **more: Any) -> Channel:
    return Channel.model_validate({"name": "room1", "kind": kind} | more)


def test_a_webhook_is_signed_with_the_channels_secret() -> None:
    with receiving() as receiver:
        hook = sender_for(channel(url=receiver.url), ChannelSecret(secret=SECRET), NETWORKS)
        assert hook.send(letter(stored())).ok
        hook.close()
    event = Webhook(SECRET).verify(receiver.got[0].body, receiver.got[0].headers)
    assert event["source"] == SOURCE


def test_people_are_told_in_their_language_with_names_and_advice() -> None:
    with receiving() as receiver:
        secret = ChannelSecret(url=f"ntfy://{receiver.url.split('/')[2]}/jaga")
        for language in ("en", "id"):
            chat = sender_for(
                channel("apprise", language=language), secret, NETWORKS,
                names=lambda: {"plaza": "Losari plaza"},
            )  # fmt: skip
            assert chat.send(letter(stored())).ok
            chat.close()
    english, indonesian = (json.loads(got.body)["title"] for got in receiver.got)
    assert english == "Intrusion, Losari plaza"
    assert indonesian.endswith("Losari plaza")
    assert indonesian != english


@pytest.mark.parametrize(
    ("kind", "secret"),
    [
        ("webhook", None),
        ("webhook", ChannelSecret(url="ntfys://chat.test/jaga")),
        ("apprise", None),
        ("apprise", ChannelSecret(secret=SECRET)),
        ("apprise", ChannelSecret(url="json://chat.test/")),
    ],
)
def test_a_channel_without_what_opens_it_is_refused(
    kind: str, secret: ChannelSecret | None
) -> None:
    more = {"url": "https://receiver.test/"} if kind == "webhook" else {}
    with pytest.raises(ConfigError) as refused:
        sender_for(channel(kind, **more), secret, ())
    assert SECRET not in str(refused.value)
