"""``matakota demo``: the whole system on this machine, with three cameras that it plays itself."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import time
import webbrowser
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Final, cast

import structlog
import typer
from rich.console import Console
from rich.table import Table

from api.access import Role
from api.cli import logs
from api.cli.listening import Way, listen
from api.cli.up import System, running
from api.links import new_link
from api.store import Actor, Rights, Store
from models.zoo import user_cache
from streams import samples
from streams.address import parse_address
from streams.config import DEFAULT_MODEL, MOTION, SYNTHETIC, CameraConfig, City, Position
from streams.health import State
from streams.settings import DATABASE_FILE, SQLITE, Settings
from streams.simulator import Simulator, load_recording
from streams.yamlfile import read_yaml
from vision.errors import ConfigError, SampleError, SceneError, ServiceError
from vision.types import JsonValue

HOST: Final = "127.0.0.1"
PORT: Final = 8080
USER: Final = "demo"
PORTS: Final = 50
"""So many are tried where none was asked for."""
START_S: Final = 90.0
"""The API answers within so long, and within so long again every camera is live."""
LOOK_S: Final = 0.5
SETTLE_S: Final = 3.0
"""What was seen at the end has reached the store by then."""
ALERTS_A_PAGE: Final = 1000
SQUARE: Final[Position] = (-5.1345, 119.4130)
EAST: Final[Position] = (-5.1349, 119.4148)
ROAD: Final[Position] = (-5.1331, 119.4121)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Played:
    """A camera of the demo: a clip played from ``offset_s`` on, or, without one, the rendered
    road. Its ``position`` on the map is made up."""

    id: str
    name: str
    scene: str
    clip: Path | None
    offset_s: float
    model: str
    fps: float
    position: Position


@dataclass(frozen=True, slots=True)
class Seen:
    """What the store has of one camera: its state and a sentence about it, frames analysed,
    objects found in them, lines crossed, alerts."""

    camera: str
    state: str
    message: str
    frames: int
    detections: int
    crossings: int
    alerts: int


def demo(
    context: typer.Context,
    port: Annotated[
        int | None,
        typer.Option(
            help=f"Where the page is; by default {PORT}, or the next that is free.",
            min=1, max=65535,
        ),
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the link, open no browser.")
    ] = False,
    seconds: Annotated[
        float | None,
        typer.Option(
            "--for", metavar="SECONDS", min=1, max=86_400,
            help="Run so long once the cameras are live, and say what was seen.",
        ),
    ] = None,
) -> None:  # fmt: skip
    """Show everything at once: three cameras, their counts and alerts, in the browser. Needs no
    camera and no network, keeps nothing, and runs until Ctrl-C. Exit code 1 if --for saw nothing
    at some stage."""
    options = _quiet(context)
    port = _free_port(port)
    cameras = _cameras(samples.Places.of(os.environ))
    typer.echo("Starting, which takes some seconds; Ctrl-C ends it.")
    with tempfile.TemporaryDirectory(prefix="matakota-demo-", ignore_cleanup_errors=True) as name:
        data = Path(name)
        # nothing of the environment: the demo leaves the user's own database and Redis alone
        settings = Settings(data, f"{SQLITE}{data / DATABASE_FILE}", None)
        with _playing(cameras, data) as addresses, Store.open(settings.database_url) as store:
            store.configuration.apply(_city(cameras, addresses), Actor.command())
            with running(settings, Way(HOST, port), options=options) as system:
                _present(system, store, data, browser=not no_browser)
                if seconds is None:
                    system.watch(None)
                    return
                _watch_until_live(system, store, cameras)
                system.watch(seconds)
                system.watch(SETTLE_S)
                seen = _seen(store, cameras)
    _print(seen)
    missing = shortcomings(seen)
    for sentence in missing:
        typer.echo(f"matakota: {sentence}", err=True)
    if missing:
        raise typer.Exit(1)


def shortcomings(seen: Sequence[Seen]) -> list[str]:
    """What did not work, one sentence each, the first stage of each camera that saw nothing."""
    said = []
    for camera in seen:
        name = f"camera {camera.camera}"
        if not camera.frames:
            why = f" ({camera.message.rstrip('.')})" if camera.message else ""
            said.append(f"{name} is {camera.state} and brought no frames{why}: see the log above")
        elif not camera.detections:
            said.append(f"{name} found nothing in {camera.frames} frames: run it for longer")
        elif not camera.crossings:
            said.append(
                f"{name} counted nobody who crossed a line among {camera.detections} detections: "
                "run it for longer"
            )
    if not sum(camera.alerts for camera in seen):
        said.append("no alert of any camera was stored: run it for longer")
    return said


# --- what is shown


def _cameras(places: samples.Places) -> tuple[Played, ...]:
    """The plaza twice, at different moments, and a road: the recorded one where it is at hand."""
    plaza = samples.folder() / samples.known("plaza").file
    return (
        # each comes to its alerts within half a minute
        Played("plaza", "Campus square", "plaza", plaza, 58.0, DEFAULT_MODEL, 5.0, SQUARE),
        Played("plaza-east", "Side street", "plaza_east", plaza, 4.0, DEFAULT_MODEL, 5.0, EAST),
        _road(places),
    )


def _road(places: samples.Places) -> Played:
    sample = samples.known("road")
    if samples.find(sample, places) is not None:
        try:
            clip = samples.verified(sample, places)
            return Played("road", "Main road", "road", clip, 0.0, DEFAULT_MODEL, 7.0, ROAD)
        except SampleError as error:
            log.warning("the rendered road is shown instead", why=str(error))
    return Played("road", "Rendered road (synthetic)", "synthetic", None, 0.0, MOTION, 8.0, ROAD)


@contextmanager
def _playing(cameras: Sequence[Played], data: Path) -> Iterator[Mapping[str, str]]:
    """The address of each camera whose clip is played, while the block lasts."""
    cache = user_cache(os.environ) / "clips"
    if not _writable(cache):
        cache = data / "clips"
    clips = {camera.clip for camera in cameras if camera.clip is not None}
    recordings = {clip: load_recording(clip, cache) for clip in clips}
    played = {c.id: recordings[c.clip] for c in cameras if c.clip is not None}
    offsets = {camera.id: camera.offset_s for camera in cameras}
    with Simulator(played, host=HOST, offsets_s=offsets) as simulator:
        yield {name: simulator.url(name) for name in played}


def _writable(folder: Path) -> bool:
    """Whether files can be kept in a folder that may have to be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


def _city(cameras: Sequence[Played], addresses: Mapping[str, str]) -> City:
    return City(
        name="Demo",
        networks=(ip_network("127.0.0.0/8"),),
        credentials=None,
        cameras=tuple(
            CameraConfig(
                id=camera.id,
                name=camera.name,
                source=SYNTHETIC if camera.clip is None else parse_address(addresses[camera.id]),
                login=None,
                model=camera.model,
                fps=camera.fps,
                worker=None,
                scene=_scene(camera.scene),
                position=camera.position,
            )
            for camera in cameras
        ),
    )


def _scene(name: str) -> Mapping[str, JsonValue]:
    top = read_yaml(samples.folder() / "scenes" / f"{name}.yaml", SceneError)
    return cast("Mapping[str, JsonValue]", top.plain())


# --- how it runs


def _quiet(context: typer.Context) -> Sequence[str]:
    """The options for the children; only trouble is logged unless a level was asked for, so that
    the link is not lost among what four processes say."""
    parent: Any = context.parent
    if parent is not None and parent.get_parameter_source("log_level").name != "DEFAULT":
        return ["--log-level", parent.params["log_level"]]
    logs.configure(logging.WARNING)
    return ["--log-level", "warning"]


def _free_port(wanted: int | None) -> int:
    """The port to use. Raises ConfigError where it, or every one that is tried, is taken."""
    tried = range(PORT, PORT + PORTS) if wanted is None else (wanted,)
    for port in tried:
        try:
            listen(HOST, port).close()
        except ServiceError:
            continue
        return port
    if wanted is None:
        raise ConfigError(
            f"the ports {PORT} to {PORT + PORTS - 1} are all taken: name a free one with --port"
        )
    raise ConfigError(f"--port {wanted} is taken or not allowed: choose another port")


def _present(system: System, store: Store, data: Path, *, browser: bool) -> None:
    """Print the link once the API answers, and open the page."""
    end_s = time.monotonic() + START_S
    while not system.answers():
        if time.monotonic() > end_s:
            raise ServiceError(
                f"the API does not answer after {START_S:.0f} s: run 'matakota --log-level info "
                "demo' and see its log"
            )
        system.watch(LOOK_S / 2)
    # without a password: only the links lead in
    rights = Rights(Role.ADMINISTRATOR, every_camera=True)
    user = store.people.add(USER, rights, Actor.command()).id
    typer.echo(f"Open {new_link(store, system.base, user)}")
    typer.echo(
        "This link works once, within an hour, and opens the pages as administrator; nothing else "
        "is open. The demo ends with Ctrl-C."
    )
    if browser and _has_display():
        _open_browser(new_link(store, system.base, user), data)


def _has_display() -> bool:
    """Whether a window can be opened; a browser in the terminal would be in the way."""
    if sys.platform == "darwin":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _open_browser(link: str, data: Path) -> None:
    """Open a page that leads to ``link``, which must not be an argument of a process: everybody
    on this machine may read those."""
    page = data / "open.html"
    page.touch(mode=0o600)
    page.write_text(
        f'<!doctype html><meta http-equiv="refresh" content="0; url={link}"><title>Matakota</title>'
    )
    if not webbrowser.open(page.as_uri()):
        log.info("no browser could be opened")


def _watch_until_live(system: System, store: Store, cameras: Sequence[Played]) -> None:
    """Until every camera is live, or the time for that is over."""
    end_s = time.monotonic() + START_S
    while time.monotonic() < end_s:
        live = {c.report.camera for c in store.cameras.all() if c.report.state is State.LIVE}
        if live >= {camera.id for camera in cameras}:
            return
        system.watch(LOOK_S)


# --- what was seen


def _seen(store: Store, cameras: Sequence[Played]) -> list[Seen]:
    reports = {stored.report.camera: stored.report for stored in store.cameras.all()}
    found = []
    for camera in cameras:
        alerts = _alerts(store, camera.id)
        report = reports.get(camera.id)
        if report is None:
            found.append(Seen(camera.id, "unknown", "no worker reports it", 0, 0, 0, alerts))
            continue
        found.append(
            Seen(
                camera=camera.id,
                state=report.state.value,
                message=report.message,
                frames=report.analysed,
                detections=report.detections,
                crossings=report.crossings,
                alerts=alerts,
            )
        )
    return found


def _alerts(store: Store, camera: str) -> int:
    number, before = 0, None
    while True:
        page = store.alerts.find(only=None, camera=camera, before=before, limit=ALERTS_A_PAGE)
        number += len(page.alerts)
        if not page.more:
            return number
        before = page.alerts[-1].start_ts, page.alerts[-1].id


def _print(seen: Sequence[Seen]) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("camera")
    for column in ("frames", "detections", "crossings", "alerts stored"):
        table.add_column(column, justify="right")
    for camera in seen:
        numbers = (camera.frames, camera.detections, camera.crossings, camera.alerts)
        table.add_row(camera.camera, *map(str, numbers))
    Console().print(table)
