"""Cities for the simulator: scenes that make many alerts out of one clip, and their files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.needs import REPO

PLAZA = REPO / "samples" / "clips" / "plaza.mp4"
PLAZA_SCENE = REPO / "samples" / "scenes" / "plaza.yaml"


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
    login: tuple[str, str] | None = None,
) -> Path:
    """``folder/city.yaml`` with each camera's id and address on this machine's loopback."""
    text = f"name: test\nnetworks: [127.0.0.0/8]\nfps: {fps}\n"
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
