"""Fetches published files over https. A file appears under its name only whole and verified."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx

from models.errors import PullError, WrongHash
from models.manifest import AnyEntry
from models.zoo import cached_path, known, load

ATTEMPTS = 4
FIRST_PAUSE_SECONDS = 0.5
MAX_REDIRECTS = 5
TIMEOUT_SECONDS = 30.0
_MAY_PASS = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses after which another attempt is worth it."""


class _PassingError(Exception):
    """A server's answer that may be another one in a moment."""


@dataclass(frozen=True, slots=True)
class Download:
    """A published file: its name in messages, its https address, and what its bytes must be."""

    name: str
    address: str
    sha256: str
    size: int


def pull(
    name: str,
    cache: Path,
    client: httpx.Client | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> Path:
    """Fetch the weights of a model in the manifest. See ``fetch``; raises UnknownModel too."""
    return fetch(known(name), cache, client, pause)


def fetch(
    entry: AnyEntry,
    cache: Path,
    client: httpx.Client | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> Path:
    """Fetch the weights of an entry into ``cache`` and return their path.

    Weights that are there and right are left alone; embedded weights need no fetching and raise
    PullError. Otherwise see ``download``.
    """
    if entry.address is None:
        raise PullError(f"the weights of {entry.name} are part of this installation already")
    target = cached_path(entry, cache)
    # a damaged file is fetched again, a right one is not
    with contextlib.suppress(WrongHash):
        if target.is_file():
            load(entry, cache=cache)
            return target
    wanted = Download(entry.name, entry.address, entry.sha256, entry.size)
    download(wanted, target, client, pause)
    return target


def download(
    wanted: Download,
    target: Path,
    client: httpx.Client | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Fetch a published file to ``target``, whole and verified or not at all.

    At most four attempts with growing, random pauses (seconds, through ``pause``); only https,
    also after a redirect. Raises WrongHash, or PullError naming the address.
    """
    with contextlib.ExitStack() as stack:
        if client is None:
            client = stack.enter_context(httpx.Client(timeout=TIMEOUT_SECONDS))
        try:
            _attempts(wanted, target, client, pause)
        except OSError as error:
            raise PullError(f"{target} cannot be written: {error.strerror or error}") from error


def _attempts(
    wanted: Download, target: Path, client: httpx.Client, pause: Callable[[float], None]
) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with _new_file(target) as file:
                _receive(wanted, client, file)
            return
        except (httpx.TransportError, _PassingError) as error:
            if attempt == ATTEMPTS:
                reason = str(error) or type(error).__name__
                raise PullError(
                    f"{wanted.address} could not be fetched in {ATTEMPTS} attempts ({reason}): "
                    f"try again later, or put the file at {target}"
                ) from error
            pause(FIRST_PAUSE_SECONDS * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise PullError(f"{wanted.address} could not be fetched: {error}") from error


@contextlib.contextmanager
def _new_file(target: Path) -> Iterator[IO[bytes]]:
    """A file that takes the target's name when all went well, and vanishes otherwise."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(
            tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False)
        )
        # gone already after the rename
        stack.callback(Path(file.name).unlink, missing_ok=True)
        yield file.file
        file.flush()
        os.fsync(file.fileno())
        os.replace(file.name, target)


def _receive(wanted: Download, client: httpx.Client, file: IO[bytes]) -> None:
    digest, received = hashlib.sha256(), 0
    with _open(wanted.address, client) as response:
        for chunk in response.iter_bytes():
            received += len(chunk)
            if received > wanted.size:
                raise PullError(
                    f"{wanted.address} sends more than the stated {wanted.size} bytes: "
                    "it is another file"
                )
            digest.update(chunk)
            file.write(chunk)
    if digest.hexdigest() != wanted.sha256:
        raise WrongHash(
            f"{wanted.address} is not {wanted.name} as stated: expected sha256 {wanted.sha256}, "
            f"found {digest.hexdigest()} in {received} bytes; nothing was kept"
        )


@contextlib.contextmanager
def _open(address: str, client: httpx.Client) -> Iterator[httpx.Response]:
    """The answer at the end of the redirects, every one of which must be https."""
    request: httpx.Request | None = client.build_request(
        "GET", address, headers={"Accept-Encoding": "identity"}
    )
    for _ in range(MAX_REDIRECTS + 1):
        if request is None:
            break
        if request.url.scheme != "https":
            # without its path: a redirect's query may hold a signature
            place = f"{request.url.scheme}://{request.url.host}"
            raise PullError(f"{address} leads to {place}, which is not https: refused")
        response = client.send(request, stream=True, follow_redirects=False)
        try:
            if response.is_success:
                yield response
                return
            if response.status_code in _MAY_PASS:
                raise _PassingError(f"HTTP status {response.status_code}")
            if not response.has_redirect_location:
                raise PullError(
                    f"{address} answers with HTTP status {response.status_code}: "
                    f"put the file at its place in the cache by other means"
                )
            request = response.next_request
        finally:
            response.close()
    raise PullError(f"{address} redirects more than {MAX_REDIRECTS} times")
