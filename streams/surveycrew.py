"""The processes that look at the files of a survey, some at a time, until all is counted."""

from __future__ import annotations

import json
import math
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from streams.survey import Manifest, counted, finish, manifest_of, scene_of
from streams.surveying import Job, waits_for
from vision.bins import Interval
from vision.errors import SurveyError

MAX_LINES: Final = 1000
"""What processes told and nobody heard yet; they wait when there is more."""


class _Told(NamedTuple):
    """What the process of a file said; None when it has ended."""

    number: int
    line: str | None


class Far:
    """How many seconds of each file are done."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self.done_s = [0.0] * len(manifest.files)

    @property
    def total_s(self) -> float:
        return sum(self.done_s)

    def reach(self, number: int, ts: float) -> None:
        """The file of that number is done up to ``ts``."""
        file = self._manifest.files[number]
        within_s = min(max(ts - file.start_ts, 0.0), file.duration_s)
        self.done_s[number] = max(self.done_s[number], within_s)


def look_through(
    jobs: Sequence[Job], processes: int, progress: Callable[[Far], None] = lambda _: None
) -> list[Interval]:
    """Do ``jobs``, all files of one survey, in up to ``processes`` processes at a time; what it
    all came to. Files wait for those before them where the scene does not state the camera's view.
    ``progress`` hears how far it is. Raises SurveyError where a file cannot be counted, once all
    others are that do not wait for it, SceneError and OutputError."""
    folder = jobs[0].folder
    manifest = manifest_of(folder)
    scene = scene_of(folder, manifest)
    far, left = Far(manifest), list[Job]()
    for job in jobs:
        chunks = manifest.chunks(job.number)
        first = next((each for each in chunks if counted(folder, each) is None), None)
        far.reach(job.number, manifest.files[job.number].end_ts if first is None else first.start)
        if first is not None:
            left.append(job)
    # the longest first: nobody waits for one at the end
    left.sort(key=lambda job: far.done_s[job.number] - manifest.files[job.number].duration_s)
    progress(far)

    def ready(job: Job) -> bool:
        return waits_for(folder, manifest, scene, job.number) is None

    _Crew(far, progress, ready).run(left, processes)
    parts = [chunk for job in jobs for chunk in manifest.chunks(job.number)]
    found = [each for each in (counted(folder, chunk) for chunk in parts) if each is not None]
    if len(found) < len(parts):
        raise SurveyError(f"a part of the survey in {folder} is gone: run the command again")
    return finish(folder, found)


class _Crew:
    def __init__(
        self, far: Far, progress: Callable[[Far], None], ready: Callable[[Job], bool]
    ) -> None:
        self._far, self._progress, self._ready = far, progress, ready
        self._told: queue.Queue[_Told] = queue.Queue(MAX_LINES)
        self._wrong: list[str] = []
        self._running: dict[int, tuple[Job, subprocess.Popen[str]]] = {}

    def run(self, left: list[Job], processes: int) -> None:
        try:
            while left or self._running:
                # started by the thread that stays: they die with it
                for job in [each for each in left if self._ready(each)]:
                    if len(self._running) < processes:
                        left.remove(job)
                        self._start(job)
                if not self._running:
                    break
                self._hear(self._told.get())
            if self._wrong:
                more = len(self._wrong) - 1 + len(left)
                also = f" (and {more} other files cannot be counted)" if more else ""
                raise SurveyError(f"{self._wrong[0]}{also}")
        finally:
            for _, process in self._running.values():
                process.kill()
            for _, process in self._running.values():
                process.wait()

    def _start(self, job: Job) -> None:
        process = subprocess.Popen(
            [
                *(sys.executable, "-P", "-m", "streams.surveying"),
                *(str(os.getpid()), *job.arguments),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            # Ctrl-C is this process's to hear
            start_new_session=True,
        )
        self._running[job.number] = job, process
        threading.Thread(target=self._read, args=(job.number, process), daemon=True).start()

    def _read(self, number: int, process: subprocess.Popen[str]) -> None:
        if process.stdout is not None:
            with process.stdout as lines:
                for line in lines:
                    self._told.put(_Told(number, line))
        self._told.put(_Told(number, None))

    def _hear(self, told: _Told) -> None:
        job, process = self._running[told.number]
        if told.line is not None:
            said = json.loads(told.line)
            if "error" in said:
                self._wrong.append(str(said["error"]))
            else:
                self._far.reach(told.number, float(said["ts"]))
        else:
            code = process.wait()
            del self._running[told.number]
            if code != 0:
                self._wrong.append(
                    f"the process that looked at {job.path} ended (exit code {code}): it may need "
                    "more memory; run the command again with fewer --jobs, it goes on there"
                )
            self._far.reach(told.number, math.inf)
        self._progress(self._far)
