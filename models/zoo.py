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

from models.cpu import sums_byte_products
from models.errors import MissingWeights, UnknownModel, WrongHash
from models.fields import MODEL_MAX_BYTES
from models.manifest import (
    AnyEntry,
    ModelEntry,
    load_manifest,
    read_sidecar,
    sidecar_path,
)

__all__ = [
    "Stated",
    "VerifiedModel",
    "cache_folder",
    "cached_path",
    "is_present",
    "known",
    "load",
    "load_manifest",
    "resolve",
    "resolve_all",
    "stated",
    "suited",
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


@dataclass(frozen=True, slots=True)
class Stated:
    """What the bytes of one file of an entry must be; ``file`` is None where it has an address."""

    file: str | None
    sha256: str
    size: int


def stated(entry: AnyEntry) -> tuple[Stated, ...]:
    """The files of an entry: its own, and where it is quantised the one with weights of 7 bits."""
    own = Stated(entry.file, entry.sha256, entry.size)
    if not isinstance(entry, ModelEntry) or entry.reduced is None:
        return (own,)
    other = entry.reduced
    return own, Stated(other.file, other.sha256, other.size)


def suited(entry: AnyEntry, reduced: bool | None = None) -> Stated:
    """The file of an entry that this machine's processor computes rightly, or the one asked for."""
    files = stated(entry)
    return files[-1] if (not sums_byte_products() if reduced is None else reduced) else files[0]


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
    return all(_place(entry, each, cache).is_file() for each in stated(entry))


def known(name: str) -> AnyEntry:
    """The manifest's entry of that name. Raises UnknownModel listing the known names."""
    manifest = load_manifest()
    if name not in manifest:
        raise UnknownModel(
            f"no model is called '{name}': the known ones are {', '.join(manifest)}, "
            "or give the path of an .onnx file"
        )
    return manifest[name]


def resolve(name_or_path: str, *, cache: Path, reduced: bool | None = None) -> VerifiedModel:
    """The verified bytes of a model in the manifest, or of a file that describes itself.

    A name is looked for in the package's weights or in ``cache``. A path is accepted when its
    sidecar ``FILE.yaml`` states its fields, or when its sha256 stands in the manifest. Of a
    quantised model it is the file for this machine's processor, or the one that ``reduced`` asks
    for; a copy without sidecar is looked for its second file beside it. Raises UnknownModel,
    MissingWeights, WrongHash or ManifestError.
    """
    manifest = load_manifest()
    if name_or_path in manifest:
        return load(manifest[name_or_path], cache=cache, reduced=reduced)
    path = Path(name_or_path)
    if not path.name or (path.suffix != ".onnx" and not path.exists()):
        known(name_or_path)
    sidecar = read_sidecar(path)
    if sidecar is not None:
        wanted = suited(sidecar, reduced)
        place = path.with_name(wanted.file or path.name)
        return verify(sidecar, _read(place, wanted.size), str(place), wanted)
    content = _read(path, MODEL_MAX_BYTES)
    sha256 = hashlib.sha256(content).hexdigest()
    for entry in manifest.values():
        if any(each.sha256 == sha256 for each in stated(entry)):
            return _copied(entry, path, content, sha256, suited(entry, reduced))
    raise UnknownModel(
        f"nothing describes {path}: write {sidecar_path(path)} with sha256 {sha256}, "
        f"size {len(content)} and the other fields of docs/models.md"
    )


def _copied(
    entry: AnyEntry, path: Path, content: bytes, sha256: str, wanted: Stated
) -> VerifiedModel:
    """A copy of a file of the manifest, or what lies beside it. Weights of 7 bits do everywhere."""
    if sha256 in (wanted.sha256, stated(entry)[-1].sha256) or wanted.file is None:
        return VerifiedModel(entry, content)
    place = path.with_name(wanted.file)
    if not place.is_file():
        raise MissingWeights(
            f"{path} can overflow on a processor that does not sum products of bytes in 32 bits: "
            f"name the model '{entry.name}' instead, or put its second file at {place}"
        )
    return verify(entry, _read(place, wanted.size), str(place), wanted)


def resolve_all(name_or_path: str, *, cache: Path) -> tuple[tuple[Stated, VerifiedModel], ...]:
    """Each file of what ``resolve`` finds with its verified bytes; of a copy without sidecar, those
    that are there. Raises what ``resolve`` does."""
    own = resolve(name_or_path, cache=cache, reduced=False)
    found = [own]
    if len(stated(own.entry)) > 1:
        found.append(resolve(name_or_path, cache=cache))
        with_second = name_or_path in load_manifest() or read_sidecar(Path(name_or_path))
        second = stated(own.entry)[-1].file
        if with_second or (second and Path(name_or_path).with_name(second).is_file()):
            found.append(resolve(name_or_path, cache=cache, reduced=True))
    read = {hashlib.sha256(each.content).hexdigest(): each for each in found}
    return tuple((each, read[each.sha256]) for each in stated(own.entry) if each.sha256 in read)


def load(entry: AnyEntry, *, cache: Path, reduced: bool | None = None) -> VerifiedModel:
    """The verified bytes of a manifest entry: see ``resolve``. Raises MissingWeights or
    WrongHash."""
    wanted = suited(entry, reduced)
    place = _place(entry, wanted, cache)
    if not place.is_file():
        raise MissingWeights(_how_to_get(entry, cache))
    return verify(entry, _read(place, wanted.size), str(place), wanted)


def verify(
    entry: AnyEntry, content: bytes, place: str, wanted: Stated | None = None
) -> VerifiedModel:
    """The model, when its bytes are those that the entry states of its file, or of ``wanted``.
    Raises WrongHash."""
    expected, actual = (wanted or stated(entry)[0]).sha256, hashlib.sha256(content).hexdigest()
    if actual != expected:
        raise WrongHash(
            f"{place} is not {entry.name} as stated: expected sha256 {expected}, "
            f"found {actual}; get the file again, or correct its entry"
        )
    return VerifiedModel(entry, content)


def _place(entry: AnyEntry, wanted: Stated, cache: Path) -> Traversable:
    if wanted.file is not None:
        return resources.files("models").joinpath("weights", wanted.file)
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
