"""``matakota traffic``: how traffic is classed and summed, from and to a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, TypeAlias

import structlog
import typer

from api.cli.options import DataOption
from api.cli.stored import opened
from api.store import Actor, Store
from api.store.traffic import what_changes
from streams.citydocument import yaml_of
from streams.scenefile import scene_of
from streams.trafficfile import Traffic, load_traffic, shipped_traffic
from vision.errors import ConfigError
from vision.movements import directions
from vision.scene import Movement

FileArgument: TypeAlias = Annotated[
    Path, typer.Argument(help="Classes, equivalents, roads, junctions, YAML.", metavar="FILE")
]

app = typer.Typer(no_args_is_help=True)
log = structlog.get_logger()


@app.command()
def apply(
    file: FileArgument,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would change; store nothing.")
    ] = False,
    data: DataOption = None,
) -> None:
    """Check a file, and sum traffic by it from now on. What it leaves out is as it ships."""
    traffic = load_traffic(file)
    with opened(data) as store:
        _warn(store, traffic)
        before = store.traffic.current()
        changed = what_changes(before, traffic)
        if dry_run:
            number = before.number + bool(changed)
            typer.echo("nothing is stored; this would be")
        else:
            number = store.traffic.apply(traffic, Actor.command()).number
    if not changed:
        typer.echo(f"traffic settings {number}: nothing changed")
        return
    typer.echo(f"traffic settings {number}: {', '.join(_contents(traffic))}")
    typer.echo(f"changed: {', '.join(changed)}")


@app.command()
def show(
    number: Annotated[
        int | None, typer.Option(help="An earlier revision; 0 is as it ships.", min=0)
    ] = None,
    data: DataOption = None,
) -> None:
    """Print what is in force as a file that 'traffic apply' takes."""
    if number == 0:
        found: Traffic | None = shipped_traffic()
    else:
        with opened(data) as store:
            found = store.traffic.current() if number is None else store.traffic.revision(number)
    if found is None:
        raise ConfigError(f"there are no traffic settings {number}: leave --number out")
    typer.echo(yaml_of(found.document), nl=False)


@app.command()
def check(file: FileArgument) -> None:
    """Check a file, without any database."""
    typer.echo(f"{file}: {', '.join(_contents(load_traffic(file)))}")


def _contents(traffic: Traffic) -> Iterator[str]:
    lines = len(traffic.roads)
    for count, what in (
        (len(traffic.class_maps), "class map"),
        (len(traffic.equivalents.rows), "row"),
        (lines, "road"),
        (len(traffic.junctions), "junction"),
    ):
        yield f"{count} {what}" if count == 1 else f"{count} {what}s"


def _warn(store: Store, traffic: Traffic) -> None:
    """Say what is named and is not there."""
    named = [camera for camera, _ in traffic.roads]
    named += [camera for junction in traffic.junctions for camera in sorted(junction.cameras)]
    for camera in dict.fromkeys(named):
        if not store.cameras.known(camera):
            log.warning("there is no such camera yet", camera=camera)
    counted: dict[str, set[tuple[str, str]]] = {}
    for junction in traffic.junctions:
        for turn in (turn for approach in junction.approaches for turn in approach.turns):
            if not store.cameras.known(turn.camera):
                continue
            if turn.camera not in counted:
                counted[turn.camera] = _counted(store, turn.camera)
            if (turn.line, turn.direction) not in counted[turn.camera]:
                log.warning(
                    "this camera counts no such direction, and the turn stays empty: see 'matakota "
                    "config show' for its lines and movements",
                    junction=junction.name,
                    camera=turn.camera,
                    line=turn.line,
                    direction=turn.direction,
                )


def _counted(store: Store, camera: str) -> set[tuple[str, str]]:
    """Each line or movement with its directions: those of the scene in force, and where there is
    none, those of the latest counts."""
    city = store.configuration.current()
    known = () if city is None else city.cameras
    document = next((each.scene for each in known if each.id == camera), None)
    if document is None:
        return {(each.line, each.direction) for each in store.counts.passages(camera)}
    scene = scene_of(dict(document), f"scene of {camera}")
    return {
        (each.name, way)
        for view in scene.views.values()
        for each in view.counted
        for way in (
            directions(each) if isinstance(each, Movement) else (each.forward, each.backward)
        )
    }
