"""``matakota worker``: this machine's cameras, from their pictures to Redis."""

from __future__ import annotations

import os
import re
import threading
from typing import Annotated

import typer

from api.cli.logs import hide
from api.cli.options import ConfigOption, DataOption
from models.zoo import cache_folder, resolve
from streams.bus import RedisBus
from streams.config import load_city
from streams.detector import Detectors
from streams.settings import Settings
from streams.spool import Spool
from streams.worker import Worker
from vision.errors import ConfigError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)


def worker(
    config: ConfigOption,
    name: Annotated[str, typer.Option(help="Tells this worker from others.")] = "worker",
    data: DataOption = None,
) -> None:
    """Analyse the city's cameras and send alerts and counts to Redis until it is ended."""
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"--name {name} is no name: use up to 63 letters, digits, '.', '_' and '-'"
        )
    settings = Settings.read(os.environ, data)
    city = load_city(config)
    hide(city.secrets)
    bus = RedisBus(settings.redis())
    bus.check()
    detectors = Detectors(lambda model: resolve(model, cache=cache_folder(os.environ)))
    with Spool(settings.data / f"spool-{name}.db") as spool:
        Worker(city, name=name, spool=spool, bus=bus, detectors=detectors).run(threading.Event())
