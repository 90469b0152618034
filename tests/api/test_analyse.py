"""``matakota analyse`` refuses what it cannot use: one sentence, exit code 2, nothing written."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.api.bad_inputs import CASES, PLAZA, BadInput
from tests.api.command import GUARD_S, Ran, environment, matakota, python
from tests.needs import REPO

GOOD = ("analyse", "clip.mp4", "--scene", "scene.yaml")


def refusal(ran: Ran) -> str:
    """The one sentence with which a command gave up."""
    assert ran.code == 2, ran.err
    assert ran.out == b""
    (sentence,) = ran.said
    assert sentence.startswith("matakota: ")
    assert sentence.isprintable()
    return sentence.removeprefix("matakota: ")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_bad_input_is_refused(case: BadInput, inputs: Path, tmp_path: Path) -> None:
    targets = ("--out", tmp_path / "out.jsonl", "--video", tmp_path / "film.mp4")
    ran = matakota(*case.arguments, *targets, folder=inputs)
    assert re.search(case.words, refusal(ran))
    assert os.listdir(tmp_path) == []


def test_earlier_results_stay_as_they_were(inputs: Path, tmp_path: Path) -> None:
    out, film = tmp_path / "out.jsonl", tmp_path / "film.mp4"
    out.write_text("earlier")
    film.write_text("earlier film")
    arguments = ("analyse", "broken.mp4", "--scene", "scene.yaml", "--out", out, "--video", film)
    refusal(matakota(*arguments, folder=inputs))
    assert (out.read_text(), film.read_text()) == ("earlier", "earlier film")
    assert sorted(os.listdir(tmp_path)) == ["film.mp4", "out.jsonl"]


@pytest.mark.parametrize(
    ("option", "name", "words"),
    [
        ("--out", "none/out.jsonl", "its folder does not exist; create it or choose another --out"),
        ("--out", ".", "it is a folder; name a file in it"),
        ("--video", "none/film.mp4", "its folder does not exist; create it or choose another --vi"),
        ("--video", "film.gif", r"a video's name ends in \.mp4, \.m4v, \.mov, \.mkv; rename it"),
    ],
)
def test_a_wrong_place_is_refused(
    option: str, name: str, words: str, inputs: Path, tmp_path: Path
) -> None:
    ran = matakota(*GOOD, option, tmp_path / name, folder=inputs)
    assert re.search(f"cannot write .*: {words}", refusal(ran))
    assert os.listdir(tmp_path) == []


def test_a_full_device(inputs: Path, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    words = "no space left on the device; free some space or choose another --out"
    ran = matakota(*GOOD, "--out", "/dev/full", folder=inputs)
    assert refusal(ran) == f"cannot write /dev/full: {words}"
    with Path("/dev/full").open("wb") as full:
        ran = matakota(*GOOD, folder=inputs, stdout=full.fileno())
    assert refusal(ran) == f"cannot write standard output: {words}"
    (tmp_path / "film.mp4").symlink_to("/dev/full")
    ran = matakota(*GOOD, "--video", tmp_path / "film.mp4", folder=inputs)
    assert "is no regular file; name a file" in refusal(ran)
    assert os.listdir(tmp_path) == ["film.mp4"]


@pytest.mark.parametrize(("option", "name"), [("--out", "old.jsonl"), ("--video", "new.mp4")])
def test_a_full_disk(option: str, name: str, inputs: Path, full_disk: Path) -> None:
    there = sorted(os.listdir(full_disk))
    ran = matakota(*GOOD, option, full_disk / name, folder=inputs)
    words = f"no space left on the device; free some space or choose another {option}"
    assert words in refusal(ran)
    assert sorted(os.listdir(full_disk)) == there
    assert (full_disk / "old.jsonl").read_text() == "old"


@pytest.mark.parametrize(("option", "name"), [("--out", "out.jsonl"), ("--video", "film.mp4")])
def test_a_limit_on_file_size(option: str, name: str, inputs: Path, tmp_path: Path) -> None:
    """What a full disk does, for those who may not mount one."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))"
    ran = matakota(*GOOD, option, tmp_path / name, folder=inputs, first=limit)
    assert "it grew past the largest file allowed" in refusal(ran)
    assert os.listdir(tmp_path) == []


def test_control_c_leaves_nothing(tmp_path: Path) -> None:
    # a shell may have started the tests with the signal ignored
    first = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    results = tmp_path / "results"
    results.mkdir()
    targets = ("--out", str(results / "out.jsonl"), "--video", str(results / "film.mp4"))
    scene = REPO / "samples/scenes/plaza.yaml"
    with subprocess.Popen(
        [*python(first), "analyse", str(PLAZA), "--scene", str(scene), *targets],
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        try:
            until = time.monotonic() + GUARD_S
            while running.poll() is None and time.monotonic() < until and not filming(results):
                time.sleep(0.01)
            assert filming(results), "it is in the midst of the clip"
            running.send_signal(signal.SIGINT)
            written, said = running.communicate(timeout=GUARD_S)
        finally:
            running.kill()
    assert (running.returncode, written, said) == (130, b"", b"")
    assert os.listdir(results) == []


def filming(folder: Path) -> bool:
    return any(part.stat().st_size > 0 for part in folder.glob(".film.mp4.part-*"))
