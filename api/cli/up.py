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

GRACE_S = 3.0
"""Three children in a row end within 10 s even if each of them has to be killed."""

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
        bus = RedisBus(settings.redis_url)
        bus.check()
        bus.close()
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
        log.info("up", city=city.name, cameras=len(city.cameras), api=f"http://{host}:{port}")
        supervisor.run()
