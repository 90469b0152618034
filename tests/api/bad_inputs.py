"""Inputs that must be refused, for the tests and for ``make acceptance``: how to make each, and
the words that its one sentence holds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import yaml
from av.video.stream import VideoStream

from tests.needs import REPO

PLAZA = REPO / "samples/clips/plaza.mp4"
WEIGHTS = REPO / "models/weights/nanodet_g.onnx"
FRAMES = 21
"""The short clip: three seconds."""

SCENE = """\
frame_size: [768, 576]
classes: [person]
lines:
  - {name: square, points: [[560, 0], [560, 575]], forward: westbound, backward: eastbound}
zones:
  - {name: crossroads, polygon: [[250, 160], [600, 160], [640, 400], [230, 400]]}
rules:
  - {kind: intrusion, zone: crossroads, min_dwell_s: 1}
"""
EXPECT = "counts:\n  - {line: square, direction: westbound, count: 1, tolerance: 1}\n"
CROSSED = "[[250, 160], [640, 400], [600, 160], [230, 400]]"


@dataclass(frozen=True, slots=True)
class BadInput:
    """A call that must be refused. ``promised``: the acceptance run shows it by its ``what``."""

    what: str
    words: str
    clip: str = "clip.mp4"
    scene: str = "scene.yaml"
    options: tuple[str, ...] = ()
    promised: bool = False

    @property
    def arguments(self) -> tuple[str, ...]:
        return ("analyse", self.clip, "--scene", self.scene, *self.options)


CASES = (
    BadInput(
        "a truncated clip", r"truncated\.mp4 is truncated or damaged \(14 of its 795 frames",
        clip="truncated.mp4", promised=True,
    ),
    BadInput(
        "no clip", r"there is no clip none\.mp4: check the path", clip="none.mp4", promised=True
    ),
    BadInput("an empty clip", r"empty\.mp4 is empty \(0 bytes\)", clip="empty.mp4", promised=True),
    BadInput(
        "a text file as clip", r"text\.mp4 is no video that can be read here: give a clip as MP4",
        clip="text.mp4", promised=True,
    ),
    BadInput("a clip without its index", r"noindex\.mp4 is truncated or damaged", "noindex.mp4"),
    BadInput("a folder as clip", r"folder is a folder: name one clip inside it", "folder"),
    BadInput(
        "a clip that breaks in the middle", r"broken\.mp4 breaks at \d\.\d s \(", "broken.mp4"
    ),
    BadInput(
        "a clip in the scene's place", r"clip\.mp4:1: the file is not UTF-8 text", scene="clip.mp4"
    ),
    BadInput("no scene", r"none\.yaml: there is no such file; check the path", scene="none.yaml"),
    BadInput(
        "a scene with a typo",
        r"typo\.yaml:4: lines\[0\]: unknown field 'pionts', did you mean 'points'\?",
        scene="typo.yaml", promised=True,
    ),
    BadInput(
        "a line outside the picture",
        r"outside\.yaml:4: lines\[0\]\.points: \(560, 577\) lies outside the picture of 768x576",
        scene="outside.yaml", promised=True,
    ),
    BadInput(
        "a zone that crosses itself",
        r"crossed\.yaml:6: zones\[0\]\.polygon: the outline touches or crosses itself at \(",
        scene="crossed.yaml", promised=True,
    ),
    BadInput(
        "another aspect ratio",
        r"drawn on a picture of 1024x576, but the frames are 768x576, which is another shape",
        scene="wide.yaml", promised=True,
    ),
    BadInput(
        "a class that the model does not know",
        r"becak\.yaml: the model does not know the class 'becak': ", scene="becak.yaml",
    ),
    BadInput(
        "a wrong model hash",
        r"other\.onnx is not other as stated: expected sha256 [0-9a-f]{64}, found [0-9a-f]{64}",
        options=("--model", "other.onnx"), promised=True,
    ),
    BadInput(
        "an unknown output layout",
        r"unknown\.onnx\.yaml: layout .*yolov8.*end_to_end.*yolox.*detr",
        options=("--model", "unknown.onnx"), promised=True,
    ),
    BadInput(
        "outputs of another layout than stated",
        r"returns \(1, 84, 3549\); layout yolox with 80 classes needs \(1, 3549, 85\)",
        options=("--model", "misfit.onnx"),
    ),
    BadInput(
        "a model that is no ONNX file", r"does not load as an ONNX model",
        options=("--model", "rubbish.onnx"),
    ),
    BadInput(
        "a model that nothing describes", r"nothing describes bare\.onnx: write bare\.onnx\.yaml",
        options=("--model", "bare.onnx"),
    ),
    BadInput(
        "no model file", r"none\.onnx cannot be read \(No such file or directory\)",
        options=("--model", "none.onnx"),
    ),
    BadInput(
        "an unknown model", r"no model is called 'yolo': the known ones are nanodet_g, nanodet_g_",
        options=("--model", "yolo"),
    ),
    BadInput(
        "a model that is not here", r"run 'matakota models pull yolox_nano', or put the file at",
        options=("--model", "yolox_nano"),
    ),
    BadInput("--fps nan", r"--fps nan is no frame rate: write", options=("--fps", "nan")),
    BadInput(
        "a rate that would take hours to work out", r"--fps 1e999999999 is no frame rate",
        options=("--fps", "1e999999999"),
    ),
    BadInput("--source-fps 0", r"--source-fps 0 is no frame rate", options=("--source-fps", "0")),
    BadInput("--start in words", r"--start noon is no time: write", options=("--start", "noon")),
    BadInput(
        "--start at the end of all years", r"end after the year 9999: correct --start",
        options=("--start", "9999-12-31T23:59:59Z"),
    ),
    BadInput(
        "no expectations", r"none\.yaml: there is no such file", options=("--expect", "none.yaml")
    ),
    BadInput(
        "expectations with a typo", r"expect_typo\.yaml:2: counts\[0\]: unknown field 'conut'",
        options=("--expect", "expect_typo.yaml"),
    ),
    BadInput(
        "expectations about another line", r"expect_line\.yaml:2: .*'squire' is unknown here",
        options=("--expect", "expect_line.yaml"),
    ),
)  # fmt: skip


def prepare(folder: Path) -> None:
    """Put the short clip, its scene and expectations and every bad file into ``folder``."""
    cut(PLAZA, folder / "clip.mp4", FRAMES)
    whole = (folder / "clip.mp4").read_bytes()
    (folder / "noindex.mp4").write_bytes(whole[: len(whole) // 2])
    # its index stays whole, so that the damage shows only when that frame is decoded
    middle, length = len(whole) // 2, len(whole) // 10
    (folder / "broken.mp4").write_bytes(whole[:middle] + bytes(length) + whole[middle + length :])
    with PLAZA.open("rb") as file:
        (folder / "truncated.mp4").write_bytes(file.read(100_000))
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("this is a text, not a video\n" * 200)
    (folder / "folder").mkdir()
    _prepare_texts(folder)
    _prepare_models(folder)


def _prepare_texts(folder: Path) -> None:
    drawn = "[[250, 160], [600, 160], [640, 400], [230, 400]]"
    texts = {
        "scene.yaml": SCENE,
        "typo.yaml": SCENE.replace("points", "pionts"),
        "outside.yaml": SCENE.replace("575", "577"),
        "crossed.yaml": SCENE.replace(drawn, CROSSED),
        "wide.yaml": SCENE.replace("768", "1024"),
        "becak.yaml": SCENE.replace("[person]", "[person, becak]"),
        "expect.yaml": EXPECT,
        "expect_typo.yaml": EXPECT.replace(" count", " conut"),
        "expect_line.yaml": EXPECT.replace("square", "squire"),
    }
    for name, text in texts.items():
        if name not in ("scene.yaml", "expect.yaml") and text in (SCENE, EXPECT):
            raise AssertionError(f"{name} holds no mistake")
        (folder / name).write_text(text)


def _prepare_models(folder: Path) -> None:
    weights = WEIGHTS.read_bytes()
    manifest = yaml.safe_load((REPO / "models/manifest.yaml").read_text("utf-8"))
    entry = {k: v for k, v in manifest["models"]["nanodet_g"].items() if k != "file"}

    def save(name: str, content: bytes, **changes: Any) -> None:
        stated = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        (folder / name).write_bytes(content)
        (folder / f"{name}.yaml").write_text(yaml.safe_dump({**entry, **stated, **changes}))

    save("other.onnx", weights[:-1] + b"!", sha256=entry["sha256"])
    save("unknown.onnx", weights, layout="yolo99")
    save("misfit.onnx", weights, layout="yolox", input={**entry["input"], "dynamic": False})
    save("rubbish.onnx", b"rubbish" * 100)
    (folder / "bare.onnx").write_bytes(b"rubbish")


def cut(source: Path, target: Path, frames: int) -> None:
    """The first frames of a clip, not encoded anew."""
    with av.open(str(source)) as whole, av.open(str(target), "w") as part:
        (stream,) = whole.streams.video
        copy = part.add_stream_from_template(stream)
        assert isinstance(copy, VideoStream)
        for count, packet in enumerate(whole.demux(stream)):
            if count == frames or packet.dts is None:
                break
            packet.stream = copy
            part.mux(packet)
