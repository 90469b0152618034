"""``matakota cameras``: what can be said of cameras before anything runs."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

import typer

from api.cli.logs import hide
from api.cli.options import ConfigOption
from streams.config import CameraConfig, City, load_city
from streams.health import State
from streams.rtsp.forkserver import ForkServer
from streams.rtsp.source import RtspSource
from streams.scenefile import load_scene
from streams.yamlfile import shortened
from vision.errors import SceneError

AT_ONCE = 8

app = typer.Typer(name="cameras", help="Look at the city's cameras.", no_args_is_help=True)


@app.callback()
def _cameras() -> None:
    """Keeps ``check`` a command of its own while it is the only one."""


@app.command()
def check(
    config: ConfigOption,
    timeout: Annotated[
        float, typer.Option(help="Seconds to wait for each camera's first picture.", min=1, max=120)
    ] = 15.0,
) -> None:
    """Read the configuration and its scenes, and get one picture from each camera; exit code 1
    if one of them does not work."""
    city = load_city(config)
    hide(city.secrets)
    with ForkServer() as forkserver, ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(
            pool.map(lambda camera: _look(camera, city, forkserver, timeout), city.cameras)
        )
    for camera, (good, said) in zip(city.cameras, results, strict=True):
        typer.echo(f"{camera.id}: {'ok' if good else 'FAILED'}: {said}")
    if not all(good for good, _ in results):
        raise typer.Exit(1)


def _look(
    camera: CameraConfig, city: City, forkserver: ForkServer, timeout_s: float
) -> tuple[bool, str]:
    """Whether the camera works, and what it shows or why it does not."""
    try:
        scene = None if camera.scene is None else load_scene(camera.scene)
    except SceneError as error:
        return False, str(error)
    if camera.source == "synthetic":
        return True, "synthetic, no real camera"
    source = RtspSource(
        camera.id,
        camera.source,
        camera.credential,
        networks=city.networks,
        fps=camera.fps,
        forkserver=forkserver,
    )
    end_s = time.monotonic() + timeout_s
    with source:
        while (left_s := end_s - time.monotonic()) > 0:
            frame = source.next(min(left_s, 0.5))
            if frame is not None:
                break
            if source.health.state is State.DOWN:
                return False, _sentence(source)
        else:
            return False, _sentence(source) or f"no picture within {timeout_s:g} s"
    shown = f"{shortened(str(camera.source))} shows {frame.size[0]}x{frame.size[1]}"
    if scene is None:
        return True, f"{shown}; it has no scene, so nothing is counted or alarmed"
    try:
        scene.scale_from(frame.size)
    except SceneError as error:
        return False, f"{shown}; {error}"
    return True, shown


def _sentence(source: RtspSource) -> str:
    health = source.health
    return f"{health.code}: {health.message}" if health.code is not None else ""
