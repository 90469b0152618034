"""``matakota counts``: exports traffic counts, with all that must be known to use them."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from api.cli.options import DataOption, time_of
from api.cli.stored import opened
from api.i18n import Language, texts
from api.traffic.formats import FORMATS, Format, Length
from api.traffic.reading import recorded, surveyed
from api.traffic.report import build
from api.traffic.routes import wanted
from streams.output import AtomicText
from streams.survey import read

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _counts() -> None:
    """Traffic counts out of the database."""


@app.command()
def export(
    camera: Annotated[
        list[str] | None, typer.Option(help="Id of a camera; may be repeated.", metavar="ID")
    ] = None,
    survey: Annotated[
        Path | None,
        typer.Option(
            help="The folder of a recorded survey instead of cameras; of all its time where no "
            "other is named.",
            metavar="FOLDER",
        ),
    ] = None,
    shape: Annotated[Format, typer.Option("--format", help="What kind of file.")] = "csv",
    line: Annotated[
        str | None, typer.Option(help="Only this line or movement of their scenes.")
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Begin with the interval of this time, ISO 8601 with offset; a day before the "
            "end by default.",
        ),
    ] = None,
    to: Annotated[
        str | None, typer.Option(help="End with the interval before this time; now by default.")
    ] = None,
    interval: Annotated[
        Length, typer.Option(help="Length of the intervals; days begin at midnight WITA.")
    ] = "15m",
    language: Annotated[Language, typer.Option(help="Of what is said in it.")] = "en",
    made: Annotated[
        str | None,
        typer.Option(
            help="When it says that it was made; now by default. With it, the same counts give "
            "the same bytes."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The file to write; standard output by default.")
    ] = None,
    data: DataOption = None,
) -> None:
    """Write counts as CSV, Excel, Parquet or JSON, as the API gives them."""
    if FORMATS[shape].binary and out is None and sys.stdout.isatty():
        raise typer.BadParameter(f"no terminal shows {shape}: name a file with --out")
    now = time.time()
    made_ts = time_of("--made", made)
    if bool(camera) == (survey is not None):
        raise typer.BadParameter("name cameras with --camera, or one survey with --survey")
    surveyed_one = None if survey is None else read(survey)
    from_ts, to_ts = time_of("--from", from_), time_of("--to", to)
    if surveyed_one is not None and surveyed_one.intervals:
        last = surveyed_one.intervals[-1]
        from_ts = surveyed_one.intervals[0].start_ts if from_ts is None else from_ts
        to_ts = last.start_ts + last.seconds if to_ts is None else to_ts
    cameras = tuple(dict.fromkeys(camera or ()))
    try:
        asked = wanted(from_ts, to_ts, now, interval, line, len(cameras) or 1)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    with opened(data) as store:
        traffic = store.traffic.current()
        if surveyed_one is not None:
            found = [surveyed(store, surveyed_one, seconds=asked.seconds)]
        else:
            found = recorded(
                store, cameras, from_ts=asked.from_ts, to_ts=asked.to_ts, seconds=asked.seconds
            )
    report = build(found, traffic, asked, now if made_ts is None else made_ts, texts(language))
    if not report.flows:
        raise typer.BadParameter(
            "nothing is counted there: 'matakota config show' shows cameras and their lines"
            if survey is None
            else "nothing was counted in this survey: see the lines of its scene.yaml"
        )
    with AtomicText(out) as file:
        for piece in FORMATS[shape].pieces(report):
            file.write_bytes(piece)
        file.commit()
