"""A city as a document: what the store keeps of it, the bus carries to workers, and people get
back as YAML. No login is in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from streams.address import DEFAULT_NETWORKS, RtspAddress, parse_address, parse_path
from streams.config import (
    DEFAULT_FPS,
    DEFAULT_MODEL,
    MAX_LATITUDE,
    MAX_LONGITUDE,
    SUBSTREAM_AUTO,
    SUBSTREAM_OFF,
    SYNTHETIC,
    CameraConfig,
    City,
)
from streams.messages import Name
from streams.yamlfile import looks_otherwise
from vision.errors import CameraError, ConfigError

FLOW_DEPTH = 2
"""Lists of points are written in one line each."""


Latitude = Annotated[float, Field(ge=-MAX_LATITUDE, le=MAX_LATITUDE)]
Longitude = Annotated[float, Field(ge=-MAX_LONGITUDE, le=MAX_LONGITUDE)]


class CameraDocument(BaseModel):
    """``CameraConfig`` in JSON values."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Name
    name: Name
    source: str
    login: str | None
    model: str
    fps: float | None
    worker: str | None
    scene: dict[str, JsonValue] | None
    revision: Annotated[int, Field(ge=0, lt=1 << 31)]
    position: tuple[Latitude, Longitude] | None = None
    substream: str | None = None

    @staticmethod
    def of(camera: CameraConfig) -> CameraDocument:
        return CameraDocument(
            id=camera.id,
            name=camera.name,
            source=str(camera.source),
            login=camera.login,
            model=camera.model,
            fps=camera.fps,
            worker=camera.worker,
            scene=None if camera.scene is None else dict(camera.scene),
            revision=camera.revision,
            position=camera.position,
            substream=camera.substream,
        )

    def camera(self) -> CameraConfig:
        """Raises CameraError for an address or a path that is none."""
        if self.substream not in (None, SUBSTREAM_AUTO, SUBSTREAM_OFF):
            parse_path(self.substream)
        address: RtspAddress | str = SYNTHETIC
        if self.source != SYNTHETIC:
            address = parse_address(self.source)
        fields: dict[str, Any] = dict(self) | {"source": address}
        return CameraConfig(**fields)


class CityDocument(BaseModel):
    """``City`` in JSON values. ``number`` rises by one with each change in the store."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: Annotated[int, Field(ge=0)]
    name: Name
    networks: tuple[str, ...]
    credentials: str | None
    cameras: tuple[CameraDocument, ...]

    @staticmethod
    def of(city: City, number: int) -> CityDocument:
        return CityDocument(
            number=number,
            name=city.name,
            networks=tuple(map(str, city.networks)),
            credentials=None if city.credentials is None else str(city.credentials),
            cameras=tuple(map(CameraDocument.of, city.cameras)),
        )

    def city(self) -> City:
        """Raises ConfigError for what no city gave."""
        try:
            return City(
                name=self.name,
                networks=tuple(map(ip_network, self.networks)),
                credentials=None if self.credentials is None else Path(self.credentials),
                cameras=tuple(camera.camera() for camera in self.cameras),
            )
        except (CameraError, ValueError) as error:
            raise ConfigError(f"the configuration cannot be used: {error}") from None


def encode_city(document: CityDocument) -> str:
    """The document as one line of JSON."""
    return document.model_dump_json()


def decode_city(body: str) -> CityDocument:
    """Raises ConfigError for anything that does not fit, such as that of another version."""
    try:
        return CityDocument.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise ConfigError(
            f"the configuration is of another version ({where}: {first['msg']}): run the same "
            "version everywhere"
        ) from None


def city_yaml(city: City) -> str:
    """The city as a file that ``load_city`` reads to the same; what is as by default is left
    out."""
    top: dict[str, object] = {"name": city.name}
    if city.networks != DEFAULT_NETWORKS:
        top["networks"] = list(map(str, city.networks))
    if city.credentials is not None:
        top["credentials"] = str(city.credentials)
    top["cameras"] = [_camera(camera) for camera in city.cameras]
    return yaml_of(top)


def yaml_of(top: Mapping[str, object]) -> str:
    """Plain values as a file that people read and ``yamlfile`` reads to the same."""
    return yaml.dump(
        top,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=100,
        default_flow_style=False,
    )


def _camera(camera: CameraConfig) -> dict[str, object]:
    fields: dict[str, object] = {"id": camera.id}
    if camera.name != camera.id:
        fields["name"] = camera.name
    fields["source"] = str(camera.source)
    for name in ("substream", "login", "worker"):
        if (value := getattr(camera, name)) is not None:
            fields[name] = value
    if camera.model != DEFAULT_MODEL:
        fields["model"] = camera.model
    if camera.fps != DEFAULT_FPS:
        fields["fps"] = "all" if camera.fps is None else _plain(camera.fps)
    if camera.position is not None:
        fields["position"] = list(map(_plain, camera.position))
    if camera.scene is not None:
        fields["scene"] = dict(camera.scene)
    return fields


def _plain(number: float) -> float:
    """As people write it."""
    return int(number) if number.is_integer() else number


class _Dumper(yaml.SafeDumper):
    """Lists of plain values, and lists of those, in one line; quotes where we need them."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        return True

    def represent_sequence(
        self, tag: str, sequence: Any, flow_style: bool | None = None
    ) -> yaml.SequenceNode:
        if isinstance(sequence, Sequence) and _depth(sequence) <= FLOW_DEPTH:
            flow_style = True
        return super().represent_sequence(tag, sequence, flow_style)

    def represent_text(self, text: str) -> yaml.ScalarNode:
        style = "'" if looks_otherwise(text) else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _Dumper.represent_text)


def _depth(value: object) -> int:
    if isinstance(value, Mapping):
        return FLOW_DEPTH + 1
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0
