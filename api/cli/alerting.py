"""``matakota alerting``: who is told of what, from and to a file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, TypeAlias

import structlog
import typer

from api.alerting.document import alerting_yaml, load_alerting
from api.alerting.settings import Alerting, Matcher
from api.cli.options import DataOption
from api.cli.stored import opened
from api.store import Actor, Store
from streams.messages import SYSTEM_CAMERA
from vision.errors import ConfigError

FileArgument: TypeAlias = Annotated[
    Path, typer.Argument(help="Channels, routes and the rest, YAML.", metavar="FILE")
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
    """Check a file, and make it the settings. The notifier follows within seconds."""
    settings = load_alerting(file)
    with opened(data) as store:
        _warn(store, settings)
        before = store.alerting.current()
        if dry_run:
            number = before.number + (settings != before.settings)
            typer.echo("nothing is stored; this would be")
        else:
            number = store.alerting.apply(settings, Actor.command()).number
    if settings == before.settings:
        typer.echo(f"alerting settings {number}: nothing changed")
        return
    typer.echo(f"alerting settings {number}: {', '.join(_contents(settings))}")
    changed = [name for name, value in settings if value != getattr(before.settings, name)]
    typer.echo(f"changed: {', '.join(changed)}")


@app.command()
def show(data: DataOption = None) -> None:
    """Print the settings as a file that 'alerting apply' takes."""
    with opened(data) as store:
        stored = store.alerting.current()
    if stored.number == 0:
        raise ConfigError("nobody said yet who is told of what: run 'matakota alerting apply FILE'")
    typer.echo(alerting_yaml(stored.settings), nl=False)


@app.command()
def check(file: FileArgument) -> None:
    """Check a file and the secrets that it names, without any database."""
    settings = load_alerting(file)
    typer.echo(f"{file}: {', '.join(_contents(settings))}")


def _contents(settings: Alerting) -> Iterable[str]:
    for name in ("channels", "routes", "sites", "inhibitions", "advice"):
        count = len(getattr(settings, name))
        yield f"{count} {name.removesuffix('s')}" if count == 1 else f"{count} {name}"


def _warn(store: Store, settings: Alerting) -> None:
    """Say what is named and is not there, or is there and reaches nobody."""
    named = [camera for site in settings.sites for camera in site.cameras]
    named += [camera for match in _matchers(settings) for camera in match.cameras]
    for camera in dict.fromkeys(named):
        if camera != SYSTEM_CAMERA and not store.cameras.known(camera):
            log.warning("there is no such camera yet", camera=camera)
    if not settings.routes:
        log.warning("there is no route, so nobody is told of anything")
    used = {name for route in settings.routes for name in route.channels}
    used |= {name for route in settings.routes for step in route.escalate for name in step.channels}
    for channel in settings.channels:
        if channel.enabled and channel.name not in {*used, settings.alarm}:
            log.warning("no route leads to this channel", channel=channel.name)


def _matchers(settings: Alerting) -> Iterable[Matcher]:
    yield from (route.match for route in settings.routes)
    yield from (advice.match for advice in settings.advice)
    for inhibition in settings.inhibitions:
        yield inhibition.source
        yield inhibition.target
