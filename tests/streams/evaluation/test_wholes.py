"""What is said to peers in processes of their own, and what is understood of it."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import pytest

from streams.evaluation import agpl, wholes
from streams.evaluation.wholes import Answer, Order
from vision.errors import MatakotaError

ORDER = Order(
    model="m.onnx",
    clip="c.mp4",
    line=((1.0, 2.0), (3.0, 4.0)),
    classes=(0, 2),
    names=("person", "bicycle", "car"),
    long_side=416,
    rate=7.0,
    one_thread=True,
)


def test_an_order_is_read_as_it_was_written() -> None:
    assert Order.of(ORDER.text()) == ORDER


def test_an_answer_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def child(arguments: list[str], _seconds: float) -> str:
        asked.extend(arguments)
        return json.dumps({"ms": 50.5, "frames": 9, "counts": [1, 2], "threads": 1})

    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    monkeypatch.setattr(wholes, "child", child)
    assert wholes.run("counter", ORDER) == Answer(50.5, 9, (1, 2), 1)
    assert asked == ["counter", ORDER.text()]


@pytest.mark.parametrize("pictures", [0, wholes.WARM_UP, wholes.WARM_UP + 2])
def test_a_clip_of_which_nothing_is_measured_is_refused(
    pictures: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(agpl, "_described", lambda *_: None)
    monkeypatch.setattr(agpl, "_images", lambda _: iter(range(pictures)))
    monkeypatch.setattr(agpl, "_counter", lambda *_: (lambda _: None, lambda: [1, 2]))
    order = replace(ORDER, one_thread=False)
    if pictures > wholes.WARM_UP:
        agpl.whole("counter", order)
        said = json.loads(capsys.readouterr().out)
        assert (said["frames"], said["counts"]) == (pictures, [1, 2])
    else:
        with pytest.raises(SystemExit, match=f"the clip has {pictures} pictures"):
            agpl.whole("counter", order)


def test_a_child_imports_nothing_of_the_folder_it_runs_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "streams.py").write_text("raise SystemExit('a file of somebody')\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MatakotaError, match="it failed") as failed:
        wholes.child(["tracker", "none", "1"], 60)
    assert "a file of somebody" not in str(failed.value)


def test_what_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MatakotaError, match="ultralytics is not installed"):
        wholes.run("supervision", ORDER)
