"""What the environment says about a sign-in service (OpenID Connect), all of it or nothing."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Literal, Self, TypeAlias, cast
from urllib.parse import urlsplit

from vision.errors import ConfigError

Claim: TypeAlias = Literal["email", "preferred_username"]
CLAIMS: Final = ("email", "preferred_username")
ISSUER_VARIABLE: Final = "MATAKOTA_OIDC_ISSUER"
CLIENT_VARIABLE: Final = "MATAKOTA_OIDC_CLIENT_ID"
SECRET_VARIABLE: Final = "MATAKOTA_OIDC_CLIENT_SECRET_FILE"  # noqa: S105
NAME_VARIABLE: Final = "MATAKOTA_OIDC_NAME"
CLAIM_VARIABLE: Final = "MATAKOTA_OIDC_CLAIM"
BASE_VARIABLE: Final = "MATAKOTA_BASE_URL"
_NEEDED: Final = (ISSUER_VARIABLE, CLIENT_VARIABLE, SECRET_VARIABLE, BASE_VARIABLE)
_OWN: Final = (ISSUER_VARIABLE, CLIENT_VARIABLE, SECRET_VARIABLE, NAME_VARIABLE, CLAIM_VARIABLE)
MAX_SECRET_BYTES: Final = 4096
MAX_NAME_CHARS: Final = 60


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """``issuer`` names the service, exactly as it names itself; ``base_url`` is how browsers reach
    this server, without a '/' at its end; ``name`` what people call the service, and ``claim`` what
    it tells of them that an administrator can know beforehand."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    base_url: str
    name: str
    claim: Claim = "email"

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self | None:
        """The settings in ``environ``, where an empty variable counts as none; None where nothing
        is said about a sign-in service. Raises ConfigError."""
        given = {name: environ[name] for name in (*_OWN, BASE_VARIABLE) if environ.get(name)}
        if not given.keys() & set(_OWN):
            return None
        missing = [name for name in _NEEDED if name not in given]
        if missing:
            raise ConfigError(
                f"a sign-in service is named, but {' and '.join(missing)} "
                f"{'is' if len(missing) == 1 else 'are'} missing: set "
                f"{'it' if len(missing) == 1 else 'them'}, or none of {', '.join(_OWN)}"
            )
        issuer = _address(given, ISSUER_VARIABLE)
        base = _address(given, BASE_VARIABLE).rstrip("/")
        if urlsplit(base).path:
            raise ConfigError(
                f"{BASE_VARIABLE} has a path: name the server alone, such as "
                "https://matakota.example"
            )
        claim = given.get(CLAIM_VARIABLE, "email")
        if claim not in CLAIMS:
            raise ConfigError(f"{CLAIM_VARIABLE} {claim!a} is unknown: use {' or '.join(CLAIMS)}")
        name = given.get(NAME_VARIABLE) or urlsplit(issuer).hostname or issuer
        if len(name) > MAX_NAME_CHARS or not name.isprintable():
            raise ConfigError(
                f"{NAME_VARIABLE} is no name: write up to {MAX_NAME_CHARS} characters in one line"
            )
        client = given[CLIENT_VARIABLE]
        if not _is_plain(client):
            raise ConfigError(f"{CLIENT_VARIABLE} is no client id: copy it from the service")
        secret = _secret(Path(os.path.expanduser(given[SECRET_VARIABLE])))
        return cls(issuer, client, secret, base, name, cast("Claim", claim))


def is_safe(address: str, *, plain: bool) -> bool:
    """Whether this is an address that is asked by encrypted ways only; ``plain`` lets this machine
    ask itself without."""
    if not _is_plain(address) or " " in address:
        return False
    try:
        parts = urlsplit(address)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or parts.password is not None or parts.fragment:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and plain and is_loopback(host))


def is_loopback(host: str) -> bool:
    """Whether a host's name leads nowhere but to this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _address(given: Mapping[str, str], name: str) -> str:
    address = given[name]
    if not is_safe(address, plain=True) or urlsplit(address).query:
        raise ConfigError(
            f"{name} is no address that can be used: write one such as https://host.example, "
            "without '?' and '#'; http:// is for this machine alone"
        )
    return address


def _secret(path: Path) -> str:
    """What a private file holds. Raises ConfigError, which says nothing of it."""
    label = ascii(str(path))
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            data = file.read(MAX_SECRET_BYTES + 1)
    except (OSError, ValueError) as error:
        why = (getattr(error, "strerror", None) or "no such name").lower()
        raise ConfigError(
            f"{SECRET_VARIABLE}: {label} cannot be read ({why}): check the path"
        ) from None
    if mode & 0o077:
        raise ConfigError(
            f"{SECRET_VARIABLE}: others on this machine may read {label} (mode {mode:04o}): run "
            f"'chmod 600 {path}'"
        )
    text = data.decode("latin-1").strip("\r\n")
    if not text or len(data) > MAX_SECRET_BYTES or not _is_plain(text):
        raise ConfigError(
            f"{SECRET_VARIABLE}: {label} holds no client secret: put into it what the service "
            "shows, in one line"
        )
    return text
