"""``make acceptance``: runs the product as its users do, and judges what it says.

Every check is a process of its own, the installed ``matakota`` where there is one. The exit code
is 1 when anything falls short; what cannot run here is listed with its reason and fails nothing.
"""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.acceptance.counting import counting
from tests.acceptance.incidents import incidents
from tests.acceptance.live import live
from tests.acceptance.result import Result, judge
from tests.acceptance.rights import rights
from tests.acceptance.rooms import rooms
from tests.api.bad_inputs import CASES, BadInput, prepare
from tests.api.command import Ran, environment, python, read_records
from tests.needs import REPO

SHARED = REPO.parent / "shared"
SAMPLES = REPO / "samples"
PLAZA = SAMPLES / "clips/plaza.mp4"
NOT_SHARED = "needs ../shared/{}, which may not be handed on"


@dataclass(frozen=True, slots=True)
class Run:
    """How a command ended, what it wrote to ``--out``, and what it took."""

    ran: Ran
    written: bytes
    wall_s: float
    cpu_s: float

    def passed(self, line: str) -> tuple[int, int]:
        """How many passed the line in its two directions, in the scene's order."""
        counts = read_records(self.written)[-1]["counts"][line]
        forward, backward = (sum(classes.values()) for classes in counts.values())
        return forward, backward

    @property
    def records(self) -> list[dict[str, Any]]:
        return read_records(self.written)


def command() -> list[str]:
    """The installed command, or Python on this checkout."""
    installed = Path(sys.executable).with_name("matakota")
    return [str(installed)] if installed.is_file() else list(python())


def run(folder: Path, *arguments: str | Path, out: Path | None = None) -> Run:
    """Run ``matakota`` in ``folder``; ``out`` is where ``--out`` points."""
    target = out or folder / "out.jsonl"
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        [*command(), *map(str, arguments), "--out", str(target)],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    wall_s, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    written = b""
    if target.is_file():
        written = target.read_bytes()
        target.unlink()
    ran = Ran(done.returncode, done.stdout, done.stderr.decode("utf-8", "replace"))
    return Run(ran, written, wall_s, cpu_s)


def failed(promised: str, ran: Ran) -> Result:
    return Result(promised, f"exit code {ran.code}: {' '.join(ran.said[-1:])}", "short")


def within(tolerance: int) -> str:
    return f"within {tolerance}" if tolerance else "exactly"


def counted(
    what: str, done: Run, line: str, truth: tuple[int, int], tolerance: tuple[int, int]
) -> Result:
    """The counts of a run against the truth, forward and backward."""
    limits = " and ".join(f"{n} {within(most)}" for n, most in zip(truth, tolerance, strict=True))
    promised = f"{what}: {limits}"
    # exit code 1 says that expectations were not met, which is judged on its own
    if done.ran.code not in (0, 1) or not done.written:
        return failed(promised, done.ran)
    found = done.passed(line)
    kept = all(abs(got - n) <= most for got, n, most in zip(found, truth, tolerance, strict=True))
    return judge(promised, f"{found[0]} and {found[1]}", kept)


def expected(what: str, done: Run) -> Result:
    """A run that was given expectations."""
    promised = f"{what}: as samples/expected says"
    if done.ran.code == 0:
        return judge(promised, "as expected", "as expected" in done.ran.err)
    said = "; ".join(line.replace(f"{REPO}{os.sep}", "") for line in done.ran.said)
    return judge(promised, said or f"exit code {done.ran.code}", False)


def needing(what: str, *files: str) -> Result | None:
    """Why a check cannot run here, None where it can."""
    for name in files:
        if not (SHARED / name).is_file():
            return Result(what, NOT_SHARED.format(name), "not run")
    return None


def plaza(folder: Path) -> tuple[list[Result], Run]:
    """The clip that comes along, every frame, default model, twice."""
    scene = ("--scene", SAMPLES / "scenes/plaza.yaml", "--source-fps", "7")
    first = run(folder, "analyse", PLAZA, *scene, "--expect", SAMPLES / "expected/plaza.yaml")
    second = run(folder, "analyse", PLAZA, *scene)
    same = first.written == second.written and first.written != b""
    found = f"{len(first.written)} and {len(second.written)} bytes, "
    results = [
        counted("plaza, NanoDet-g", first, "square", (19, 15), (2, 2)),
        expected("plaza: loiterers and intruders", first),
        judge(
            "plaza: two runs are byte-identical", found + ("equal" if same else "different"), same
        ),
    ]
    return results, first


def shared_clips(folder: Path) -> list[Result]:
    """The clips that may not be handed on, as ``analyse`` counts them with either model."""
    yolox = "models/yolox_nano.onnx"
    nano, vtest, road = "nanodet_g", "clips/plaza_vtest.avi", "clips/road_8toward.mp4"
    plaza_scene = (SAMPLES / "scenes/plaza.yaml", "--source-fps", "7")
    road_scene = (SAMPLES / "scenes/road.yaml", "--fps", "12")
    table = [
        ("plaza as published, NanoDet-g", vtest, nano, plaza_scene, "square", (19, 15), (2, 2)),
        ("plaza as published, YOLOX-nano", vtest, yolox, plaza_scene, "square", (19, 15), (1, 1)),
        ("road, NanoDet-g", road, nano, road_scene, "gate", (8, 0), (0, 0)),
        ("road, YOLOX-nano", road, yolox, road_scene, "gate", (8, 0), (0, 0)),
    ]
    results = []
    for what, clip, model, scene, line, truth, tolerance in table:
        missing = needing(what, *filter(lambda name: "/" in name, (clip, model)))
        if missing is not None:
            results.append(missing)
            continue
        done = run(
            folder, "analyse", SHARED / clip if clip else PLAZA, "--scene", *scene,
            "--model", SHARED / model if "/" in model else model,
        )  # fmt: skip
        results.append(counted(what, done, line, truth, tolerance))
    return results


def stays(folder: Path) -> list[Result]:
    """Six people at a table."""
    what, clip = "six stays of over 10 s at a table", "clips/table_dwell.mp4"
    missing = needing(what, clip)
    if missing is not None:
        return [missing]
    done = run(
        folder, "analyse", SHARED / clip, "--scene", SAMPLES / "scenes/table.yaml",
        "--expect", SAMPLES / "expected/table.yaml", "--fps", "5",
    )  # fmt: skip
    return [expected(what, done)]


def refused(folder: Path) -> list[Result]:
    """Bad input: one sentence, exit code 2, nothing written."""
    prepare(folder)
    results = [refusal(case, folder) for case in CASES if case.promised]
    what = "a full disk under --out: refused"
    if not Path("/dev/full").exists():
        return [*results, Result(what, "needs /dev/full", "not run")]
    done = run(folder, "analyse", "clip.mp4", "--scene", "scene.yaml", out=Path("/dev/full"))
    return [*results, refusal_of(what, done, [])]


def refusal(case: BadInput, folder: Path) -> Result:
    results = folder / "results"
    results.mkdir()
    film = results / "film.mp4"
    done = run(folder, *case.arguments, "--video", film, out=results / "out.jsonl")
    left = [*os.listdir(results), *(["out.jsonl"] if done.written else [])]
    for name in os.listdir(results):
        (results / name).unlink()
    results.rmdir()
    return refusal_of(f"{case.what}: refused", done, left)


def refusal_of(what: str, done: Run, left: list[str]) -> Result:
    said = done.ran.said
    kept = (
        done.ran.code == 2
        and len(said) == 1
        and said[0].startswith("matakota: ")
        and done.ran.out == b""
        and left == []
    )
    sentence = said[-1].removeprefix("matakota: ") if said else "nothing said"
    measured = f"exit code {done.ran.code}: {sentence}"
    if len(said) > 1:
        measured += f" (and {len(said) - 1} more lines)"
    if left or done.ran.out:
        measured += f"; left behind: {', '.join([*left, *['output'] * bool(done.ran.out)])}"
    return judge(what, measured, kept)


def cost(done: Run) -> str:
    """What the plaza run took."""
    if not done.written:
        return "plaza did not run to its end, so its cost is not known"
    frames = done.records[-1]["analysed"]
    return (
        f"plaza, NanoDet-g: {1000 * done.wall_s / frames:.1f} s of wall clock and "
        f"{1000 * done.cpu_s / frames:.1f} s of CPU per 1000 analysed frames "
        f"({frames} frames, start and loading included)"
    )


def machine() -> str:
    return (
        f"{platform.platform()}, {os.cpu_count()} CPUs, Python {platform.python_version()}, "
        f"onnxruntime {version('onnxruntime')}, {datetime.now(UTC):%Y-%m-%d}"
    )


def table(results: list[Result]) -> str:
    """The results in columns."""
    rows = [("promised", "measured", ""), *((r.promised, r.measured, r.verdict) for r in results)]
    width = max(len(row[0]) for row in rows)
    verdict = max(len(row[2]) for row in rows)
    return "\n".join(f"{row[2]:{verdict}}  {row[0]:{width}}  {row[1]}".rstrip() for row in rows)


def main(show: Callable[[str], object] = print) -> int:
    """Run everything, show the table, and return the exit code."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        results, first = plaza(folder)
        results += [*counting(folder, command()), *shared_clips(folder), *stays(folder)]
        results += [*incidents(folder, command()), *refused(folder), *rights(folder)]
        results += live(folder)
        (folder / "rooms").mkdir()
        results += rooms(folder / "rooms")
    show(table(results))
    count = {verdict: sum(r.verdict == verdict for r in results) for verdict in ("ok", "short")}
    missing = len(results) - sum(count.values())
    show(f"\n{count['ok']} ok, {count['short']} short, {missing} not run")
    show(cost(first))
    show(machine())
    return 1 if count["short"] else 0


if __name__ == "__main__":
    sys.exit(main())
