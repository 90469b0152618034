"""One picture from an address, to see whether a camera works there."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from streams.address import parse_address
from streams.commands import Tried
from streams.config import SYNTHETIC, Credential, Network
from streams.health import SENTENCES, Code, State
from streams.rtsp.forkserver import ForkServer
from streams.rtsp.source import RtspSource
from streams.yamlfile import shortened
from vision.errors import CameraError

SLICE_S = 0.5


def try_address(
    source: str,
    credential: Credential | None,
    *,
    networks: Sequence[Network],
    forkserver: ForkServer,
    timeout_s: float,
    stop: threading.Event,
) -> Tried:
    """What comes of connecting to ``source``, an address or ``synthetic``, for up to ``timeout_s``
    seconds, or until ``stop``. Never raises for what is wrong with it: the answer says that."""
    if source == SYNTHETIC:
        return Tried(ok=True, code=None, message="synthetic, no real camera")
    try:
        address = parse_address(source)
    except CameraError as error:
        return Tried(ok=False, code=Code.ADDRESS_REFUSED, message=str(error))
    end_s = time.monotonic() + timeout_s
    with RtspSource(
        "tried", address, credential, networks=networks, fps=None, forkserver=forkserver
    ) as camera:
        while (left_s := end_s - time.monotonic()) > 0 and not stop.is_set():
            frame = camera.next(min(left_s, SLICE_S))
            if frame is not None:
                width, height = frame.size
                # some cameras have their login in the query
                shown, *_ = str(address).partition("?")
                shown = f"{shortened(shown)} shows {width}x{height}"
                return Tried(ok=True, code=None, message=shown, width=width, height=height)
            if camera.health.state is State.DOWN:
                break
        code = camera.health.code
    message = f"no picture within {timeout_s:g} s" if code is None else SENTENCES[code]
    return Tried(ok=False, code=code, message=message)


def unknown_login() -> Tried:
    """The answer for a login that nobody here knows."""
    code = Code.LOGIN_UNKNOWN
    return Tried(ok=False, code=code, message=SENTENCES[code])
