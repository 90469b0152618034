"""``matakota models quantize``: a detector with INT8 convolutions, if it finds what it found."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
import yaml
from rich.markup import escape
from rich.table import Table

from api.cli.analyse import refuse_overwriting
from api.cli.tables import print_table
from models.coco import COCO80
from models.errors import BadModel, BuildError, LossyModel
from models.manifest import ModelEntry, sidecar_path
from models.quantised import (
    FLOAT,
    INT8,
    REDUCED,
    SUFFIX,
    Pictures,
    QuantisedRecord,
    Reduced,
    Variant,
)
from models.quantize import quantise
from models.targets import refusal
from models.zoo import VerifiedModel, cache_folder, resolve
from streams import samples
from streams.evaluation import mot
from streams.evaluation.manifest import load_manifest
from streams.evaluation.quantised import Check, compare, counted, inputs, losses
from streams.output import AtomicText
from vision.errors import MatakotaError

log = structlog.get_logger()

CALIBRATION_PICTURES = 40
CHECKED_PICTURES = 160
FEW_BOXES = 100
"""Of fewer boxes, one is more than a point of F1."""


def quantize(
    model: Annotated[str, typer.Argument(help="A name from 'matakota models list', or a file.")],
    clips: Annotated[
        list[Path], typer.Argument(help="What its cameras see: a few minutes, by day and night.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="The ONNX file; two more appear beside it. NAME_int8.onnx by default."),
    ] = None,
    check: Annotated[
        list[Path] | None,
        typer.Option(help="A clip to compare on; by default the sample 'plaza' and CLIPS."),
    ] = None,
    truth: Annotated[
        list[str] | None,
        typer.Option(metavar="CLIP=DIR", help="Labels of a clip's people, in the MOT layout."),
    ] = None,
    counts: Annotated[
        Path | None,
        typer.Option(help="Also judge counts: clips and truth as for 'evaluate counts'."),
    ] = None,
    keep: Annotated[
        bool,
        typer.Option("--keep", help="Write it even where it loses more, or nothing was compared."),
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the files of an earlier one.")
    ] = False,
) -> None:
    """Make the convolutions of a detector INT8: half the work, and of what one model is sure of,
    the other sees all but a point of F1."""
    original = resolve(model, cache=cache_folder(os.environ))
    entry = original.entry
    if not isinstance(entry, ModelEntry):
        raise BadModel(f"{entry.name} finds no objects: only a detector is quantised")
    target = out or Path(f"{entry.name}{SUFFIX}.onnx")
    reduced = target.with_suffix(".reduced.onnx")
    written = (target, reduced, sidecar_path(target))
    listed = None
    if counts is not None:
        listed = load_manifest(
            counts, samples.Places.of(os.environ), default_model=model, skip_missing=True
        )
    checks = _checks(check or [_plaza(), *clips], truth or [])
    read = [*clips, *(each.clip for each in checks), Path(model), *(listed.files if listed else [])]
    refuse_overwriting({"--out": target, "--out's second file": reduced}, read)
    if why := refusal(target, written, overwrite=overwrite):
        raise BuildError(why)
    with ExitStack() as stack:
        files = [stack.enter_context(AtomicText(path)) for path in written]
        pictures = (each for clip in clips for each in inputs(entry, clip, CALIBRATION_PICTURES))
        made = quantise(entry.name, original.content, pictures)
        models: dict[Variant, VerifiedModel] = {
            FLOAT: original,
            INT8: VerifiedModel(entry, made.content),
            REDUCED: VerifiedModel(entry, made.reduced),
        }
        agreed, labelled = compare(
            models, checks, CHECKED_PICTURES, lambda name: log.info("comparing", clip=name)
        )
        passed = (
            counted(models, listed.clips, lambda name: log.info("counting", clip=name))
            if listed
            else ()
        )
        found = QuantisedRecord(
            source=entry.name,
            sha256=hashlib.sha256(original.content).hexdigest(),
            convolutions=made.convolutions,
            calibrated_on=Pictures(
                clips=tuple(clip.name for clip in clips), pictures=made.pictures
            ),
            agreement=agreed,
            truth=labelled,
            counts=passed,
        )
        _show(found)
        lost = losses(found)
        if lost and not keep:
            raise LossyModel(
                f"nothing is written: {'; '.join(lost)}. Give clips that show more of what its "
                f"cameras see, stay with {model}, or add --keep to have it all the same"
            )
        sidecar = _sidecar(entry, found, made.content, reduced.name, made.reduced)
        for file, content in zip(
            files, (made.content, made.reduced, sidecar.encode()), strict=True
        ):
            file.write_bytes(content)
        for file in files:
            file.commit()
    for sentence in lost:
        typer.echo(f"written all the same: {sentence}")
    typer.echo(f"\n{target}: use it with '--model {target}', or as a camera's model")


def _plaza() -> Path:
    return samples.verified(samples.known("plaza"), samples.Places.of(os.environ))


def _checks(clips: Sequence[Path], truth: Sequence[str]) -> list[Check]:
    """Each clip once, with its labels."""
    once: dict[Path, Path] = {}
    for clip in clips:
        once.setdefault(clip.resolve(), clip)
    labels: dict[Path, mot.Sequence] = {}
    for text in truth:
        name, sign, folder = text.rpartition("=")
        if not sign or Path(name).resolve() not in once:
            raise MatakotaError(
                f"--truth {text} does not name a clip that is compared: write CLIP=DIR, with a "
                "CLIP as under --check"
            )
        labels[Path(name).resolve()] = mot.read_sequence(Path(folder))
    return [Check(clip, labels.get(place)) for place, clip in once.items()]


def _sidecar(
    entry: ModelEntry, found: QuantisedRecord, content: bytes, reduced: str, other: bytes
) -> str:
    """The entry of the quantised model, as YAML."""
    own = entry.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    for field in ("name", "file", "address", "sha256", "size", "rename", "source", "licence"):
        own.pop(field, None)
    if entry.classes == COCO80:
        own["classes"] = "coco80"
    second = Reduced(file=reduced, sha256=hashlib.sha256(other).hexdigest(), size=len(other))
    fields: dict[str, Any] = {
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
        "reduced": second.model_dump(mode="json"),
        "licence": entry.licence,
        "source": f"{entry.source}; quantised by 'matakota models quantize {entry.name}'",
        **own,
        "quantised": found.model_dump(mode="json", by_alias=True),
    }
    return yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=100)


def _show(found: QuantisedRecord) -> None:
    typer.echo(
        f"{found.convolutions} convolutions of {found.source} are INT8, by "
        f"{found.calibrated_on.pictures} pictures of {', '.join(found.calibrated_on.clips)}"
    )
    typer.echo(
        f"\nagreement with {found.source} on {found.agreement.pictures} pictures of "
        f"{', '.join(found.agreement.clips)}, {found.agreement.boxes} boxes"
    )
    rows = [("F1", found.agreement.f1), ("F1 at 'match' alone", found.agreement.match_f1)]
    _table(["", INT8, REDUCED], [[name, *_shares(each)] for name, each in rows])
    if found.agreement.boxes < FEW_BOXES:
        typer.echo("these are few: name clips under --check that show more")
    if found.truth:
        typer.echo("\nagainst labels")
        _table(
            ["clip", "people", "score", FLOAT, INT8, REDUCED],
            [
                [each.clip, str(each.people), score, *_shares(shares)]
                for each in found.truth
                for score, shares in (
                    ("F1 at 'match'", each.match_f1),
                    ("F1 at 'birth'", each.birth_f1),
                    ("AP50", each.ap50),
                )
            ],
        )
    if found.counts:
        typer.echo("\ncounts")
        _table(
            ["clip", "line", "direction", "class", "truth", FLOAT, INT8, REDUCED],
            [
                [each.clip, each.line, each.direction, each.class_name or "all"]
                + [str(number) for number in (each.truth, *each.counted.values())]
                for each in found.counts
            ],
        )


def _shares(shares: Mapping[Variant, float]) -> list[str]:
    return [f"{value:.4f}" for value in shares.values()]


def _table(columns: list[str], rows: list[list[str]]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    print_table(table)
