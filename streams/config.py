"""The city's cameras in one YAML file, and the logins beside it (``docs/cameras.md``).

Logins are never part of an address: the file ``credentials`` names holds them, readable by its
owner alone, and the configuration refers to them by name. Only workers read that file.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta, timezone
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Final, Literal, TypeAlias, cast

from streams.address import DEFAULT_NETWORKS, RtspAddress, parse_address, parse_path
from streams.messages import SYSTEM_CAMERA
from streams.scenefile import read_scene
from streams.yamlfile import MAX_TEXT_CHARS, Item, quoted, read_yaml
from vision.errors import CameraError, ConfigError, SceneError
from vision.types import JsonValue

Network: TypeAlias = IPv4Network | IPv6Network
Position: TypeAlias = tuple[float, float]
"""Latitude and longitude, in degrees (WGS 84): north and east are positive."""

WITA: Final = timezone(timedelta(hours=8), "WITA")
"""The city's time, which knows no summer time."""
MAX_CAMERAS = 10_000
MAX_CITY_BYTES = 16 << 20
"""So many cameras with their scenes."""
DEFAULT_FPS = 5.0
MIN_FPS, MAX_FPS = 1.0, 60.0
"""Below 1 a second nobody can be followed from one picture to the next."""
DEFAULT_MODEL = "nanodet_g"
MOTION: Final = "motion"
"""The name that stands where a model's is expected, for what looks for what moves."""
MODEL_FILE = ".onnx"
SYNTHETIC: Final = "synthetic"
MAX_LATITUDE: Final = 90.0
MAX_LONGITUDE: Final = 180.0

SUBSTREAM_OFF: Final = "off"
SUBSTREAM_AUTO: Final = "auto"

_CITY_FIELDS = ("name", "model", "fps", "substream", "networks", "credentials", "cameras")
_CAMERA_FIELDS = (
    "id", "name", "source", "substream", "login", "scene", "model", "fps", "worker", "position",
)  # fmt: skip
_LOGIN_FIELDS = ("user", "password")
_CAMERA_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
WORKER_NAME: Final = _CAMERA_ID


@dataclass(frozen=True, slots=True)
class Credential:
    """A camera's login. Its text never shows the password."""

    user: str
    password: str = field(repr=False)

    def __str__(self) -> str:
        return f"login of {self.user}"


@dataclass(frozen=True, slots=True)
class CameraConfig:
    """One camera: ``source`` is its address or ``"synthetic"``, ``login`` the name of its login;
    ``fps`` are the frames to analyse a second, None for every one; ``scene`` is what is drawn on
    it, as a document that ``scene_of`` reads, None for a camera that is only watched
    itself, and ``revision`` the number the store gave to that, 0 for none; ``worker`` is the one
    that has it, None for whichever has the cameras that name none; ``position`` is where it stands,
    None where nobody said; ``substream`` whether a smaller stream is looked at: ``off``, ``auto``,
    its path, or None for what is as by default (``streams.streamwish``)."""

    id: str
    name: str
    source: RtspAddress | Literal["synthetic"]
    login: str | None
    model: str
    fps: float | None
    worker: str | None
    scene: Mapping[str, JsonValue] | None
    revision: int = 0
    position: Position | None = None
    substream: str | None = None

    @property
    def synthetic(self) -> bool:
        return self.source == SYNTHETIC


@dataclass(frozen=True, slots=True)
class City:
    """All cameras of a city, the ``networks`` in which their addresses may lie, and the file that
    holds their logins (absolute; None where there is none)."""

    name: str
    networks: tuple[Network, ...]
    credentials: Path | None
    cameras: tuple[CameraConfig, ...]


def load_city(path: Path) -> City:
    """The city in a YAML file, its scenes included and checked. Raises ConfigError or SceneError:
    one line with file, line, field and the next step. Paths in it are relative to its folder.
    Nothing is resolved here; the credentials are only looked at for the names in use."""
    top = read_yaml(path, ConfigError, max_bytes=MAX_CITY_BYTES)
    folder = Path(os.path.abspath(path.parent))
    fields = top.mapping()
    top.refuse_unknown(fields, _CITY_FIELDS)
    model = _model(fields["model"], folder) if "model" in fields else DEFAULT_MODEL
    fps = _fps(fields["fps"]) if "fps" in fields else DEFAULT_FPS
    substream = _substream(fields["substream"]) if "substream" in fields else None
    credentials = folder / fields["credentials"].path() if "credentials" in fields else None
    logins = {} if credentials is None else load_credentials(credentials)
    items = top.required(fields, "cameras", "[]").items()
    if len(items) > MAX_CAMERAS:
        items[MAX_CAMERAS].fail(f"a city has at most {MAX_CAMERAS} cameras; remove the others")
    cameras: dict[str, CameraConfig] = {}
    lines: dict[str, int] = {}
    for item in items:
        camera = _camera(item, folder, logins, model, fps, substream)
        if camera.id in cameras:
            item.fail(
                f"a camera with id {quoted(camera.id)} is in line {lines[camera.id]} already; "
                "give this one another id"
            )
        cameras[camera.id] = camera
        lines[camera.id] = item.line
    if not cameras:
        top.fail("there is no camera; add '- id: …' with its source under 'cameras'")
    return City(
        name=fields["name"].text() if "name" in fields else _named(path),
        networks=_networks(fields["networks"]) if "networks" in fields else DEFAULT_NETWORKS,
        credentials=credentials,
        cameras=tuple(cameras.values()),
    )


def load_credentials(path: Path) -> dict[str, Credential]:
    """Name to login. Raises ConfigError, also for a file that others may read; no message repeats
    what is in it but the names."""
    top = read_yaml(path, ConfigError, hidden=True)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise ConfigError(
            f"{top.label}: others on this machine may read the logins (mode {mode:04o}): "
            f"run 'chmod 600 {top.label}'"
        )
    found: dict[str, Credential] = {}
    for name, item in top.mapping().items():
        fields = item.mapping()
        item.refuse_unknown(fields, _LOGIN_FIELDS)
        user = item.required(fields, "user", "operator")
        password = item.required(fields, "password", "'…'")
        if not 0 < len(user.secret()) <= 255 or ":" in user.secret():
            user.fail("a user has 1 to 255 characters and no ':'; correct it")
        if not 0 < len(password.secret()) <= 255:
            password.fail("a password has 1 to 255 characters; correct it")
        found[name] = Credential(user.secret(), password.secret())
    return found


def _camera(
    item: Item,
    folder: Path,
    logins: Mapping[str, Credential],
    model: str,
    fps: float | None,
    substream: str | None,
) -> CameraConfig:
    fields = item.mapping()
    item.refuse_unknown(fields, _CAMERA_FIELDS)
    camera_id = item.required(fields, "id", "losari-1").text()
    if not _CAMERA_ID.fullmatch(camera_id):
        fields["id"].fail(
            f"{quoted(camera_id)} is no id; use up to 63 letters, digits, '.', '_' and '-'"
        )
    if camera_id == SYSTEM_CAMERA:
        fields["id"].fail(f"{quoted(camera_id)} is the program itself; choose another id")
    source = item.required(fields, "source", "rtsp://10.0.0.5/stream")
    address: RtspAddress | Literal["synthetic"] = SYNTHETIC
    if source.secret() != SYNTHETIC:
        try:
            address = parse_address(source.secret())
        except CameraError as error:
            source.fail(str(error))
    login = None
    if "login" in fields:
        login = fields["login"].text()
        if login not in logins:
            fields["login"].fail(
                f"there is no login {quoted(login)}; add it to the file that 'credentials' names"
            )
    return CameraConfig(
        id=camera_id,
        name=fields["name"].text() if "name" in fields else camera_id,
        source=address,
        login=login,
        scene=_scene(fields["scene"], folder) if "scene" in fields else None,
        worker=_worker(fields["worker"]) if "worker" in fields else None,
        model=_model(fields["model"], folder) if "model" in fields else model,
        fps=_fps(fields["fps"]) if "fps" in fields else fps,
        position=_position(fields["position"]) if "position" in fields else None,
        substream=_substream(fields["substream"]) if "substream" in fields else substream,
    )


def _scene(item: Item, folder: Path) -> Mapping[str, JsonValue]:
    """The scene that is written there, or in the file that is named there."""
    top = item if item.is_mapping else read_yaml(folder / item.path(), SceneError)
    read_scene(top)
    return cast("Mapping[str, JsonValue]", top.plain())


def _named(path: Path) -> str:
    """The file's own name, where a city may be called so."""
    name = path.stem.strip()
    return name if name.isprintable() and 0 < len(name) <= MAX_TEXT_CHARS else "city"


def _worker(item: Item) -> str:
    name = item.text()
    if not WORKER_NAME.fullmatch(name):
        item.fail(f"{quoted(name)} is no name; use up to 63 letters, digits, '.', '_' and '-'")
    return name


def _model(item: Item, folder: Path) -> str:
    """A name of the zoo as it is, or the path of a model file, from the city's folder."""
    text = item.path()
    return str(folder / text) if text.endswith(MODEL_FILE) else text


def _fps(item: Item) -> float | None:
    if item.secret() == "all":
        return None
    value = item.number()
    if not MIN_FPS <= value <= MAX_FPS:
        item.fail(
            f"{item.shown} is no frame rate; write a number from {MIN_FPS:g} to {MAX_FPS:g}, or all"
        )
    return value


def _substream(item: Item) -> str:
    text = item.secret()
    if text in (SUBSTREAM_OFF, SUBSTREAM_AUTO):
        return text
    try:
        return parse_path(text)
    except CameraError as error:
        item.fail(f"{error}, or write auto or off")


def _position(item: Item) -> Position:
    parts = item.items()
    if len(parts) != 2:
        item.fail(f"found {len(parts)} values; write latitude and longitude as [-5.1477, 119.4327]")
    latitude, longitude = (part.number() for part in parts)
    if not -MAX_LATITUDE <= latitude <= MAX_LATITUDE:
        parts[0].fail(
            f"{parts[0].shown} is no latitude; write one from -90 to 90 degrees, and then the "
            "longitude"
        )
    if not -MAX_LONGITUDE <= longitude <= MAX_LONGITUDE:
        parts[1].fail(f"{parts[1].shown} is no longitude; write one from -180 to 180 degrees")
    # -0 and 0 are equal, and yet two documents
    return latitude + 0.0, longitude + 0.0


def _networks(item: Item) -> tuple[Network, ...]:
    found = []
    for entry in item.items():
        try:
            found.append(ip_network(entry.text()))
        except ValueError:
            entry.fail(f"{entry.shown} is no network; write one such as 10.20.0.0/16")
    return tuple(found)
