"""``matakota config``: the configuration in the store, from and to a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Final

import structlog
import typer

from api.cli.options import DataOption
from api.store import Actor, Applied, Store
from models.errors import ModelError
from models.zoo import cache_folder, resolve
from streams.citydocument import city_yaml
from streams.config import City, load_city
from streams.scenefile import scene_of
from streams.settings import Settings
from streams.yamlfile import listed
from vision.errors import ConfigError, DetectorError, SceneError
from vision.scene import Scene
from vision.scene_check import check_scene

NONE_YET: Final = (
    "there is no configuration yet: run 'matakota config apply CITY', or name a city's file with -c"
)
SHOWN: Final = 12
"""Cameras whose new revision is shown."""

app = typer.Typer(no_args_is_help=True)
log = structlog.get_logger()


@app.command()
def apply(
    city: Annotated[Path, typer.Argument(help="The city's cameras, YAML.", metavar="CITY")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would change; store nothing.")
    ] = False,
    data: DataOption = None,
) -> None:
    """Check a city's file, its scenes and their models, and make it the configuration. Workers
    that run follow within seconds."""
    settings = Settings.read(os.environ, data)
    found = checked_city(city)
    with Store.open(settings.database_url) as store:
        configuration = store.configuration
        applied = (
            configuration.preview(found) if dry_run else configuration.apply(found, Actor.command())
        )
    if dry_run:
        typer.echo("nothing is stored; this would be")
    for line in (*what_changed(applied), *drawn_over(applied)):
        typer.echo(line)


@app.command()
def show(data: DataOption = None) -> None:
    """Print the configuration as a file that 'config apply' takes."""
    with Store.open(Settings.read(os.environ, data).database_url) as store:
        document = store.configuration.current()
    if document is None:
        raise ConfigError(NONE_YET)
    typer.echo(city_yaml(document.city()), nl=False)


def checked_city(path: Path) -> City:
    """The city in a file, which workers can run: every scene fits its model. Raises ConfigError,
    SceneError, DetectorError or ModelError, one sentence; logs what is odd about a scene."""
    city = load_city(path)
    check_city(city)
    return city


def check_city(city: City) -> None:
    """As ``checked_city``, for one that is read already."""
    # what finds objects takes longer to load than all else of a system that starts
    from streams.detector import Detectors

    detectors = Detectors(lambda model: resolve(model, cache=cache_folder(os.environ)))
    scenes: list[tuple[str, str, Scene]] = []
    for camera in city.cameras:
        if camera.scene is not None:
            scene = scene_of(dict(camera.scene), f"camera {camera.id}: scene")
            for warning in check_scene(scene):
                log.warning(warning, camera=camera.id)
            scenes.append((camera.id, camera.model, scene))
    # those that share a model at one size follow each other, so that it is loaded once
    for camera_id, model, scene in sorted(scenes, key=_alike):
        try:
            detectors.pipeline(model, scene.frame_size, scene)
        except (DetectorError, ModelError, SceneError) as error:
            raise type(error)(f"camera {camera_id}: {error}") from None


def _alike(entry: tuple[str, str, Scene]) -> tuple[object, ...]:
    _, model, scene = entry
    return model, scene.detector, scene.detail, repr(scene.region), scene.frame_size, scene.classes


def what_changed(applied: Applied) -> list[str]:
    """What a configuration changed, in a few lines for people."""
    number = f"configuration {applied.number}"
    if not applied.anything:
        return [f"{number}: nothing changed, {_cameras(applied.cameras)}"]
    lines = [f"{number}: {_cameras(applied.cameras)}"]
    for what in ("added", "changed", "removed"):
        if names := getattr(applied, what):
            lines.append(f"{what} {len(names)}: {listed(names)}")
    if applied.city and applied.number > 1:
        lines.append("changed: the city's name, networks or credentials, or its cameras' order")
    drawn = list(applied.scenes.items())
    lines += [f"{camera}: scene revision {revision}" for camera, revision in drawn[:SHOWN]]
    if len(drawn) > SHOWN:
        lines.append(f"and {len(drawn) - SHOWN} more scenes")
    return lines


def drawn_over(applied: Applied) -> list[str]:
    """A line where scenes that somebody drew are not in force any more."""
    file = Actor.command().name
    over = [f"{camera} ({by})" for camera, by in applied.drawn_over.items() if by != file]
    if not over:
        return []
    said = (
        f"not in force any more is what was drawn on {listed(over)}: it is kept, and can be put in "
        "force again; write 'matakota config show' into the city's file to keep what is drawn"
    )
    return [said]


def _cameras(number: int) -> str:
    return "1 camera" if number == 1 else f"{number} cameras"
