"""The file of secrets: addresses and keys that open channels, for its owner alone."""

from __future__ import annotations

import base64
import binascii
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from streams.yamlfile import Item, one_line, read_yaml
from vision.errors import ConfigError

SIGNING: Final = "whsec_"
MIN_KEY_BYTES, MAX_KEY_BYTES = 24, 64
"""Of the key to sign with, as Standard Webhooks has it."""
MAX_URL_CHARS: Final = 4000
_FIELDS: Final = ("url", "secret")


@dataclass(frozen=True, slots=True)
class ChannelSecret:
    """What opens a channel: the whole ``url`` of an apprise channel, or the ``secret`` with which
    a webhook's messages are signed (``whsec_…``). Its text shows neither."""

    url: str | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)


def load_secrets(path: Path) -> Mapping[str, ChannelSecret]:
    """Name of a channel to its secret. Raises ConfigError, also for a file that others may read; no
    message repeats what is in it but the names."""
    if not path.exists():
        label = one_line(str(path))
        raise ConfigError(
            f"{label}: there is no such file of secrets: make it with 'touch {label} && chmod 600 "
            f"{label}', and write in it what opens each channel (docs/alerting.md says how)"
        )
    top = read_yaml(path, ConfigError, hidden=True)
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        raise ConfigError(f"{top.label}: the file is gone; put it back") from None
    if mode & 0o077:
        raise ConfigError(
            f"{top.label}: others on this machine may read the secrets (mode {mode:04o}): "
            f"run 'chmod 600 {top.label}'"
        )
    return {name: _secret(item) for name, item in top.mapping().items()}


def signing_key(secret: str) -> bytes:
    """The key in a secret as the Standard Webhooks specification writes it: ``whsec_`` and base64.
    Raises ConfigError, which repeats nothing of it."""
    try:
        key = base64.b64decode(secret.removeprefix(SIGNING), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not secret.startswith(SIGNING) or not MIN_KEY_BYTES <= len(key) <= MAX_KEY_BYTES:
        raise ConfigError(
            f"it is no signing secret; write '{SIGNING}' and base64 of {MIN_KEY_BYTES} to "
            f"{MAX_KEY_BYTES} bytes"
        )
    return key


def _secret(item: Item) -> ChannelSecret:
    fields = item.mapping()
    item.refuse_unknown(fields, _FIELDS)
    if len(fields) != 1:
        item.fail("a channel has either a 'url' or a 'secret'; write the one that it needs")
    for field_item in fields.values():
        text = field_item.secret()
        if not text.isprintable() or not 0 < len(text) <= MAX_URL_CHARS or text != text.strip():
            field_item.fail(
                f"it is empty, has blanks at its ends, or more than {MAX_URL_CHARS} characters; "
                "write it in one line"
            )
    if "url" in fields:
        return ChannelSecret(url=fields["url"].secret())
    return ChannelSecret(secret=_signing(fields["secret"]))


def _signing(item: Item) -> str:
    text = item.secret()
    try:
        signing_key(text)
    except ConfigError as error:
        item.fail(str(error))
    return text
