"""``matakota notify``: tells channels of alerts, as the alerting settings say."""

from __future__ import annotations

import os
import resource
import socket
import threading
from collections.abc import Callable, Sequence

from api.alerting.secrets import ChannelSecret
from api.alerting.settings import Advice, Channel
from api.cli.logs import hide
from api.cli.options import DataOption
from api.cli.patience import opened_patiently
from api.delivery.dispatch import ChannelRunner, Dispatcher
from api.delivery.sender import Sender
from api.delivery.senders import sender_for
from api.notifier import CameraNames, Notifier
from api.store import StoredAlert
from api.store.notices import Needed
from streams.settings import Settings


def notify(data: DataOption = None) -> None:
    """Decide who is told of alerts, and tell them, until it is ended."""
    # what opens the channels is in this process
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    settings = Settings.read(os.environ, data)
    by = socket.gethostname()
    with opened_patiently(settings.database_url) as store:
        names = CameraNames(store.configuration)

        def build(
            channel: Channel,
            secret: ChannelSecret | None,
            networks: Sequence[str],
            advice: Callable[[StoredAlert], Advice | None],
        ) -> Sender:
            return sender_for(channel, secret, networks, names=names, advice=advice)

        def dispatch(channel: Channel, sender: Sender, needed: Callable[[], Needed]) -> Dispatcher:
            notices, per_minute = store.notices, channel.per_minute
            return Dispatcher(
                ChannelRunner(channel.name, notices, sender, needed, by=by, per_minute=per_minute)
            )

        Notifier(store, by=by, dispatch=dispatch, sender_for=build, hide=hide).run(
            threading.Event()
        )
