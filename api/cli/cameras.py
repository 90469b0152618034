"""``matakota cameras``: what can be said of cameras before anything runs, and of what they saw."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from api.cli.logs import hide
from api.cli.options import ConfigOption, DataOption
from api.cli.replaying import asked, show
from streams.address import RtspAddress
from streams.commands import MAX_REPLAY_S
from streams.config import (
    SUBSTREAM_AUTO,
    SUBSTREAM_OFF,
    CameraConfig,
    City,
    Credential,
    load_city,
    load_credentials,
)
from streams.rtsp.forkserver import ForkServer
from streams.rtsp.substream import alike, sub_path
from streams.scenefile import scene_of
from streams.tryout import try_address, unknown_login
from vision.errors import SceneError

AT_ONCE = 8

app = typer.Typer(name="cameras", no_args_is_help=True)


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
    logins = {} if city.credentials is None else load_credentials(city.credentials)
    hide([login.password for login in logins.values()])
    with ForkServer() as forkserver, ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(
            pool.map(lambda camera: _look(camera, city, logins, forkserver, timeout), city.cameras)
        )
    for camera, (good, said) in zip(city.cameras, results, strict=True):
        typer.echo(f"{camera.id}: {'ok' if good else 'FAILED'}: {said}")
    if not all(good for good, _ in results):
        raise typer.Exit(1)


@app.command()
def replay(
    camera: Annotated[str, typer.Argument(help="Id of the camera.")],
    from_: Annotated[
        str, typer.Option("--from", help="From when, ISO 8601; the city's time without an offset.")
    ],
    to: Annotated[str, typer.Option(help="Up to when; at most 24 hours.")],
    scene: Annotated[
        Path | None,
        typer.Option(help="Lines, zones and rules, YAML; by default those of the camera."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    timeout: Annotated[
        float, typer.Option(help="Seconds that it may take.", min=1, max=MAX_REPLAY_S)
    ] = 120.0,
    data: DataOption = None,
) -> None:
    """Run the tracks that the camera's worker keeps through the rules of a scene, as if live, and
    print what they would have raised. Exit code 1 where it did not come to the end."""
    show(asked(camera, from_, to, scene, timeout, data), as_json=as_json)


def _look(
    camera: CameraConfig,
    city: City,
    logins: Mapping[str, Credential],
    forkserver: ForkServer,
    timeout_s: float,
) -> tuple[bool, str]:
    """Whether the camera works, and what it shows or why it does not."""
    if camera.login is not None and camera.login not in logins:
        tried = unknown_login()
    else:
        tried = try_address(
            str(camera.source),
            logins.get(camera.login or ""),
            networks=city.networks,
            forkserver=forkserver,
            timeout_s=timeout_s,
            stop=threading.Event(),
        )
    if not tried.ok:
        return False, tried.message if tried.code is None else f"{tried.code}: {tried.message}"
    if tried.width is None or tried.height is None:
        return True, tried.message
    size = tried.width, tried.height
    said = tried.message + _smaller(camera, city, logins, forkserver, timeout_s, size)
    if camera.scene is None:
        return True, f"{said}; it has no scene, so nothing is counted or alarmed"
    try:
        scene = scene_of(dict(camera.scene), f"scene of {camera.id}")
        scene.scale_from(size)
    except SceneError as error:
        return False, f"{tried.message}; {error}"
    return True, said


def _smaller(
    camera: CameraConfig,
    city: City,
    logins: Mapping[str, Credential],
    forkserver: ForkServer,
    timeout_s: float,
    main: tuple[int, int],
) -> str:
    """What its sub-stream shows, beside a main stream of this size. The camera is asked after the
    other connection is over: some serve only one."""
    address, path = camera.source, camera.substream
    if not isinstance(address, RtspAddress) or path == SUBSTREAM_OFF:
        return ""
    named = path is not None and path != SUBSTREAM_AUTO
    if not named:
        path = sub_path(address.path, main[0] / main[1])
    if path is None:
        return ""
    tried = try_address(
        str(replace(address, path=path)),
        logins.get(camera.login or ""),
        networks=city.networks,
        forkserver=forkserver,
        timeout_s=timeout_s,
        stop=threading.Event(),
    )
    if tried.width is None or tried.height is None:
        said = f"; its sub-stream does not work ({tried.code or tried.message})"
        return said if named else ""
    shape = "" if alike(main[0] / main[1], (tried.width, tried.height)) else ", which is no use"
    return f"; its sub-stream shows {tried.width}x{tried.height}{shape}"
