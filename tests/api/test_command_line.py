"""What the command line refuses before it does anything, in one line, and what it puts up with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.api.command import GUARD_S, matakota
from tests.needs import REPO

SCENE = REPO / "samples" / "scenes" / "plaza.yaml"
CLIP = REPO / "samples" / "clips" / "plaza.mp4"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["analyse"], "matakota: Missing argument 'CLIP'. See 'matakota --help'."),
        (["analyse", "a.mp4"], "matakota: Missing option '--scene'. See 'matakota --help'."),
        (["--nope"], "matakota: No such option: --nope See 'matakota --help'."),
        (
            ["scene", "check", "--frame-size", "foo", "a.yaml"],
            (
                "matakota: Invalid value: 'foo' is no picture size; write it as 640x352 "
                "See 'matakota --help'."
            ),
        ),
        (
            ["--log-level", "loud", "models", "list"],
            "matakota: --log-level loud is unknown: use debug, info, warning or error",
        ),
    ],
)
def test_wrong_use_is_one_sentence(arguments: list[str], sentence: str, tmp_path: Path) -> None:
    ran = matakota(*arguments, folder=tmp_path)
    assert (ran.code, ran.said, ran.out) == (2, [sentence], b"")


@pytest.mark.parametrize(
    "options",
    [
        ["--video", "clip.mp4"],
        ["--out", "scene.yaml"],
        ["--out", "both.mp4", "--video", "./both.mp4"],
        ["--expect", "expect.yaml", "--out", "expect.yaml"],
    ],
)
def test_no_output_replaces_an_input_or_another_output(options: list[str], tmp_path: Path) -> None:
    shutil.copy(CLIP, tmp_path / "clip.mp4")
    shutil.copy(SCENE, tmp_path / "scene.yaml")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    ran = matakota("analyse", "clip.mp4", "--scene", "scene.yaml", *options, folder=tmp_path)
    assert ran.code == 2
    assert "would overwrite a file that this run reads or writes" in ran.err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_full_output_leaves_no_video_either(tmp_path: Path) -> None:
    ran = matakota(
        "analyse", CLIP, "--scene", SCENE, "--fps", "0.1", "--out", "/dev/full",
        "--video", "film.mp4", folder=tmp_path,
    )  # fmt: skip
    assert ran.code == 2
    assert len(ran.said) == 1
    assert ran.said[0].startswith("matakota: cannot write /dev/full: no space left on the device")
    assert [path.name for path in tmp_path.iterdir() if path.name != ".cache"] == []


def test_a_name_that_is_no_text_is_no_reason_to_fail(tmp_path: Path) -> None:
    clip = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
    try:
        shutil.copy(CLIP, clip)
    except OSError:
        pytest.skip("this file system takes no such names")
    ran = matakota(
        "analyse", clip, "--scene", SCENE, "--fps", "0.3", "--video", "film.mp4", folder=tmp_path
    )
    assert ran.code == 0
    assert {r["camera"] for r in ran.records if r["type"] != "summary"} <= {"caf\ufffd"}
    assert (tmp_path / "film.mp4").stat().st_size > 0


def test_an_unknown_provider_and_class_are_named_with_the_next_step(tmp_path: Path) -> None:
    ran = matakota("analyse", CLIP, "--scene", SCENE, "--provider", "Nope", folder=tmp_path)
    assert ran.code == 2
    assert ran.said[0].startswith("matakota: nanodet_g cannot run on Nope: this onnxruntime offers")
    (tmp_path / "s.yaml").write_text("frame_size: [768, 576]\nclasses: [peson]\n")
    ran = matakota("analyse", CLIP, "--scene", "s.yaml", folder=tmp_path)
    assert ran.code == 2
    assert ran.said == [
        "matakota: s.yaml: the model does not know the class 'peson': did you mean 'person'?"
    ]


def test_nobody_at_home_still_has_models(tmp_path: Path) -> None:
    first = "import os; del os.environ['HOME']"
    ran = matakota("models", "list", folder=tmp_path, first=first, fresh=True)
    assert ran.code == 0
    assert b"nanodet_g" in ran.out


@pytest.mark.parametrize(("sent", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_a_signal_while_an_object_is_collected_ends_all_the_same(sent: str, code: int) -> None:
    said = f"""
import os, signal, sys, time, weakref
from api import cli
class Thing: pass
def run(_):
    thing = Thing()
    kept = weakref.ref(thing, lambda _: (os.kill(os.getpid(), signal.{sent}), time.sleep(0)))
    del thing
    try:
        time.sleep({GUARD_S})
    except KeyboardInterrupt:
        return 130
cli.run = run
cli.main()
"""
    ran = subprocess.run([sys.executable, "-c", said], cwd=REPO, timeout=GUARD_S, check=False)
    assert ran.returncode == code
