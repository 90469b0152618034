"""From a name or a path to verified bytes. Nothing that was not hashed is ever loaded."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from models.errors import MissingWeights, UnknownModel, WrongHash
from models.manifest import (
    MODEL_MAX_BYTES,
    AnyEntry,
    load_manifest,
    read_sidecar,
    sidecar_path,
)

__all__ = [
    "VerifiedModel",
    "cache_folder",
    "cached_path",
    "is_present",
    "known",
    "load",
    "load_manifest",
    "resolve",
    "verify",
]

FOLDER_VARIABLE = "MATAKOTA_MODELS"


@dataclass(frozen=True, slots=True)
class VerifiedModel:
    """A model's entry and the bytes that were checked against it."""

    entry: AnyEntry
    content: bytes

    def __repr__(self) -> str:
        return f"VerifiedModel({self.entry.name}, {len(self.content)} bytes)"


def cache_folder(environment: Mapping[str, str]) -> Path:
    """The folder of pulled weights, which may as well be filled by hand: ``MATAKOTA_MODELS``, or
    ``matakota/models`` in the user's cache."""
    if environment.get(FOLDER_VARIABLE):
        return Path(os.path.expanduser(environment[FOLDER_VARIABLE]))
    return user_cache(environment) / "models"


def user_cache(environment: Mapping[str, str]) -> Path:
    """Where this program keeps what it fetched for its user. Nobody's home (in a container, say)
    is a folder for temporary files: what lies there is verified before use anyway."""
    base = Path(environment.get("XDG_CACHE_HOME", ""))
    # the XDG specification says to ignore a relative path
    if not base.is_absolute():
        home = os.path.expanduser("~")
        base = Path(tempfile.gettempdir()) if home == "~" else Path(home) / ".cache"
    return base / "matakota"


def cached_path(entry: AnyEntry, cache: Path) -> Path:
    """Where the weights of an entry with an address are kept."""
    return cache / f"{entry.name}.onnx"


def is_present(entry: AnyEntry, cache: Path) -> bool:
    """Whether the weights are on this machine; their bytes are not looked at."""
    return _place(entry, cache).is_file()


def known(name: str) -> AnyEntry:
    """The manifest's entry of that name. Raises UnknownModel listing the known names."""
    manifest = load_manifest()
    if name not in manifest:
        raise UnknownModel(
            f"no model is called '{name}': the known ones are {', '.join(manifest)}, "
            "or give the path of an .onnx file"
        )
    return manifest[name]


def resolve(name_or_path: str, *, cache: Path) -> VerifiedModel:
    """The verified bytes of a model in the manifest, or of a file that describes itself.

    A name is looked for in the package's weights or in ``cache``. A path is accepted when its
    sidecar ``FILE.yaml`` states its fields, or when its sha256 stands in the manifest. Raises
    UnknownModel, MissingWeights, WrongHash or ManifestError.
    """
    manifest = load_manifest()
    if name_or_path in manifest:
        return load(manifest[name_or_path], cache=cache)
    path = Path(name_or_path)
    if not path.name or (path.suffix != ".onnx" and not path.exists()):
        known(name_or_path)
    sidecar = read_sidecar(path)
    content = _read(path, sidecar.size if sidecar else MODEL_MAX_BYTES)
    if sidecar is not None:
        return verify(sidecar, content, str(path))
    sha256 = hashlib.sha256(content).hexdigest()
    for entry in manifest.values():
        if entry.sha256 == sha256:
            return VerifiedModel(entry, content)
    raise UnknownModel(
        f"nothing describes {path}: write {sidecar_path(path)} with sha256 {sha256}, "
        f"size {len(content)} and the other fields of docs/models.md"
    )


def load(entry: AnyEntry, *, cache: Path) -> VerifiedModel:
    """The verified bytes of a manifest entry. Raises MissingWeights or WrongHash."""
    place = _place(entry, cache)
    if not place.is_file():
        raise MissingWeights(_how_to_get(entry, cache))
    return verify(entry, _read(place, entry.size), str(place))


def verify(entry: AnyEntry, content: bytes, place: str) -> VerifiedModel:
    """The model, when its bytes are those that the entry states. Raises WrongHash."""
    actual = hashlib.sha256(content).hexdigest()
    if actual != entry.sha256:
        raise WrongHash(
            f"{place} is not {entry.name} as stated: expected sha256 {entry.sha256}, "
            f"found {actual}; get the file again, or correct its entry"
        )
    return VerifiedModel(entry, content)


def _place(entry: AnyEntry, cache: Path) -> Traversable:
    if entry.file is not None:
        return resources.files("models").joinpath("weights", entry.file)
    return cached_path(entry, cache)


def _how_to_get(entry: AnyEntry, cache: Path) -> str:
    if entry.file is not None:
        return f"the weights of {entry.name} are missing from this installation: install it again"
    return (
        f"the weights of {entry.name} are not on this machine: run 'matakota models pull "
        f"{entry.name}', or put the file at {cached_path(entry, cache)}"
    )


def _read(place: Traversable, limit: int) -> bytes:
    """The file's bytes, at most one more than ``limit``: a larger file is refused unread."""
    try:
        with place.open("rb") as file:
            content: bytes = file.read(limit + 1)
    except OSError as error:
        raise MissingWeights(
            f"{place} cannot be read ({error.strerror}): check the path and its permissions"
        ) from error
    if len(content) > limit:
        raise WrongHash(f"{place} is larger than the stated {limit} bytes: it is another file")
    return content
