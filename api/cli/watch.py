"""``matakota watch``: alarms where alerts do not arrive any more, past everything that may be
broken."""

from __future__ import annotations

import os
import resource
import threading
from pathlib import Path
from typing import Annotated, Final

import typer

from api.alerting.secrets import load_secrets
from api.cli.logs import hide
from api.cli.options import DataOption
from api.cli.stored import opened
from api.delivery.sender import Sender
from api.delivery.senders import sender_for
from api.store import Actor, Store
from api.watchdog import Kept, Watchdog
from streams.settings import Settings
from vision.errors import ConfigError

FILE: Final = "watchdog.json"


def watch(
    forget: Annotated[
        str | None,
        typer.Option(
            help="Expect nothing of a worker that is gone for good, and end.", metavar="WORKER"
        ),
    ] = None,
    data: DataOption = None,
) -> None:
    """See whether what workers state arrives, and tell the alarm channel where it does not, until
    it is ended."""
    if forget is not None:
        _forget(forget, data)
        return
    # what opens the alarm channel is in this process
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    settings = Settings.read(os.environ, data)
    Watchdog(lambda: Store.open(settings.database_url), alarm_sender, settings.data / FILE).run(
        threading.Event()
    )


def alarm_sender(kept: Kept) -> Sender:
    """What sends on the alarm channel, with its secret as it is now. Raises ConfigError."""
    if kept.channel is None:
        raise ConfigError("no alarm channel is named: name one with 'alarm:' in the alerting file")
    found = {} if kept.secrets is None else load_secrets(Path(kept.secrets))
    secret = found.get(kept.channel.name)
    if secret is not None:
        hide([text for text in (secret.url, secret.secret) if text])
    return sender_for(kept.channel, secret, kept.networks)


def _forget(worker: str, data: Path | None) -> None:
    with opened(data) as store:
        if not store.canaries.forget(worker):
            known = ", ".join(canary.worker for canary in store.canaries.last()) or "none"
            raise ConfigError(
                f"nothing of a worker {worker[:40]!a} is expected: those there are: {known}"
            )
        store.audit.add(Actor.command(), "worker.forgotten", "worker", worker)
    typer.echo(f"worker {worker} is not expected any more")
