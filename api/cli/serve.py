"""``matakota serve``: the API, and what moves messages from Redis into its store."""

from __future__ import annotations

import logging
import os
import socket
import ssl
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from ipaddress import ip_address
from types import FrameType
from typing import Annotated, Final

import structlog
import typer
import uvicorn

from api.app import create_app
from api.bell import Bell
from api.cli.head import BoundedHead
from api.cli.listening import ProxyOption, TlsCertOption, TlsKeyOption, checked_way, greeting
from api.cli.options import DataOption
from api.door import Door
from api.evidence.keeper import Keeper
from api.evidence.room import EvidenceRoom
from api.ingest import Ingest
from api.live import Hub
from api.oidc import SignIn
from api.pages import mount
from api.pieces import FOLDER, sweep
from api.publisher import Publisher
from api.store import Store
from streams.bus import RedisBus, RedisControl
from streams.settings import Settings
from vision.errors import BrokenError, BusGoneError

GRACE_S: Final = 3
"""What is being answered when the end comes may take so long."""
IDLE_S: Final = 5
"""A connection without a request is closed after this."""

log = structlog.get_logger()


class DoorServer(uvicorn.Server):
    """Ends event streams as soon as its own end is asked for, which would otherwise wait. It calls
    ``begin`` once it serves."""

    def __init__(
        self, door: Door, bell: Bell, tls: ssl.SSLContext | None, begin: Callable[[], None]
    ) -> None:
        super().__init__(
            uvicorn.Config(
                door,
                http=BoundedHead,
                access_log=False,
                log_config=None,
                # whose headers are believed about that is for the door to say
                proxy_headers=False,
                ssl_context_factory=None if tls is None else lambda _config, _default: tls,
                server_header=False,
                timeout_graceful_shutdown=GRACE_S,
                timeout_keep_alive=IDLE_S,
                # pictures are compressed already
                ws_per_message_deflate=False,
            )
        )
        self._bell = bell
        self._begin = begin
        self.broken = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            self._begin()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self._bell.close()

    def give_up(self) -> None:
        """End, since a thread without which nothing works is gone."""
        self.broken = True
        self.should_exit = True
        self._bell.close()


def serve(
    context: typer.Context,
    host: Annotated[
        str,
        typer.Option(help="Where to listen; what is not loopback needs HTTPS, or a trusted proxy."),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Where to listen; 0 for any free port.", min=0, max=65535)
    ] = 8080,
    tls_cert: TlsCertOption = None,
    tls_key: TlsKeyOption = None,
    trusted_proxy: ProxyOption = None,
    data: DataOption = None,
) -> None:
    """Serve the API and the pages, and store what workers send, until it is ended. Prints where the
    pages are, or a link that makes the first administrator."""
    settings = Settings.read(os.environ, data)
    oidc = SignIn.configured(os.environ)
    way = checked_way(host, port, tls_cert, tls_key, trusted_proxy)
    with ExitStack() as stack:
        bus, control = RedisBus(settings.redis()), RedisControl(settings.redis())
        stack.callback(bus.close)
        stack.callback(control.close)
        listener = stack.enter_context(way.listen())
        address, port = listener.getsockname()[:2]
        way = replace(way, host=address, port=port)
        store = stack.enter_context(Store.open(settings.database_url))
        try:
            bus.check()
        except BusGoneError as error:
            # it may come; until then /readyz says so
            log.warning("Redis is not there yet", why=str(error))
        bell = Bell()
        ingest = Ingest(
            bus,
            store,
            bell,
            consumer=f"{socket.gethostname()}:{port}",
            on_death=lambda: server.give_up(),
        )
        publisher = Publisher(
            store,
            control,
            lambda: [heard.report.worker for heard in ingest.workers],
            on_death=lambda: server.give_up(),
        )
        hub = Hub(control, lambda: ingest.workers, on_death=lambda: server.give_up())
        room = EvidenceRoom.open(store, settings.data, os.environ)
        pieces = settings.data / FOLDER
        keeper = Keeper(
            room,
            besides=lambda now: sweep(store, pieces, now),
            on_death=lambda: server.give_up(),
        )
        everywhere = not ip_address(address).is_loopback
        door = create_app(
            store, bell, ingest, control, hub, room,
            everywhere=everywhere, proxies=way.proxies, oidc=oidc, pieces=pieces, pages=mount,
        )  # fmt: skip

        def begin() -> None:
            for thread in (ingest, publisher, hub, keeper):
                stack.callback(thread.stop)
                thread.start()

        # NiceGUI looks through all objects of the process when it starts: a tuple that another
        # thread is in the middle of making would break it there
        server = DoorServer(door, bell, way.context(), begin)
        logging.getLogger("uvicorn").setLevel(logging.WARNING)
        shown = f"[{address}]" if ":" in address else address
        log.info("serving", address=f"{'https' if way.tls else 'http'}://{shown}:{port}")
        # whoever started this and others prints one itself
        if context.parent is None or context.parent.params["supervised_by"] is None:
            typer.echo(greeting(store, way.base))
        server.run(sockets=[listener])
        if server.broken:
            raise BrokenError("the API broke down: start this again, and see its log")
