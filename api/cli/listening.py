"""Where a server of ours listens."""

from __future__ import annotations

import os
import socket
from contextlib import ExitStack
from typing import Final

from vision.errors import ServiceError

BACKLOG: Final = 2048
STALLED_MS: Final = 30_000
"""A client that takes nothing for so long is cut off, with all that waits for it."""


def listen(host: str, port: int) -> socket.socket:
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
            # whoever connects inherits it; macOS has no such thing
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STALLED_MS)
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
