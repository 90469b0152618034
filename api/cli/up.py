"""``matakota up``: Redis, worker and API on this machine, kept running together."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import Annotated

import structlog
import typer

from api.cli.options import ConfigOption, DataOption
from streams.bus import RedisBus
from streams.config import load_city
from streams.settings import Settings
from streams.supervisor import Child, Command, Supervisor
from streams.valkey import EmbeddedValkey
from vision.errors import BusGoneError, ConfigError

GRACE_S = 9.0
"""Everything ends within 10 s, even if each child has to be killed."""

log = structlog.get_logger()


def up(
    context: typer.Context,
    config: ConfigOption,
    host: Annotated[str, typer.Option(help="Where the API listens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Where the API listens.", min=1, max=65535)] = 8080,
    data: DataOption = None,
) -> None:
    """Run the whole system for the cameras of a city: an embedded Valkey (unless
    MATAKOTA_REDIS_URL names a Redis), a worker and the API."""
    settings = Settings.read(os.environ, data)
    city = load_city(config)
    environment = dict(os.environ)
    children: list[Child] = []
    if settings.redis_url is None:
        valkey = EmbeddedValkey(settings.data / "valkey")
        environment["MATAKOTA_REDIS_URL"] = valkey.url
        children.append(valkey)
    else:
        _check(settings.redis_url)
    level = [] if context.parent is None else ["--log-level", context.parent.params["log_level"]]
    where = ["--data", str(settings.data)]
    serve = ["serve", "--host", host, "--port", str(port), *where]
    work = ["worker", "--config", str(config), *where]
    children.append(Command("API", [*level, *serve], environment))
    children.append(Command("worker", [*level, *work], environment))
    supervisor = Supervisor(children)
    with ExitStack() as stack:
        stack.callback(supervisor.stop, GRACE_S)
        supervisor.start()
        log.info(
            "up; 'matakota keys create NAME' makes a key for the API",
            city=city.name,
            cameras=len(city.cameras),
            api=f"http://{host}:{port}",
        )
        supervisor.run()


def _check(redis_url: str) -> None:
    """At the first start, a Redis that is not there is rather a wrong address than an outage."""
    bus = RedisBus(redis_url)
    try:
        bus.check()
    except BusGoneError as error:
        raise ConfigError(str(error)) from error
    finally:
        bus.close()
