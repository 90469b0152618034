"""How much work an analysed frame is, counted and not timed, so that no machine is too slow for it:
calls (of Python and of C functions), lines of our code, the most memory that is held meanwhile, and
the blocks of memory that a step leaves behind, each for every stage.

``python -m tests.streams.evaluation.counted`` prints the counts; with ``--write`` they become the
baseline of this Python version in ``tests/baselines/work.json``.
"""

from __future__ import annotations

import gc
import json
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any, Final, TypeAlias

from streams.evaluation.work import Camera, Drawn, answers
from tests.needs import REPO
from vision.detect import Detector
from vision.movements import MovementCounter
from vision.passing import Passing
from vision.quality import ViewMonitor
from vision.track import Tracker
from vision.watch import Rules

BASELINE: Final = REPO / "tests/baselines/work.json"
PYTHON: Final = "{}.{}".format(*sys.version_info)
OBJECTS: Final = (20, 100)
WARM_UP: Final = 40
PICTURES: Final = 4
"""So many pictures are counted each way, after so many that are not."""
TOLERANCE: Final = 0.1
SLACK: Final = {"calls": 6.0, "lines": 12.0, "peak_bytes": 2048.0, "kept_blocks": 12.0}
"""And so many more a picture are no growth: a stage that does next to nothing."""
REWRITE: Final = "python -m tests.streams.evaluation.counted --write"

Counts: TypeAlias = dict[str, dict[str, float]]
"""For each measure each stage's, a picture."""

STAGES: Final[dict[CodeType, str]] = {
    ViewMonitor.update.__code__: "quality",
    Detector.look.__code__: "preprocess",
    Drawn.run.__code__: "inference",
    Tracker.update.__code__: "track",
    Passing.update.__code__: "counting",
    MovementCounter.update.__code__: "counting",
    Rules.update.__code__: "rules",
    Rules.state.__code__: "rules",
}
"""What begins each stage; what the model's answer is followed by is ``postprocess``."""
INLINED: Final = {"<listcomp>", "<dictcomp>", "<setcomp>"}
"""No calls any more from Python 3.12 on (PEP 709)."""
OURS: Final = tuple(f"{REPO / name}/" for name in ("vision", "streams", "models"))


class Stages:
    """Which stage is run now."""

    def __init__(self) -> None:
        self._within = ["other"]

    @property
    def now(self) -> str:
        return self._within[-1]

    def enter(self, code: CodeType) -> bool:
        """Whether a stage begins with this call."""
        stage = STAGES.get(code)
        if stage is not None:
            self._within.append(stage)
        return stage is not None

    def leave(self, code: CodeType) -> bool:
        """Whether a stage ends with this return."""
        if code not in STAGES:
            return False
        ended = self._within.pop()
        if ended == "inference":
            self._within[-1] = "postprocess"
        return True


def counted(objects: int) -> Counts:
    """The work of a picture with so many objects, after the warm-up."""
    camera = Camera(objects, drawn=answers(objects, WARM_UP + 3 * PICTURES))
    for _ in range(WARM_UP):
        camera.step()
    calls, lines, peaks = Counter[str](), Counter[str](), Counter[str]()
    for watched, into in ((_calls, calls), (_lines, lines)):
        for _ in range(PICTURES):
            frame = camera.frame()
            with watched(into):
                camera.pipeline.step(frame)
    steps, frames = [], [camera.frame() for _ in range(PICTURES)]
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        before = len(tracemalloc.take_snapshot().traces)
        for frame in frames:
            with _peaks(peaks):
                steps.append(camera.pipeline.step(frame))
        kept = len(tracemalloc.take_snapshot().traces) - before
    finally:
        tracemalloc.stop()
        gc.enable()
    found = {"calls": calls, "lines": lines, "peak_bytes": peaks, "kept_blocks": {"step": kept}}
    return {
        measure: {stage: round(n / PICTURES, 1) for stage, n in sorted(of.items())}
        for measure, of in found.items()
    }


@contextmanager
def _calls(into: Counter[str]) -> Iterator[None]:
    stages = Stages()

    def profile(frame: FrameType, event: str, _arg: object) -> None:
        code = frame.f_code
        if event == "call":
            stages.enter(code)
        if event == "c_call" or (event == "call" and code.co_name not in INLINED):
            into[stages.now] += 1
        elif event == "return":
            stages.leave(code)

    with _set(sys.setprofile, profile):
        yield
    del into["inference"]


@contextmanager
def _lines(into: Counter[str]) -> Iterator[None]:
    stages = Stages()

    def within(frame: FrameType, event: str, _arg: object) -> Any:
        if event == "line":
            into[stages.now] += 1
        elif event == "return":
            stages.leave(frame.f_code)
        return within

    def begins(frame: FrameType, _event: str, _arg: object) -> Any:
        stages.enter(frame.f_code)
        return within if frame.f_code.co_filename.startswith(OURS) else None

    with _set(sys.settrace, begins):
        yield
    del into["inference"]


@contextmanager
def _peaks(into: Counter[str]) -> Iterator[None]:
    stages, began = Stages(), tracemalloc.get_traced_memory()[0]

    def note() -> None:
        nonlocal began
        now, peak = tracemalloc.get_traced_memory()
        into[stages.now] += max(0, peak - began)
        tracemalloc.reset_peak()
        began = now

    def profile(frame: FrameType, event: str, _arg: object) -> None:
        if frame.f_code in STAGES and event in ("call", "return"):
            note()
            (stages.enter if event == "call" else stages.leave)(frame.f_code)

    tracemalloc.reset_peak()
    with _set(sys.setprofile, profile):
        yield
    note()
    del into["inference"]


@contextmanager
def _set(hook: Callable[[Any], None], function: Callable[..., object]) -> Iterator[None]:
    before = sys.getprofile() if hook is sys.setprofile else sys.gettrace()
    hook(function)
    try:
        yield
    finally:
        hook(before)


def growth(objects: int, now: Counts, known: Counts) -> list[str]:
    """Sentences about what is more than the baseline by over ``TOLERANCE``."""
    said = []
    for measure, of in now.items():
        for stage, n in of.items():
            before = known[measure].get(stage, 0.0)
            if n > before * (1 + TOLERANCE) + SLACK[measure]:
                more = f"{100 * (n / before - 1):.0f} % more than" if before else "instead of"
                said.append(
                    f"stage '{stage}' at {objects} objects: {n:g} {measure.replace('_', ' ')} a "
                    f"picture, {more} {before:g}"
                )
    return said


def baseline() -> dict[str, dict[str, Counts]]:
    """By Python version and number of objects."""
    found: dict[str, dict[str, Counts]] = json.loads(BASELINE.read_text("utf-8"))
    return found


def main() -> None:
    now = {str(n): counted(n) for n in OBJECTS}
    if sys.argv[1:] == ["--write"]:
        known = baseline() if BASELINE.exists() else {}
        text = json.dumps(known | {PYTHON: now}, indent=1, sort_keys=True)
        BASELINE.write_text(text + "\n", "utf-8")
    elif sys.argv[1:]:
        sys.exit(REWRITE)
    print(json.dumps(now, indent=1))


if __name__ == "__main__":
    main()
