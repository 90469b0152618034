"""The sender of each kind of channel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from api.alerting.secrets import ChannelSecret
from api.alerting.settings import Advice, Channel
from api.delivery.addresses import networks_of
from api.delivery.payload import cloud_event, encoded
from api.delivery.sender import Sender
from api.delivery.webhook import WebhookSender
from api.delivery.words import Wording
from api.store.alerts import StoredAlert
from vision.errors import ConfigError


def sender_for(
    channel: Channel,
    secret: ChannelSecret | None,
    networks: Sequence[str],
    *,
    names: Callable[[], Mapping[str, str]] = dict,
    advice: Callable[[StoredAlert], Advice | None] = lambda _: None,
) -> Sender:
    """What sends on ``channel`` with its ``secret``, to public addresses and those in ``networks``.
    ``names`` gives the names of cameras, ``advice`` what to do, both for people. Raises ConfigError
    where it cannot be used."""
    allowed = networks_of(networks)
    if channel.url is not None:
        if secret is None or secret.secret is None:
            raise ConfigError(
                f"channel {channel.name!a} has no 'secret' in the file of secrets: write one "
                "there, and give it to whoever receives the messages"
            )
        return WebhookSender(
            channel.url,
            secret.secret,
            lambda letter: encoded(cloud_event(letter)),
            networks=allowed,
        )
    if secret is None or secret.url is None:
        raise ConfigError(
            f"channel {channel.name!a} has no 'url' in the file of secrets: write its address there"
        )
    # takes a second to import, and only where somebody uses it
    from api.delivery.apprise_channel import AppriseSender

    wording = Wording(channel.language, names, advice)
    return AppriseSender(secret.url, wording, networks=allowed)
