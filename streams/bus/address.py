"""The address of a Redis, and what its refusals mean to people. Neither ever shows a login."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl, urlsplit

from vision.errors import BusError

PORT = 6379
URL_HINT: Final = "set MATAKOTA_REDIS_URL to redis://HOST:6379/0, rediss://… or unix:///PATH"

_OPTIONS: Final = {
    "db", "username", "password", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile",
    "ssl_cert_reqs", "ssl_check_hostname",
}  # fmt: skip
_SECURE: Final = {name for name in _OPTIONS if name.startswith("ssl_")}

_LOGIN: Final = "refuses the login: correct user and password in MATAKOTA_REDIS_URL"
_RIGHTS: Final = "does not allow this user a command that is needed: widen its ACL"
_LOADING: Final = "is still loading its data: wait, it is tried again"
_FULL: Final = (
    "has no memory left and takes nothing new: raise its 'maxmemory', or look why messages are "
    "not taken"
)
_REPLICA: Final = "is a replica, which takes no messages: name its primary in MATAKOTA_REDIS_URL"
_UNKNOWN: Final = "cannot be found: correct the host in MATAKOTA_REDIS_URL, or check the DNS"
_REFUSES: Final = "refuses a command: look at its log"
_GONE: Final = (
    "does not answer: check that it runs, its host and port, whether it wants rediss:// for TLS, "
    "and the network"
)

_MEANINGS: Final = {
    "AUTH": _LOGIN,
    "Authentication required": _LOGIN,
    "username-password": _LOGIN,
    "invalid password": _LOGIN,
    "NOPERM": _RIGHTS,
    "has no permissions": _RIGHTS,
    "LOADING": _LOADING,
    "loading the dataset": _LOADING,
    "OOM": _FULL,
    "'maxmemory'": _FULL,
    "READONLY": _REPLICA,
    "read only replica": _REPLICA,
    "MISCONF": "cannot write its data to its disk and takes nothing new: look at its log",
    "WRONGTYPE": "holds other things under our names: give us a database number of our own",
    "DB index": "has no database of that number: correct the end of MATAKOTA_REDIS_URL",
    "max number of clients": "has too many clients: raise its 'maxclients'",
    "Protocol Error": "is no Redis: correct host and port in MATAKOTA_REDIS_URL",
    "SSL": "cannot be reached over TLS: check its certificate, and whether rediss:// is meant",
    "not known": _UNKNOWN,
    "name resolution": _UNKNOWN,
    "No address": _UNKNOWN,
}
"""Words of an error, and the sentence that follows the address; the first that fits is said."""


def bus_address(url: str) -> str:
    """``url`` without its login, for messages. Raises BusError where it cannot be right."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host.encode("idna")
        options = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise BusError(
            f"the address of Redis cannot be read: {URL_HINT}, and write '%40' for '@', '%2F' for "
            "'/' and '%23' for '#' in a password"
        ) from None
    if parts.scheme not in {"redis", "rediss", "unix"}:
        raise BusError(f"the address of Redis is neither redis:// nor rediss://: {URL_HINT}")
    allowed = _OPTIONS if parts.scheme == "rediss" else _OPTIONS - _SECURE
    if any(name not in allowed for name, _ in options):
        raise BusError(
            f"the address of Redis has an option that {parts.scheme}:// does not know: leave it "
            f"out, or use {', '.join(sorted(allowed))}"
        )
    if parts.scheme == "unix":
        if not parts.path.strip("/"):
            raise BusError(f"the address of Redis has no path to its socket: {URL_HINT}")
        return f"unix://{parts.path}"
    number = parts.path.strip("/")
    if (
        not host
        or " " in host
        or port == 0
        or parts.fragment
        or not (number == "" or number.isdecimal())
    ):
        raise BusError(
            f"the address of Redis needs a host, a port and a database number: {URL_HINT}"
        )
    shown = f"[{host}]" if ":" in host else host
    end = f"/{number}" if number else ""
    return f"{parts.scheme}://{shown}:{PORT if port is None else port}{end}"


def what_is_wrong(said: str, *, answered: bool) -> str:
    """What an error text means and what to do, to follow the address. Repeats none of it: a
    server's answer (``answered``) may repeat what it was sent."""
    known = (meaning for words, meaning in _MEANINGS.items() if words in said)
    return next(known, _REFUSES if answered else _GONE)
