"""``matakota up``: Redis, worker and API on this machine, kept running together."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final

import structlog
import typer

from api.cli.config import NONE_YET, checked_city, what_changed
from api.cli.listening import listen
from api.cli.options import DataOption
from api.sessions import new_link
from api.store import Store
from streams.bus import RedisBus
from streams.settings import DATABASE_VARIABLE, REDIS_VARIABLE, Settings
from streams.supervisor import Child, Command, Supervisor
from streams.valkey import EmbeddedValkey
from vision.errors import BusGoneError, ConfigError

GRACE_S: Final = 9.0
"""Everything ends within 10 s, even if each child has to be killed."""
ASK_S: Final = 2.0

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
    data: DataOption = None,
) -> None:  # fmt: skip
    """Run the whole system for the cameras of a city: an embedded Valkey (unless
    MATAKOTA_REDIS_URL names a Redis), a worker and the API. Prints a link that opens the page."""
    settings = Settings.read(os.environ, data)
    prepare(settings, config)
    with running(settings, host=host, port=port, options=log_options(context)) as system:
        while not system.answers():
            system.watch(0.2)
        with Store.open(settings.database_url) as store:
            typer.echo(f"open {new_link(store, system.host, system.port)}")
        system.watch(None)


def prepare(settings: Settings, city: Path | None) -> None:
    """Make the city in a file the configuration, or see that there is one. Raises ConfigError and
    what ``checked_city`` raises, StoreError, and BusError for a Redis that cannot be right."""
    if settings.redis_url is not None:
        _check(settings.redis_url)
    found = None if city is None else checked_city(city)
    with Store.open(settings.database_url) as store:
        if found is not None:
            for line in what_changed(store.configuration.apply(found)):
                log.info(line)
        elif not store.configuration.number():
            raise ConfigError(NONE_YET)


def log_options(context: typer.Context) -> Sequence[str]:
    """The options of this command that its children take over."""
    return [] if context.parent is None else ["--log-level", context.parent.params["log_level"]]


class System:
    """Redis, API and worker of one machine, started and watched by this process."""

    def __init__(self, settings: Settings, *, host: str, port: int, options: Sequence[str]) -> None:
        self.host, self.port = _reached(host), port
        """Where this machine reaches the API."""
        # the settings decide, not what they were read from: the demo has its own
        environment = dict(os.environ) | {DATABASE_VARIABLE: settings.database_url}
        children: list[Child] = []
        if settings.redis_url is None:
            valkey = EmbeddedValkey(settings.data / "valkey")
            environment[REDIS_VARIABLE] = valkey.url
            children.append(valkey)
        where = ["--data", str(settings.data)]
        serve = ["serve", "--host", host, "--port", str(port), *where]
        children.append(Command("API", [*options, *serve], environment))
        children.append(Command("worker", [*options, "worker", *where], environment))
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
        """Whether the API answers."""
        link = HTTPConnection(self.host, self.port, timeout=ASK_S)
        try:
            link.request("GET", "/healthz")
            return link.getresponse().status == HTTPStatus.OK
        except (OSError, HTTPException):
            return False
        finally:
            link.close()


@contextmanager
def running(
    settings: Settings, *, host: str, port: int, options: Sequence[str] = ()
) -> Iterator[System]:
    """Everything on this machine for the configuration that is stored, started, and ended with the
    block. ``options`` stand before each child's command. Whoever calls this has to ``watch``.
    Raises ServiceError where the address is taken or one of them cannot be started."""
    # what answers there later is ours
    listen(host, port).close()
    system = System(settings, host=host, port=port, options=options)
    try:
        system.start()
        yield system
    finally:
        system.stop()


def _reached(host: str) -> str:
    """The host under which this machine reaches who listens at ``host``."""
    try:
        ip = ip_address(host)
    except ValueError:
        return host
    loopback = "::1" if ip.version == 6 else "127.0.0.1"
    return loopback if ip.is_unspecified else host


def _check(redis_url: str) -> None:
    """At the first start, a Redis that is not there is rather a wrong address than an outage."""
    bus = RedisBus(redis_url)
    try:
        bus.check()
    except BusGoneError as error:
        raise ConfigError(str(error)) from error
    finally:
        bus.close()
