"""Makes docs/images/validation.jpg and validated.jpg anew: a masked piece of the plaza clip that is
counted by keys over `matakota demo`, in Chromium, and what comes of pieces with made-up counts.

Run by `make images`.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urljoin

from playwright.sync_api import ViewportSize

from api.cli.analyse import DEFAULT_MODEL
from api.pieces import FOLDER, path_of
from api.store import Actor, Store
from api.store.validations import NewPiece
from docs.images.room import demo, keep
from models.zoo import cache_folder, resolve
from streams import samples
from streams.detector import Detectors
from streams.evidenceboxes import Memory
from streams.files import ClipSource
from streams.pieces import Film, Made, cut
from streams.scenefile import load_scene
from streams.settings import DATABASE_FILE, SQLITE
from vision.masking import Masking

SIZE: ViewportSize = {"width": 1366, "height": 900}
LINE, WAYS = "east walk", ("westwards", "eastwards")
SECONDS = 20
PIECES = 6
COUNTED = 5
AT_S = 9.0


def masked(to: Path) -> Made:
    """The clip's first seconds, in which nobody can be recognised."""
    sample = samples.known("plaza")
    path = samples.folder() / sample.file
    clip = ClipSource(path, camera_id="plaza", source_fps=Fraction(7))
    size = (clip.info.width, clip.info.height)
    detectors = Detectors(lambda name: resolve(name, cache=cache_folder(os.environ)))
    scene = load_scene(samples.folder() / str(sample.scene))
    pipeline, memory = detectors.pipeline(DEFAULT_MODEL, size, scene), Memory()
    for frame in clip.frames():
        if frame.ts > SECONDS + 1:
            break
        memory.saw(pipeline.step(frame).tracked, frame_size=size, looked_for=("person",))
    sights = memory.between("plaza", 0.0, SECONDS + 1.0).sights
    return cut(Film(path, 0.0, clip.info.duration_s), 0.0, SECONDS, Masking(sights), to)


def fill(store: Store, video: Made) -> int:
    """Pieces whose counts are made up; the number of one that waits."""
    chance, by = random.Random(5), Actor("user", "analyst-1")
    first = NewPiece(
        camera="plaza", line=LINE, from_ts=time.time() // 300 * 300 - 86_400, seconds=300,
        revision=1, model=DEFAULT_MODEL, source="made up", points=((0.52, 0.3), (0.52, 0.92)),
        directions=WAYS, classes=("person", "bicycle"), machine={}, observed_s=300.0,
        width=video.width, height=video.height, size=video.size, sha256=video.sha256,
        keep_until=time.time() + 86_400,
    )  # fmt: skip
    number = 0
    for i in range(PIECES):
        true: Mapping[tuple[str, str], int] = {
            (way, name): chance.randint(*span)
            for way in WAYS
            for name, span in (("person", (25, 60)), ("bicycle", (0, 4)))
        }
        machine = {key: round(n * chance.uniform(0.88, 1.02)) for key, n in true.items()}
        made = replace(first, from_ts=first.from_ts + 3600 * i, machine=machine)
        number = store.validations.add(made, by)
        if i < COUNTED:
            store.validations.save(number, true, by, only=None)
    return number


def main() -> None:
    with TemporaryDirectory() as name, demo(Path(name)) as (browser, link):
        data = next(Path(name).glob(f"*/{DATABASE_FILE}")).parent
        (data / FOLDER).mkdir(exist_ok=True)
        video = masked(data / FOLDER / "new.mp4")
        os.replace(data / FOLDER / "new.mp4", path_of(data / FOLDER, video.sha256))
        with Store.open(f"{SQLITE}{data / DATABASE_FILE}") as store:
            number = fill(store, video)
        page = browser.new_page(viewport=SIZE, locale="en-GB")
        page.goto(link)
        page.goto(urljoin(link, f"/validation/{number}"))
        page.wait_for_function("document.getElementById('film').readyState >= 2")
        page.evaluate(f"document.getElementById('film').currentTime = {AT_S}")
        for key in ("1", "1", "1", "Shift+Digit1", "2", "1"):
            page.keyboard.press(key)
        page.wait_for_timeout(1000)
        keep(page, "validation.jpg")
        page.once("dialog", lambda dialog: dialog.accept())
        page.goto(urljoin(link, "/validation"))
        keep(page, "validated.jpg")


if __name__ == "__main__":
    main()
