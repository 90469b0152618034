"""``matakota serve``: the API, and what moves messages from Redis into its store."""

from __future__ import annotations

import logging
import os
import socket
from contextlib import ExitStack
from ipaddress import ip_address
from types import FrameType
from typing import Annotated, Final

import structlog
import typer
import uvicorn

from api.app import create_app
from api.auth import Door
from api.bell import Bell
from api.cli.options import DataOption
from api.ingest import Ingest
from api.store import Store
from streams.bus import RedisBus
from streams.settings import Settings
from vision.errors import BrokenError, BusGoneError, ServiceError

BACKLOG: Final = 2048
GRACE_S: Final = 3
"""What is being answered when the end comes may take so long."""
IDLE_S: Final = 5
"""A connection without a request is closed after this."""

log = structlog.get_logger()


class _Server(uvicorn.Server):
    """Ends event streams as soon as its own end is asked for, which would otherwise wait."""

    def __init__(self, door: Door, bell: Bell) -> None:
        super().__init__(
            uvicorn.Config(
                door,
                access_log=False,
                log_config=None,
                # Who asks is who is connected; a header may say anything.
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=GRACE_S,
                timeout_keep_alive=IDLE_S,
            )
        )
        self._bell = bell
        self.broken = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self._bell.close()

    def give_up(self) -> None:
        """End, since the ingest is gone."""
        self.broken = True
        self.should_exit = True
        self._bell.close()


def serve(
    host: Annotated[
        str, typer.Option(help="Where to listen; other machines may ask if it is not loopback.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Where to listen; 0 for any free port.", min=0, max=65535)
    ] = 8080,
    data: DataOption = None,
) -> None:
    """Serve the API and store what workers send, until it is ended."""
    settings = Settings.read(os.environ, data)
    with ExitStack() as stack:
        bus = RedisBus(settings.redis())
        stack.callback(bus.close)
        listener = stack.enter_context(_listen(host, port))
        address, port = listener.getsockname()[:2]
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
        everywhere = not ip_address(address).is_loopback
        server = _Server(create_app(store, bell, ingest, everywhere=everywhere), bell)
        logging.getLogger("uvicorn").setLevel(logging.WARNING)
        stack.callback(ingest.stop)
        ingest.start()
        shown = f"[{address}]" if ":" in address else address
        log.info("serving", address=f"http://{shown}:{port}")
        server.run(sockets=[listener])
        if server.broken:
            raise BrokenError("the ingest broke down: start this again, and see its log")


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises ServiceError where the address is taken or not ours."""
    try:
        (family, kind, protocol, _, where), *_ = socket.getaddrinfo(
            host, port, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
        )
        # The protocol is named, since asyncio sends small answers at once only where it is: each
        # would take 40 ms more.
        listener = socket.socket(family, kind, protocol)
        with ExitStack() as undo:
            undo.callback(listener.close)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind(where)
            listener.listen(BACKLOG)
            undo.pop_all()
    except (OSError, UnicodeError) as error:
        number = getattr(error, "errno", None) or 0
        # a host that cannot be found has no number of the system
        why = os.strerror(number).lower() if number > 0 else "there is no such host"
        raise ServiceError(
            f"cannot listen at {host} port {port} ({why}): choose another --host or --port, or end "
            "what listens there"
        ) from None
    return listener
