"""How many cameras a worker of this machine carries: ``matakota bench --cameras``."""

from __future__ import annotations

import os
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from api.cli.bench_subjects import Asked, verified
from api.cli.tables import print_table
from models.session import OnnxSession
from streams import samples
from streams.config import DEFAULT_FPS
from streams.detector import Detectors
from streams.evaluation import capacity
from streams.evaluation.playing import NOISE, RATE, SIZE
from streams.scenefile import read_scene
from streams.yamlfile import item_of, read_yaml
from vision.detect import Session
from vision.errors import MatakotaError, SceneError
from vision.types import JsonValue

SECONDS = 30.0
PROMISED_A_CORE = 15
CITY = 468


def measure(asked: Asked, model: str, most: int, seconds: float | None) -> dict[str, object]:
    """Try numbers of cameras up to ``most``; the figures."""
    plaza = samples.verified(samples.known("plaza"), samples.Places.of(os.environ))
    scene = _scene(asked)
    setting = capacity.Setting(
        model=model,
        fps=DEFAULT_FPS if asked.fps is None else float(asked.fps),
        scene=scene,
        clip=asked.clip or plaza,
        seconds=seconds or SECONDS,
    )
    height_width = _input(setting)
    console = Console(stderr=True)
    with (
        capacity.loads(most, setting) as load,
        console.status("making what the cameras play") as status,
    ):

        def tried(number: int) -> capacity.Load:
            status.update(f"{number} cameras")
            return load(number)

        found = capacity.largest(most, tried)
    holding = [each for each in found if each.holds]
    best = max(holding, key=lambda each: each.cameras, default=None)
    _show(found, best, setting)
    return {
        "largest": 0 if best is None else best.cameras,
        "asked": most,
        "a_core": None if best is None else round(1 / best.core_share, 1),
        "model": model,
        "input": height_width,
        "fps": setting.fps,
        "camera": {"size": list(SIZE), "fps": float(RATE), "noise": NOISE},
        "seconds": setting.seconds,
        "gate": scene.get("gate", True),
        "tried": [
            {
                "cameras": each.cameras,
                "due": each.due,
                "analysed": each.analysed,
                "skipped": round(each.skipped, 5),
                "worker_s": round(each.worker_s, 2),
                "simulator_s": round(each.simulator_s, 2),
                "valkey_s": round(each.valkey_s, 2),
                "core_share": round(each.core_share, 4),
                "problem": each.problem,
            }
            for each in found
        ],
        "promised_a_core": PROMISED_A_CORE,
    }


def _input(setting: capacity.Setting) -> list[int] | None:
    """The model's input (h, w) for such a camera, None without a model. Raises what
    ``Detectors.pipeline`` raises, before anything is made."""
    inputs: list[tuple[int, ...]] = []

    def seen(session: Session) -> Session:
        if isinstance(session, OnnxSession):
            inputs.append(session.input_shape[2:])
        return session

    top = item_of(dict(setting.scene), "the scene", SceneError)
    scene = read_scene(top, default_frame_size=SIZE)
    Detectors(verified, wrap=seen).pipeline(setting.model, SIZE, scene)
    return list(inputs[0]) if inputs else None


def _scene(asked: Asked) -> dict[str, JsonValue]:
    """What is drawn on every camera: a line and a zone with a rule, or what a file says."""
    scene: dict[str, JsonValue]
    if asked.scene is not None:
        read = read_yaml(Path(asked.scene), SceneError).plain()
        if not isinstance(read, dict):
            raise MatakotaError(f"{asked.scene} is no scene")
        scene = dict(read)
    else:
        w, h = SIZE
        scene = {
            "frame_size": [w, h],
            "classes": ["person"],
            "lines": [{"name": "middle", "points": [[w // 2, 0], [w // 2, h - 1]]}],
            "zones": [
                {"name": "square", "polygon": [[w // 3, h // 4], [w, h // 4], [w, h], [w // 3, h]]}
            ],
            "rules": [{"kind": "intrusion", "zone": "square", "min_dwell_s": 1}],
        }
    if asked.gate is not None:
        scene["gate"] = asked.gate
    return scene


def _show(
    found: list[capacity.Load], best: capacity.Load | None, setting: capacity.Setting
) -> None:
    w, h = SIZE
    typer.echo(
        f"{w}x{h} at {float(RATE):g} fps, half of them still; {setting.model}, "
        f"{setting.fps:g} frames a second, {setting.seconds:g} s each"
    )
    table = Table(box=None, pad_edge=False)
    for column in (
        "cameras", "due", "skipped", "% of a core a camera", "worker cores", "simulator cores",
    ):  # fmt: skip
        table.add_column(column, justify="right")
    table.add_column("", overflow="fold")
    for each in sorted(found, key=lambda load: load.cameras):
        table.add_row(
            str(each.cameras),
            str(each.due),
            f"{100 * each.skipped:.2f} %",
            f"{100 * each.core_share:.2f}",
            f"{each.worker_s / each.seconds:.2f}",
            f"{each.simulator_s / each.seconds:.2f}",
            each.problem or ("" if each.holds else "too many"),
        )
    print_table(table)
    if best is None:
        typer.echo("\nnone of these numbers holds")
        return
    typer.echo(
        f"\n{best.cameras} cameras hold, with less than {100 * capacity.SKIPPED_LIMIT:.0f} % "
        f"skipped; {1 / best.core_share:.1f} fit one core by their CPU time, promised: "
        f"{PROMISED_A_CORE}\nso {CITY} cameras take {CITY * best.core_share:.0f} cores"
    )
