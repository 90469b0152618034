"""``matakota recount``: a survey counted again by other lines, without its videos."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import structlog
import typer

from api.cli.options import SceneOption
from api.cli.survey import OutFolder, program, progress_bar, say_done
from streams.scenefile import load_scene
from streams.survey import begin, finish, held, read
from streams.surveying import count
from vision.errors import SceneError, SurveyError
from vision.scene_check import check_scene

log = structlog.get_logger()


def recount(
    folder: Annotated[Path, typer.Argument(help="What 'survey' wrote.", metavar="SURVEY")],
    scene: SceneOption,
    out: OutFolder,
) -> None:
    """Count a survey again by another scene, out of who was seen in it."""
    there = read(folder).manifest
    if folder.resolve() == out.resolve():
        raise SurveyError(f"{folder} is the survey itself: name another --out")
    if there.of is not None:
        raise SurveyError(f"{folder} counts another survey and has no tracks: name that survey")
    drawn = load_scene(scene, default_frame_size=there.picture_size)
    unknown = [name for name in drawn.classes if name not in there.looked_for]
    if unknown:
        raise SceneError(
            f"{scene}: nobody looked for '{unknown[0]}' in this survey, only for "
            f"{', '.join(there.looked_for)}: leave it out of 'classes', or survey anew"
        )
    try:
        seen = there.seen_in(drawn)
    except SceneError as error:
        raise SceneError(f"{scene}: {error}") from None
    # nobody was followed where nobody looked
    for warning in check_scene(replace(drawn, region=seen)):
        log.warning(warning, scene=str(scene))
    content = scene.read_bytes()
    manifest = there.model_copy(
        update={
            "program": program(),
            "scene_sha256": hashlib.sha256(content).hexdigest(),
            "of": hashlib.sha256(there.text.encode()).hexdigest(),
        }
    )
    chunks = [chunk for number in range(len(there.files)) for chunk in there.chunks(number)]
    with held(out):
        begin(out, manifest, content)
        with progress_bar() as progress:
            found = [
                count(folder, chunk, there, drawn)
                for chunk in progress.track(chunks, description=there.camera)
            ]
        intervals = finish(out, found)
    say_done(out, intervals)
