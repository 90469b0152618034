"""The key that signs what is let go: a file of the data folder, for its owner alone."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from api.evidence.refusals import KeyGoneError

PRIVATE: Final = 0o600


class KeyFile:
    """An Ed25519 key in ``path``. Everything raises KeyGoneError."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def begin(self) -> str:
        """The public key, in hex, of a key that is made now if there is no file."""
        if not self._path.exists():
            self._make()
        return self.public()

    def public(self) -> str:
        """In hex."""
        return self._load().public_key().public_bytes_raw().hex()

    def sign(self, message: bytes, public: str | None) -> str:
        """The signature, in hex, by the key whose public half is ``public``."""
        key = self._load()
        if key.public_key().public_bytes_raw().hex() != public:
            raise KeyGoneError(
                f"the key in {self._path} is not the one that the chain of evidence began with: "
                "restore that one from a backup; until then nothing is deleted"
            )
        return key.sign(message).hex()

    def _load(self) -> Ed25519PrivateKey:
        try:
            key = load_pem_private_key(self._path.read_bytes(), None)
        except OSError as error:
            raise KeyGoneError(
                f"the key in {self._path} cannot be read ({(error.strerror or 'error').lower()}): "
                "restore it from a backup; until then nothing is deleted"
            ) from None
        except (ValueError, TypeError):
            key = None
        if not isinstance(key, Ed25519PrivateKey):
            raise KeyGoneError(
                f"{self._path} holds no Ed25519 key: restore it from a backup; until then nothing "
                "is deleted"
            )
        return key

    def _make(self) -> None:
        key = Ed25519PrivateKey.generate()
        content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        beside = self._path.with_name(f"{self._path.name}.{secrets.token_hex(8)}")
        try:
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
            with open(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            # whole or not at all, and never over another one
            with contextlib.suppress(FileExistsError):
                os.link(beside, self._path)
        except OSError as error:
            raise KeyGoneError(
                f"no key can be made in {self._path} ({(error.strerror or 'error').lower()}): free "
                "some space, and check the rights of its folder"
            ) from None
        finally:
            with contextlib.suppress(OSError):
                os.unlink(beside)


def is_signed(message: bytes, signature: str, public: str) -> bool:
    """Whether this signature of the message is by that key; both in hex."""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
        key.verify(bytes.fromhex(signature), message)
    except (ValueError, InvalidSignature):
        return False
    return True
