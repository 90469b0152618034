"""Makes the tables of docs/performance.md anew: runs `matakota bench`, keeps what it said in
docs/performance.json, and writes that between the page's markers. No figure there is typed by hand.

Run by `make performance`, where ARGS may name parts and another Python, whose packages have the
peers (docs/performance.md): ARGS="--python /somewhere/bin/python peers". Without a part, all are
run; `--write` runs none and only writes the page.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from api.cli.bench_peers import TIMES
from api.cli.bench_subjects import BENCHED
from streams import samples
from streams.config import DEFAULT_MODEL
from streams.evaluation.playing import make_moving

FOLDER = Path(__file__).parent
PAGE, KEPT = FOLDER / "performance.md", FOLDER / "performance.json"
REPO = FOLDER.parent
NANO = "yolox_nano"
CAMERAS = 40
SECONDS = 30

Said = Mapping[str, Any]
Row = Sequence[str]


def parts(folder: Path, cameras: int, more: Sequence[str]) -> dict[str, list[str]]:
    """The arguments of `matakota bench` for each part, as far as its clips are here. Recorded
    video is measured with ``more`` models too."""
    places = samples.Places.of(os.environ)
    plaza = REPO / "samples" / samples.known("plaza").file
    found = {
        "plaza": [],
        "plaza-float": ["--model", DEFAULT_MODEL],
        "plaza-float-640": ["--model", DEFAULT_MODEL, "--long-side", "640"],
    }
    road = samples.find(samples.known("road"), places)
    if road is not None:
        scene = ["--clip", str(road), "--scene", "samples/scenes/road.yaml", "--fps", "12"]
        found |= {
            "road": scene,
            "road-float": [*scene, "--model", DEFAULT_MODEL],
            "road-float-640": [*scene, "--model", DEFAULT_MODEL, "--long-side", "640"],
        }
    square = folder / "plaza-360p.mp4"
    make_moving(plaza, square)
    clips = [str(square), *([] if road is None else [str(road)])]
    models = dict.fromkeys([BENCHED, DEFAULT_MODEL, *([NANO] if _has(NANO) else []), *more])
    named = [argument for name in models for argument in ("--model", name)]
    return found | {
        "files": ["--files", *clips, *named],
        "cameras": ["--cameras", str(cameras), "--seconds", str(SECONDS)],
        "cameras-ungated": ["--cameras", str(cameras), "--seconds", str(SECONDS), "--no-gate"],
        "tracker": ["--tracker"],
        "peers": ["--peers"],
    }


def _has(model: str) -> bool:
    from models.errors import ModelError
    from models.zoo import cache_folder, resolve

    try:
        resolve(model, cache=cache_folder(os.environ))
    except ModelError:
        return False
    return True


def run(python: str, arguments: Sequence[str], folder: Path) -> dict[str, Any]:
    """What one run of the command said."""
    out = folder / "said.json"
    command = [python, "-m", "api", "bench", *arguments, "--json", str(out)]
    subprocess.run(command, cwd=REPO, check=True)
    shown = " ".join(Path(each).name if each.startswith("/") else each for each in arguments)
    return {
        "command": f"matakota bench {shown}".strip(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        **json.loads(out.read_text("utf-8")),
    }


def read() -> dict[str, Any]:
    """What the parts said that were ever run, by name."""
    return json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else {}


# --- the tables


def written(page: str, kept: Mapping[str, Said]) -> str:
    """``page`` with the tables of what was measured between its markers."""
    for name, make in TABLES.items():
        head, begin, rest = page.partition(f"<!-- {name} -->\n")
        _, end, tail = rest.partition(f"<!-- /{name} -->")
        if not begin or not end:
            raise ValueError(f"docs/performance.md has no markers of '{name}'")
        page = f"{head}{begin}{''.join(line + chr(10) for line in make(kept))}{end}{tail}"
    return page


def _machines(kept: Mapping[str, Said]) -> Iterator[str]:
    head = ("part", "date", "processor", "flags", "cores", "load", "versions", "seed")
    yield from _table(
        head,
        (
            (
                f"`{said['command']}`",
                said["date"],
                said["machine"]["cpu"],
                ", ".join(said["machine"]["flags"]),
                str(said["machine"]["cores"]),
                f"{said['machine']['load']:g}",
                ", ".join(f"{package} {number}" for package, number in said["versions"].items()),
                str(said["seed"]),
            )
            for said in kept.values()
        ),
    )


def _overheads(kept: Mapping[str, Said]) -> Iterator[str]:
    stages = ("decode", "preprocess", "inference", "postprocess", "track", "rules", "other")
    head = ("clip, model, input", *stages, "all", "floor", "over the floor", "counted")
    yield from _table(
        head,
        (
            (
                f"{said['clip']}, {said['model']}, {_by(said['input'])}",
                *(f"{said['stages_ms'][stage]:.2f}" for stage in stages),
                f"{said['total_ms']:.2f}",
                f"{sum(said['floor_ms'].values()):.2f}",
                f"{said['overhead_ratio']:.3f}",
                _counted(said["counts"]),
            )
            for said in kept.values()
            if "overhead_ratio" in said
        ),
    )


def _crowds(kept: Mapping[str, Said]) -> Iterator[str]:
    said = kept.get("plaza")
    if said is None:
        return
    stages = ("preprocess", "postprocess", "track", "rules", "other")
    yield from _table(
        ("objects", *stages, "all", "promised: at most"),
        (
            (
                number,
                *(f"{spent[stage]:.2f}" for stage in stages),
                f"{sum(spent[stage] for stage in stages):.2f}",
                f"{said['promised_around_ms'][number]:g}",
            )
            for number, spent in said["crowded_ms"].items()
        ),
    )


def _trackers(kept: Mapping[str, Said]) -> Iterator[str]:
    said = kept.get("tracker")
    if said is None:
        return
    yield from _table(
        ("objects", "tracker", "CPU ms a picture"),
        (
            (number, name, f"{ms:.2f}" if isinstance(ms, float) else str(ms))
            for number, row in said["tracker"].items()
            for name, ms in row.items()
        ),
    )


def _files(kept: Mapping[str, Said]) -> Iterator[str]:
    head = ("clip", "model", "gate", "input", "x real time", "frames", "inferences", "counted")
    yield from _table(
        head,
        (
            (
                f"{row['clip']} {row['size'][0]}x{row['size'][1]}",
                row["model"],
                "on" if row["gate"] else "off",
                _by(row["input"]),
                f"{row['real_time']:.1f}",
                str(row["frames"]),
                str(row["inferences"]),
                _counted(row["counts"]),
            )
            for row in kept.get("files", {}).get("files", [])
        ),
    )


def _cameras(kept: Mapping[str, Said]) -> Iterator[str]:
    yield from _table(
        ("gate", "cameras", "due", "skipped", "% of a core a camera", "simulator, cores", "holds"),
        (
            (
                "on" if said["cameras"]["gate"] else "off",
                str(tried["cameras"]),
                str(tried["due"]),
                f"{100 * tried['skipped']:.2f} %",
                f"{100 * tried['core_share']:.2f}",
                f"{tried['simulator_s'] / said['cameras']['seconds']:.2f}",
                tried["problem"]
                or ("yes" if tried["cameras"] <= said["cameras"]["largest"] else "no"),
            )
            for said in kept.values()
            if "tried" in said.get("cameras", {})
            for tried in sorted(said["cameras"]["tried"], key=lambda each: each["cameras"])
        ),
    )


def _peers(kept: Mapping[str, Said]) -> Iterator[str]:
    said = kept.get("peers", {}).get("peers")
    if said is None:
        return
    yield from _table(
        ("program", "CPU ms a frame", "x ours", "x ours, INT8", "counted", "cores"),
        (
            (name, row["why"], "", "", "", "")
            if "why" in row
            else (
                name,
                f"{row['ms']:.1f}",
                *(f"{row[times]:.1f}" if times in row else "" for times in TIMES.values()),
                " and ".join(map(str, row["counts"])) + _in_brackets(row.get("problem")),
                str(row["threads"]),
            )
            for name, row in said["programs"].items()
        ),
    )


TABLES: Mapping[str, Callable[[Mapping[str, Said]], Iterator[str]]] = {
    "overheads": _overheads,
    "crowds": _crowds,
    "trackers": _trackers,
    "files": _files,
    "cameras": _cameras,
    "peers": _peers,
    "machines": _machines,
}


def _table(head: Row, rows: Iterator[Row]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _in_brackets(said: str | None) -> str:
    return f" ({said})" if said else ""


def _by(size: Sequence[int]) -> str:
    return f"{size[0]}x{size[1]}"


def _counted(counts: Mapping[str, Mapping[str, Mapping[str, int]]]) -> str:
    return ", ".join(
        f"{sum(classes.values())} {direction}"
        for by in counts.values()
        for direction, classes in by.items()
    )


def main() -> None:
    """Run the parts that are named and write the page."""
    parser = argparse.ArgumentParser(prog="python -m docs.measured")
    parser.add_argument("parts", nargs="*", metavar="PART", help="what to measure; all by default")
    parser.add_argument("--python", default=sys.executable, help="the Python that measures")
    parser.add_argument("--cameras", type=int, default=CAMERAS, help="the most that are tried")
    parser.add_argument("--model", action="append", default=[], help="one more for --files")
    parser.add_argument("--rounds", type=int, help="rounds of each part but those of cameras")
    parser.add_argument("--write", action="store_true", help="measure nothing, write the page")
    asked = parser.parse_args()
    if not asked.write:
        with tempfile.TemporaryDirectory() as name:
            known = parts(Path(name), asked.cameras, asked.model)
            wrong = [part for part in asked.parts if part not in known]
            if wrong:
                parser.error(f"there is no part {wrong[0]}; there are {', '.join(known)}")
            for part in asked.parts or known:
                rounds = ["--rounds", str(asked.rounds)]
                if asked.rounds is None or part.startswith("cameras"):
                    rounds = []
                said = run(asked.python, [*known[part], *rounds], Path(name))
                # another run may have measured other parts meanwhile
                kept = {**read(), part: said}
                order = {each: kept[each] for each in [*known, *kept] if each in kept}
                KEPT.write_text(json.dumps(order, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(written(PAGE.read_text("utf-8"), read()), encoding="utf-8")


if __name__ == "__main__":
    main()
