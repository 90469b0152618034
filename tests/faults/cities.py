"""Cities for the simulator: scenes that make many alerts out of one clip, and their files."""

from __future__ import annotations

import fcntl
from collections.abc import Mapping
from pathlib import Path

from streams.simulator import Recording, load_recording
from tests.needs import REPO

PLAZA = REPO / "samples" / "clips" / "plaza.mp4"
PLAZA_SCENE = REPO / "samples" / "scenes" / "plaza.yaml"


def plaza(cache: Path) -> Recording:
    """The plaza as its cameras send it, encoded once for all processes that share ``cache``."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return load_recording(PLAZA, cache)


def many_lines(folder: Path, number: int = 80) -> Path:
    """A scene of the plaza where each passage of one of ``number`` lines is an alert, and anyone
    on the square is one more, that closes when they leave."""
    xs = [20 + round(i * 728 / number) for i in range(number)]
    lines = "".join(
        f"  - {{name: l{i}, points: [[{x}, 0], [{x}, 575]]}}\n" for i, x in enumerate(xs)
    )
    rules = "".join(f"  - {{name: r{i}, kind: line_crossing, line: l{i}}}\n" for i in range(number))
    path = folder / "many.yaml"
    path.write_text(
        "frame_size: [768, 576]\nclasses: [person]\n"
        f"lines:\n{lines}"
        "zones:\n  - {name: square, polygon: [[150, 150], [650, 150], [650, 450], [150, 450]]}\n"
        f"rules:\n{rules}  - {{name: stay, kind: intrusion, zone: square}}\n",
        encoding="utf-8",
    )
    return path


def write_city(
    folder: Path,
    cameras: Mapping[str, str],
    *,
    scene: Path | None = PLAZA_SCENE,
    fps: str = "all",
    model: str | None = None,
    login: tuple[str, str] | None = None,
) -> Path:
    """``folder/city.yaml`` with each camera's id and address on this machine's loopback."""
    text = f"name: test\nnetworks: [127.0.0.0/8]\nfps: {fps}\n"
    text += "" if model is None else f"model: {model}\n"
    if login is not None:
        path = folder / "logins.yaml"
        path.touch(mode=0o600)
        path.write_text(f"all: {{user: '{login[0]}', password: '{login[1]}'}}\n", encoding="utf-8")
        text += "credentials: logins.yaml\n"
    text += "cameras:\n"
    for name, address in cameras.items():
        text += f"  - id: {name}\n    source: {address}\n"
        text += "" if scene is None else f"    scene: {scene}\n"
        text += "" if login is None else "    login: all\n"
    path = folder / "city.yaml"
    path.write_text(text, encoding="utf-8")
    return path
