"""What ``matakota cameras replay`` asks a worker, and how it shows the answer."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, cast

import typer
from pydantic import JsonValue, ValidationError

from api.cli.tables import print_rows
from api.times import local, read_iso
from streams.bus import Bus, Control, RedisBus, RedisControl
from streams.commands import (
    MAX_COMMAND_CHARS,
    Replay,
    Replayed,
    ReplayedEvent,
    Suggest,
    Tracks,
)
from streams.config import WITA
from streams.messages import MessageError, encode
from streams.reports import decode_report
from streams.scenefile import load_scene
from streams.settings import Settings
from streams.valkey import running_url
from streams.yamlfile import listed, quoted, read_yaml
from vision.errors import ConfigError, SceneError, ServiceError

MORE_S: Final = 5.0
"""A worker that answers does so within its time-out and this."""
SLICE_S: Final = 1.0
HEAD: Final = ("raised", "kind", "rule", "place", "from", "to", "severity", "score", "tracks", "id")


class NoAnswerError(ServiceError):
    """The worker said nothing in time, or is busy: trying again may help."""

    passing = True


def show(said: Replayed, *, as_json: bool) -> None:
    """Print what a worker said: events on standard output, what was left out after them, or, as
    JSON, in the last line. Raises typer.Exit where it is not all."""
    events = said.events
    if as_json:
        for event in events:
            typer.echo(json.dumps({"type": "event", **event.model_dump(mode="json")}))
        rest = said.model_dump(mode="json", exclude={"events", "ok", "message", "busy"})
        typer.echo(json.dumps({"type": "summary", "events": len(events), **rest}))
    else:
        if events:
            print_rows(HEAD, [_row(event) for event in events])
        for line in _lines(said):
            typer.echo(line)
    if said.reached_ts is not None:
        raise typer.Exit(1)


def _lines(said: Replayed) -> Iterable[str]:
    if said.first_ts is None or said.last_ts is None:
        yield "no tracks are kept of that time"
    else:
        yield (
            f"{len(said.events) + said.more} events in {said.pictures} pictures from "
            f"{_clock(said.first_ts)} to {_clock(said.last_ts)}"
        )
    if said.more:
        yield f"{said.more} later events are not shown: ask for less time"
    if said.reached_ts is not None:
        yield f"stopped at {_clock(said.reached_ts)}: ask for less time, or give --timeout"
    if said.damaged:
        yield f"{said.damaged} damaged parts were skipped"
    for each in said.left_out:
        yield f"not replayed: {f'{each.rule} ({each.kind}) ' if each.rule else ''}{each.why}"


def asked(
    camera: str, from_: str, to: str, scene: Path | None, timeout_s: float, data: Path | None
) -> Replayed:
    """Ask the worker that has ``camera``. Raises ConfigError or SceneError for what is wrong with
    the question, NoAnswerError or BusError where there is no answer."""
    wanted = _wanted(camera, from_, to, scene, timeout_s)
    with reached(data) as (bus, control):
        return ask(wanted, bus, control)


@contextmanager
def reached(data: Path | None) -> Iterator[tuple[Bus, Control]]:
    """The way to the workers. Raises ConfigError where no Redis is named, BusError."""
    settings = Settings.read(os.environ, data)
    # 'matakota up' brings its own and names it nowhere
    url = settings.redis_url or running_url(settings.data / "valkey") or settings.redis()
    bus, control = RedisBus(url), RedisControl(url)
    try:
        yield bus, control
    finally:
        bus.close()
        control.close()


def ask(wanted: Replay, bus: Bus, control: Control) -> Replayed:
    """The same over ``bus`` and ``control``."""
    replayed = Replayed.of(answered(wanted, wanted.timeout_s, bus, control))
    if replayed.busy:
        raise NoAnswerError(replayed.message)
    if not replayed.ok:
        raise ConfigError(replayed.message)
    return replayed


def answered(
    wanted: Replay | Suggest | Tracks, timeout_s: float, bus: Bus, control: Control
) -> str:
    """What the worker that has the camera says within ``timeout_s``. Raises ConfigError where none
    has it, NoAnswerError or BusError."""
    worker = _worker(wanted.camera, bus)
    command = control.send(worker, encode(wanted), ttl_s=MORE_S)
    end_s = time.monotonic() + timeout_s + MORE_S
    while (left_s := end_s - time.monotonic()) > 0:
        body = control.answered(command, wait_s=min(left_s, SLICE_S))
        if body is not None:
            return body
    raise NoAnswerError(f"worker {worker} did not answer: see its log, and try again")


def _worker(camera: str, bus: Bus) -> str:
    """Who has that camera now."""
    known: list[str] = []
    for body in bus.reports():
        try:
            report = decode_report(body)
        except MessageError:
            # one of another version may have it, but would not understand us
            continue
        if any(each.camera == camera for each in report.cameras):
            return report.worker
        known += [each.camera for each in report.cameras]
    there = f"those there are: {listed(sorted(known))}" if known else "no worker runs"
    raise ConfigError(f"no worker has a camera {quoted(camera)}: {there}")


def _wanted(camera: str, from_: str, to: str, scene: Path | None, timeout_s: float) -> Replay:
    document: dict[str, JsonValue] | None = None
    if scene is not None:
        load_scene(scene)
        document = cast("dict[str, JsonValue]", read_yaml(scene, SceneError).plain())
        if len(json.dumps(document)) > MAX_COMMAND_CHARS // 2:
            raise SceneError(f"{scene} is too large to be sent: make it smaller")
    from_ts, to_ts = _time("--from", from_), _time("--to", to)
    if to_ts <= from_ts:
        raise ConfigError("--to is not after --from: give a later time")
    try:
        return Replay(
            camera=camera, from_ts=from_ts, to_ts=to_ts, scene=document, timeout_s=timeout_s
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"])) or "the time"
        raise ConfigError(f"{field} cannot be replayed: {first['msg']}") from None


def _time(option: str, text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            text = moment.replace(tzinfo=WITA).isoformat()
        return read_iso(text)
    except ValueError:
        raise ConfigError(
            f"{option} {text[:40]!a} is no time: write 2026-01-31T07:00, which is the city's, or "
            "with an offset, 2026-01-31T07:00:00Z"
        ) from None


def _row(event: ReplayedEvent) -> tuple[str, ...]:
    return (
        _clock(event.raised_ts), event.kind, event.rule, event.place, _clock(event.start_ts),
        "-" if event.end_ts is None else _clock(event.end_ts), event.severity,
        f"{event.score:.2f}", ",".join(map(str, event.track_ids)) or "-", event.id,
    )  # fmt: skip


def _clock(ts: float) -> str:
    """``ts`` (UTC seconds) by the city's clocks."""
    return f"{local(ts):%Y-%m-%d %H:%M:%S}"
