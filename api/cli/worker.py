"""``matakota worker``: this machine's cameras, from their pictures to Redis."""

from __future__ import annotations

import os
import re
import resource
import secrets
import socket
import threading
from pathlib import Path
from typing import Annotated

import structlog
import typer

from api.cli.logs import hide
from api.cli.opinions import KEY_VARIABLE, opinions_of
from api.cli.options import DataOption
from models.zoo import cache_folder, resolve
from streams.apiclient import ApiClient
from streams.bus import RedisBus, RedisControl
from streams.config import WORKER_NAME
from streams.detector import Detectors
from streams.evidence import Evidence
from streams.evidencewaiting import FOLDER as EVIDENCE_FOLDER
from streams.keeper import DEFAULT_KEEP_H, FOLDER, MAX_KEEP_H, Keeper
from streams.posting import Poster
from streams.settings import (
    API_KEY_VARIABLE,
    API_VARIABLE,
    KEEP_TRACKS_VARIABLE,
    Settings,
)
from streams.spool import Spool
from streams.worker import Worker
from vision.errors import BusGoneError, ConfigError

NAME_FILE = "worker-name"

log = structlog.get_logger()


def worker(
    name: Annotated[
        str | None, typer.Option(help="Tells this worker from others; kept with its data.")
    ] = None,
    credentials: Annotated[
        Path | None,
        typer.Option(
            help="The cameras' logins, YAML; those that the configuration names by default.",
            metavar="FILE",
        ),
    ] = None,
    keep_tracks_h: Annotated[
        float | None,
        typer.Option(
            help="For how many hours tracks are kept, 0 for not at all; "
            f"{KEEP_TRACKS_VARIABLE}, or {DEFAULT_KEEP_H:g}, by default.",
            min=0,
            max=MAX_KEEP_H,
        ),
    ] = None,
    data: DataOption = None,
) -> None:
    """Analyse the cameras that the configuration gives this worker, and send alerts and counts to
    Redis until it is ended."""
    if name is not None and not WORKER_NAME.fullmatch(name):
        raise ConfigError(
            f"--name {name} is no name: use up to 63 letters, digits, '.', '_' and '-'"
        )
    _set_limits()
    settings = Settings.read(os.environ, data)
    keep_h = settings.keep_tracks_h() if keep_tracks_h is None else keep_tracks_h
    hide([key] if (key := os.environ.get(KEY_VARIABLE)) else [])
    opinions = opinions_of(os.environ)
    poster = _poster(settings)
    bus, control = RedisBus(settings.redis()), RedisControl(settings.redis())
    try:
        bus.check()
    except BusGoneError as error:
        # it may come; until then everything waits in the spool
        log.warning("Redis is not there yet", why=str(error))
    name = name or _own_name(settings.data)
    with Spool(settings.data / f"spool-{name}.db") as spool:
        Worker(
            name=name,
            spool=spool,
            bus=bus,
            control=control,
            detectors=Detectors(lambda model: resolve(model, cache=cache_folder(os.environ))),
            kept=settings.data / f"configuration-{name}.json",
            credentials=None if credentials is None else Path(os.path.abspath(credentials)),
            hide=hide,
            opinions=opinions,
            poster=poster,
            keeper=Keeper(settings.data / FOLDER, keep_h=keep_h),
            evidence=_evidence(settings, name),
        ).run(threading.Event())


def _poster(settings: Settings) -> Poster | None:
    """Posts alerts to the API while Redis is out; None where no API is named."""
    hide([settings.api_key] if settings.api_key else [])
    if settings.api_url is None and settings.api_key is None:
        log.info("alerts wait while Redis is out", why=f"{API_VARIABLE} names no API to post them")
        return None
    if settings.api_url is None:
        raise ConfigError(
            f"{API_KEY_VARIABLE} is set, but no API is named: set {API_VARIABLE} too, such as "
            "https://room.example:8080"
        )
    if settings.api_key is None:
        raise ConfigError(
            f"{API_VARIABLE} is set, but no key: make one with 'matakota keys create NAME --worker "
            f"--every-camera' and set {API_KEY_VARIABLE}"
        )
    return Poster(settings.api_url, settings.api_key)


def _evidence(settings: Settings, worker: str) -> Evidence | None:
    """Sends pictures and clips of alerts to the API; None where no API is named."""
    url, key = settings.api_url, settings.api_key
    if url is None or key is None:
        log.info("alerts have no pictures and clips", why=f"{API_VARIABLE} is not set")
        return None
    # workers may share a data folder, and none may post what another one is writing
    return Evidence(settings.data / EVIDENCE_FOLDER / worker, lambda: ApiClient(url, key))


def _own_name(data: Path) -> str:
    """The name that belongs to this data folder, made once: two machines never share one, and one
    machine never leaves its spool behind for another name."""
    path = data / NAME_FILE
    try:
        if path.exists():
            name = path.read_text(encoding="ascii").strip()
        else:
            host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:40].strip("-")
            name = f"{host or 'worker'}-{secrets.token_hex(2)}"
            path.write_text(f"{name}\n", encoding="ascii")
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be used ({error}): correct it, or give --name") from None
    if not WORKER_NAME.fullmatch(name):
        raise ConfigError(f"{path} holds no name: remove it, or give --name")
    return name


def _set_limits() -> None:
    """As many descriptors as the system allows, and no core dump: the cameras' passwords are in
    this process."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
