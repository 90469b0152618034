"""``matakota up``: Redis, API, worker, notifier and watchdog of this machine, kept running
together."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import structlog
import typer

from api.auth import new_token
from api.cli.config import NONE_YET, checked_city, drawn_over, what_changed
from api.cli.listening import (
    ProxyOption,
    TlsCertOption,
    TlsKeyOption,
    Way,
    checked_way,
    greeting,
)
from api.cli.options import DataOption
from api.store import MAX_NAME_CHARS, Actor, GoneError, Grant, Store
from streams.bus import RedisBus
from streams.settings import (
    API_KEY_VARIABLE,
    API_VARIABLE,
    DATABASE_VARIABLE,
    REDIS_VARIABLE,
    Settings,
)
from streams.supervisor import Child, Command, Supervisor
from streams.valkey import EmbeddedValkey
from vision.errors import BusGoneError, ConfigError

GRACE_S: Final = 9.0
"""Everything ends within 10 s, even if each child has to be killed."""
ASK_S: Final = 2.0
_WORKERS_OWN: Final = frozenset({API_VARIABLE, API_KEY_VARIABLE})
WORKER_KEY: Final = "worker of"
"""The key that the worker of a machine is given is called so, with the machine's name."""

log = structlog.get_logger()


def up(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", metavar="CITY",
            help="A city's file to be applied first; without, what is stored already.",
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Where the API listens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Where the API listens.", min=1, max=65535)] = 8080,
    tls_cert: TlsCertOption = None,
    tls_key: TlsKeyOption = None,
    trusted_proxy: ProxyOption = None,
    data: DataOption = None,
) -> None:  # fmt: skip
    """Run the whole system for the cameras of a city: an embedded Valkey (unless
    MATAKOTA_REDIS_URL names a Redis), the API, a worker, the notifier and the watchdog. Prints
    where the pages are, or a link that makes the first administrator."""
    settings = Settings.read(os.environ, data)
    way = checked_way(host, port, tls_cert, tls_key, trusted_proxy)
    prepare(settings, config)
    with running(settings, way, options=log_options(context)) as system:
        while not system.answers():
            system.watch(0.2)
        with Store.open(settings.database_url) as store:
            typer.echo(greeting(store, way.base))
        system.watch(None)


def prepare(settings: Settings, city: Path | None) -> None:
    """Make the city in a file the configuration, or see that there is one. Raises ConfigError and
    what ``checked_city`` raises, StoreError, and BusError for a Redis that cannot be right."""
    if settings.redis_url is not None:
        _check(settings.redis_url)
    found = None if city is None else checked_city(city)
    with Store.open(settings.database_url) as store:
        if found is not None:
            applied = store.configuration.apply(found, Actor.command())
            for line in what_changed(applied):
                log.info(line)
            for line in drawn_over(applied):
                log.warning(line)
        elif not store.configuration.number():
            raise ConfigError(NONE_YET)


def log_options(context: typer.Context) -> Sequence[str]:
    """The options of this command that its children take over."""
    return [] if context.parent is None else ["--log-level", context.parent.params["log_level"]]


class System:
    """Redis, API, worker, notifier and watchdog of one machine, started and watched by this
    process. With ``worker_key`` the worker comes to the API while Redis is out."""

    def __init__(
        self, settings: Settings, way: Way, *, options: Sequence[str], worker_key: str | None = None
    ) -> None:
        self.base = way.base
        """Where this machine reaches the API."""
        # the settings decide, not what they were read from: the demo has its own
        environment = {
            name: value for name, value in os.environ.items() if name not in _WORKERS_OWN
        } | {DATABASE_VARIABLE: settings.database_url}
        children: list[Child] = []
        if settings.redis_url is None:
            valkey = EmbeddedValkey(settings.data / "valkey")
            environment[REDIS_VARIABLE] = valkey.url
            children.append(valkey)
        where = ["--data", str(settings.data)]
        serve = ["serve", *way.options, *where]
        children.append(Command("API", [*options, *serve], environment))
        of_worker = environment
        if worker_key is not None:
            # a name that the certificate is for may have been given
            url = settings.api_url or way.base
            of_worker = environment | {API_VARIABLE: url, API_KEY_VARIABLE: worker_key}
        children.append(Command("worker", [*options, "worker", *where], of_worker))
        children.append(Command("notifier", [*options, "notify", *where], environment))
        children.append(Command("watchdog", [*options, "watch", *where], environment))
        self._supervisor = Supervisor(children)

    def start(self) -> None:
        """Raises ServiceError where one of them cannot be started."""
        self._supervisor.start()

    def stop(self) -> None:
        self._supervisor.stop(GRACE_S)

    def watch(self, seconds: float | None) -> None:
        """Start again what ends, for so long or until interrupted. Raises ServiceError where that
        is in vain."""
        self._supervisor.run(seconds)

    def answers(self) -> bool:
        """Whether the API answers, be it that it lets nobody in from this machine."""
        at = urlsplit(self.base)
        host, port = str(at.hostname), at.port
        if at.scheme == "https":
            # it is ours, by whatever name its certificate is for
            unnamed = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            unnamed.check_hostname = False
            unnamed.verify_mode = ssl.CERT_NONE
            link: HTTPConnection = HTTPSConnection(host, port, timeout=ASK_S, context=unnamed)
        else:
            link = HTTPConnection(host, port, timeout=ASK_S)
        try:
            link.request("GET", "/healthz")
            return link.getresponse().status in {HTTPStatus.OK, HTTPStatus.FORBIDDEN}
        except (OSError, HTTPException):
            return False
        finally:
            link.close()


@contextmanager
def running(settings: Settings, way: Way, *, options: Sequence[str] = ()) -> Iterator[System]:
    """Everything on this machine for the configuration that is stored, started, and ended with the
    block. ``options`` stand before each child's command. Whoever calls this has to ``watch``.
    Raises ServiceError where the address is taken or one of them cannot be started."""
    # what answers there later is ours
    way.listen().close()
    system = System(settings, way, options=options, worker_key=_worker_key(settings))
    try:
        system.start()
        yield system
    finally:
        system.stop()


def _worker_key(settings: Settings) -> str:
    """The key of this machine's worker: the one that is named, or a new one, of which nothing but
    its hash is kept; the one before it opens nothing any more. Raises StoreError."""
    if settings.api_key is not None:
        return settings.api_key
    name = f"{WORKER_KEY} {socket.gethostname()}"[:MAX_NAME_CHARS]
    token = new_token()
    with Store.open(settings.database_url) as store:
        with suppress(GoneError):
            store.keys.revoke(name, Actor.command())
        grant = Grant(worker=True, every_camera=True)
        store.keys.add(token.id, name, token.hash, grant, Actor.command())
    return token.reveal()


def _check(redis_url: str) -> None:
    """At the first start, a Redis that is not there is rather a wrong address than an outage."""
    bus = RedisBus(redis_url)
    try:
        bus.check()
    except BusGoneError as error:
        raise ConfigError(str(error)) from error
    finally:
        bus.close()
