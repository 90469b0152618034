"""``matakota evaluate oracle``: tracker and counter on synthetic scenes whose truth is known."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.table import Table

from api.cli.tables import print_table
from streams.evaluation import mot
from streams.output import AtomicText, output_error
from vision.errors import MatakotaError
from vision.oracle import Film, Score
from vision.oracle_film import LEVELS
from vision.oracle_scenes import FAMILIES, UNFORESEEN, measure, shoot

EXIT_WORSE = 1
ALL = "all"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: a family, or all of them that promise something, at one level.
    ``kept`` is None where nothing is promised."""

    level: str
    family: str
    score: Score
    kept: bool | None

    def as_json(self) -> dict[str, Any]:
        right = self.score.class_right
        return {
            "level": self.level, "family": self.family, **asdict(self.score),
            "error": round(self.score.error, 6),
            "class_right": None if right is None else round(right, 6), "kept": self.kept,
        }  # fmt: skip


def oracle(
    family: Annotated[
        list[str] | None, typer.Option(help="A family of scenes; repeat it. All by default.")
    ] = None,
    level: Annotated[
        list[str] | None, typer.Option(help="What the detector does wrong; repeat it. All.")
    ] = None,
    scenes: Annotated[int, typer.Option(help="Scenes of each family.", min=1, max=10_000)] = 10,
    seed: Annotated[int, typer.Option(help="Seed of the first scene.", min=0)] = 0,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures as JSON.")
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Also write the scenes, for 'evaluate tracking DIR'."),
    ] = None,
) -> None:
    """Count synthetic traffic whose truth is known, without a model; exit code 1 where a promised
    figure is not reached."""
    families = _known("family", family, FAMILIES)
    levels = _known("level", level, LEVELS)
    seeds = range(seed, seed + scenes)
    with ExitStack() as stack:
        out = None
        if json_file is not None:
            out = stack.enter_context(AtomicText(json_file, option="--json"))
        if export is not None:
            for one in levels:
                for name in families:
                    for number in seeds:
                        _write(export / f"{name}-{one}-{number}", shoot(name, one, number))
        rows = list(_rows(families, levels, seeds))
        _show(rows)
        if out is not None:
            figures = {"seeds": [seed, seed + scenes - 1], "rows": [row.as_json() for row in rows]}
            out.write(json.dumps(figures, indent=1) + "\n")
            out.commit()
    if not all(row.kept is not False for row in rows):
        raise typer.Exit(EXIT_WORSE)


def _known(option: str, wanted: list[str] | None, names: Iterable[str]) -> list[str]:
    """The wanted names once each, all where none is wanted."""
    all_ = list(names)
    for name in wanted or ():
        if name not in all_:
            raise MatakotaError(f"--{option} {name} is unknown: use {', '.join(all_)}")
    return list(dict.fromkeys(wanted or all_))


def _rows(families: list[str], levels: list[str], seeds: Iterable[int]) -> Iterator[Row]:
    for level in levels:
        promised = LEVELS[level].error is not None
        total = Score()
        for family in families:
            score = measure(family, level, seeds)
            judged = promised and family not in UNFORESEEN
            if family not in UNFORESEEN:
                total += score
            yield Row(level, family, score, LEVELS[level].kept(score) if judged else None)
        yield Row(level, ALL, total, LEVELS[level].kept(total) if promised else None)


def _show(rows: list[Row]) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("level", no_wrap=True)
    table.add_column("family", no_wrap=True)
    for name in ("objects", "truth", "counted", "missed", "extra", "error %", "class right %",
                 "switches", "late", "joined"):  # fmt: skip
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("promise", no_wrap=True)
    for row in rows:
        one, right = row.score, row.score.class_right
        table.add_row(
            row.level, row.family,
            *map(str, (one.objects, one.truth, one.counted, one.missed, one.extra)),
            f"{100 * one.error:.2f}", "" if right is None else f"{100 * right:.2f}",
            *map(str, (one.switches, one.late, one.joined)),
            {True: "kept", False: "not kept", None: ""}[row.kept],
            end_section=row.family == ALL,
        )  # fmt: skip
    # a figure that wraps cannot be read
    print_table(table)


def _write(folder: Path, film: Film) -> None:
    """A film as a sequence of the MOT layout, and all of it with its truth in ``oracle.json``."""
    shots = list(enumerate(film.shots, 1))
    truth = mot.Rows(
        frame=np.concatenate([np.full(len(shot.present), k, np.int32) for k, shot in shots]),
        # identities start at 1 in that layout
        id=np.concatenate([shot.present + 1 for _, shot in shots]).astype(np.int32),
        xyxy=np.concatenate([shot.present_xyxy for _, shot in shots]).astype(np.float64),
        counted=np.concatenate([shot.can_be_seen for _, shot in shots]),
    )
    found = tuple(shot.found for _, shot in shots)
    mot.write_sequence(folder, mot.Sequence(folder.name, film.fps, film.size, found, truth))
    place = folder / "oracle.json"
    try:
        place.write_text(json.dumps(film.as_json()) + "\n", encoding="utf-8")
    except OSError as error:
        raise output_error(place, error, "--export") from error
