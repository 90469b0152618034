"""The sample clips: what ships with the program, what must be fetched, and where it lies here."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Self

import httpx
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from models.pull import Download, download
from models.zoo import user_cache
from vision.errors import SampleError

MIRROR_VARIABLE = "MATAKOTA_SAMPLES"


class Sample(BaseModel):
    """One clip. ``file`` is its place in ``samples/`` or in a mirror, ``address`` where it is
    published if it does not ship; ``source_fps`` is its true rate where the header lies;
    ``scene`` and ``expect`` are files of ``samples/`` that go with it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    title: str
    file: str = Field(pattern=r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*\.(mp4|avi)$")
    address: str | None = Field(default=None, pattern="^https://")
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size: int = Field(gt=0)
    licence: str
    source: str
    source_fps: str | None = None
    scene: str | None = None
    expect: str | None = None

    @model_validator(mode="after")
    def _shipped_or_published(self) -> Self:
        if self.shipped == (self.address is not None):
            raise ValueError("a clip either lies in clips/ or has an address")
        return self

    @property
    def shipped(self) -> bool:
        """Does it come with the program?"""
        return self.file.startswith("clips/")


@dataclass(frozen=True, slots=True)
class Places:
    """Where clips may lie on this machine: ``mirror`` is a folder that somebody filled (None:
    there is none), ``cache`` is where fetched ones go."""

    mirror: Path | None
    cache: Path

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """The mirror of ``MATAKOTA_SAMPLES`` and the user's cache folder."""
        mirror = environment.get(MIRROR_VARIABLE)
        folder = Path(os.path.expanduser(mirror)) if mirror else None
        return cls(folder, user_cache(environment) / "samples")


@cache
def load_samples() -> Mapping[str, Sample]:
    """Every sample of the manifest, by name. Raises SampleError where the manifest is wrong."""
    raw = yaml.safe_load((folder() / "manifest.yaml").read_text(encoding="utf-8"))
    try:
        found = {name: Sample(name=name, **entry) for name, entry in raw["clips"].items()}
    except ValidationError as error:
        raise SampleError(f"samples/manifest.yaml is wrong: {error.errors()[0]['msg']}") from error
    return MappingProxyType(found)


def folder() -> Path:
    """The folder of the ``samples`` package, wherever it is installed."""
    return Path(str(files("samples")))


def known(name: str) -> Sample:
    """The sample of that name; raises SampleError."""
    samples = load_samples()
    if name not in samples:
        raise SampleError(f"there is no sample '{name}': choose among {', '.join(samples)}")
    return samples[name]


def find(sample: Sample, places: Places) -> Path | None:
    """Where the clip lies, or None. Its bytes are not looked at."""
    candidates = [folder() / sample.file] if sample.shipped else []
    candidates += [base / sample.file for base in (places.mirror, places.cache) if base is not None]
    return next((path for path in candidates if path.is_file()), None)


def verified(sample: Sample, places: Places) -> Path:
    """Where the clip lies, its bytes checked. Raises SampleError where it is missing or differs."""
    path = find(sample, places)
    if path is None:
        raise SampleError(
            f"the clip of sample '{sample.name}' is not on this machine: run 'matakota samples "
            f"pull {sample.name}', or name a folder that holds {sample.file} in {MIRROR_VARIABLE}"
        )
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SampleError(f"{path} cannot be read: {error.strerror}; check its rights") from error
    if digest != sample.sha256:
        raise SampleError(
            f"{path} is not sample '{sample.name}' as stated: expected sha256 {sample.sha256}, "
            f"found {digest}; remove the file and pull it again"
        )
    return path


def pull(sample: Sample, places: Places, client: httpx.Client | None = None) -> Path:
    """Fetch the clip into the cache unless it is here already. Raises SampleError where a file
    here differs, PullError or WrongHash where it cannot be fetched as stated."""
    if sample.address is None or find(sample, places) is not None:
        return verified(sample, places)
    target = places.cache / sample.file
    wanted = Download(f"sample '{sample.name}'", sample.address, sample.sha256, sample.size)
    download(wanted, target, client)
    return target
