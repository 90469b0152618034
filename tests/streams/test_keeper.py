"""What a worker keeps of its tracks: written, read, bounded, private, and never in the way."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

import streams.keeper as module
from streams.keeper import Keeper, Reading, folder_of, segments
from tests.disks import fill_up
from tests.vision.rules.scenarios import SIZE, T0, film, standing, to_and_fro
from tests.waiting import wait_for
from vision.types import Tracked

STEPS = film([to_and_fro(50, 500, 60), standing(300, 200, 20)], fps=5)


@pytest.fixture(autouse=True)
def _any_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FREE_BYTES", 0)


@contextmanager
def keeping(folder: Path, **more: float) -> Iterator[Keeper]:
    now = more.pop("now", T0)
    keeper = Keeper(folder / "tracks", clock=lambda: now, **more)  # type: ignore[arg-type]
    keeper.start()
    try:
        yield keeper
    finally:
        keeper.stop()
        assert not keeper._thread.is_alive()


def keep(keeper: Keeper, steps: Sequence[Tracked], camera: str = "cam") -> None:
    for step in steps:
        keeper.keep(replace(step, camera_id=camera), frame_size=SIZE, looked_for=("person",))


def at(steps: Sequence[Tracked], ts: float) -> list[Tracked]:
    """The same film, begun at ``ts``."""
    return [replace(step, ts=step.ts - T0 + ts) for step in steps]


def read(
    keeper: Keeper, camera: str = "cam", from_ts: float = 0, to_ts: float = 4e9
) -> list[float]:
    reading = Reading(keeper.folder, camera, from_ts, to_ts)
    found = [kept.ts for kept in reading]
    assert reading.damaged == 0
    return found


def test_a_camera_is_read_between_two_times(tmp_path: Path) -> None:
    with keeping(tmp_path) as keeper:
        keep(keeper, STEPS)
        keeper.flush("cam", 9)
        assert read(keeper) == [step.ts for step in STEPS]
        assert read(keeper, from_ts=T0 + 3, to_ts=T0 + 4) == [
            step.ts for step in STEPS if T0 + 3 <= step.ts <= T0 + 4
        ]
        (first, *_) = Reading(keeper.folder, "cam", T0 + 3, T0 + 3.1)
        assert len(first.rows) == len(STEPS[15].tracks) == 2
        assert read(keeper, "other") == []


def test_numbers_go_on_over_blocks_and_begin_anew_after_a_cut(tmp_path: Path) -> None:
    long = [replace(STEPS[50], ts=T0 + i) for i in range(100)]
    with keeping(tmp_path) as keeper:
        keep(keeper, long)
        keeper.cut("cam")
        keep(keeper, at(STEPS, T0 + 200))
        keeper.flush("cam", 9)
        kept = list(Reading(keeper.folder, "cam", 0, 4e9))
    assert [each.number for each in kept] == [*range(100), *range(len(STEPS))]
    assert len({each.run for each in kept}) == 2
    assert {len(each.pasts) for each in kept[1:100]} == {0}


def test_all_that_was_handed_over_is_there_after_the_end(tmp_path: Path) -> None:
    with keeping(tmp_path) as keeper:
        keep(keeper, STEPS, "a")
        keep(keeper, STEPS, "b")
    assert len(read(keeper, "a")) == len(read(keeper, "b")) == len(STEPS)


@pytest.mark.parametrize("camera", ["gate-1.b", "..", ".", "a/b", "ü" * 120, "x" * 120, "A", "a"])
def test_any_id_has_a_folder_of_its_own(tmp_path: Path, camera: str) -> None:
    with keeping(tmp_path) as keeper:
        keep(keeper, STEPS[:5], camera)
    assert len(read(keeper, camera)) == 5
    assert folder_of(keeper.folder, camera).parent == keeper.folder
    assert len([*keeper.folder.iterdir()]) == 1


def test_files_are_their_owners_alone(tmp_path: Path) -> None:
    (tmp_path / "tracks").mkdir(mode=0o755)
    with keeping(tmp_path) as keeper:
        keep(keeper, STEPS)
    modes = {stat.S_IMODE(each.stat().st_mode) for each in keeper.folder.rglob("*.tracks")}
    folders = {stat.S_IMODE(each.stat().st_mode) for each in (keeper.folder, keeper.folder / "cam")}
    assert (modes, folders) == ({0o600}, {0o700})


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "tracks" / "cam").mkdir(parents=True)
    target = tmp_path / "target"
    (tmp_path / "tracks" / "cam" / f"{int(T0 // 600 * 600)}.tracks").symlink_to(target)
    with keeping(tmp_path) as keeper:
        keep(keeper, STEPS)
    assert keeper.dropped == len(STEPS)
    assert not target.exists()


# --- how long, and how much


def test_what_is_too_old_goes(tmp_path: Path) -> None:
    with keeping(tmp_path) as keeper:
        for hours in range(5):
            keep(keeper, at(STEPS, T0 + 3600 * hours))
            keeper.cut("cam")
    assert len(segments(keeper.folder / "cam")) == 5
    with keeping(tmp_path, keep_h=2, now=T0 + 4 * 3600) as keeper:
        wait_for(lambda: len(segments(keeper.folder / "cam")) == 3, "two are gone")
    assert min(read(keeper)) == T0 + 2 * 3600


def test_none_are_kept_for_no_time(tmp_path: Path) -> None:
    with keeping(tmp_path) as keeper:
        keep(keeper, STEPS)
    with keeping(tmp_path, keep_h=0) as keeper:
        keep(keeper, STEPS)
        wait_for(lambda: not (keeper.folder / "cam").exists(), "those from before are gone")
    assert read(keeper) == []


def test_the_oldest_of_all_cameras_go_first(tmp_path: Path) -> None:
    with keeping(tmp_path) as keeper:
        for i in range(6):
            keep(keeper, at(STEPS, T0 + 600 * i), "ab"[i % 2])
            keeper.cut("ab"[i % 2])
    sizes = [path.stat().st_size for path in keeper.folder.rglob("*.tracks")]
    with keeping(tmp_path, max_bytes=sum(sizes) - 2 * min(sizes) + 1):
        wait_for(lambda: len([*keeper.folder.rglob("*.tracks")]) == 4, "two are gone")
    assert [min(read(keeper, camera)) for camera in "ab"] == [T0 + 1200, T0 + 1800]


def test_files_of_others_stay(tmp_path: Path) -> None:
    (tmp_path / "tracks" / "cam").mkdir(parents=True)
    other = tmp_path / "tracks" / "cam" / "notes.txt"
    other.touch()
    with keeping(tmp_path, keep_h=0):
        pass
    assert other.exists()


# --- trouble


def test_a_damaged_part_is_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    with keeping(tmp_path) as keeper:
        for i in range(3):
            keep(keeper, at(STEPS[:10], T0 + 20 * i))
            keeper.cut("cam")
    ((_, path),) = segments(keeper.folder / "cam")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    reading = Reading(keeper.folder, "cam", 0, 4e9)
    assert len([*reading]) == 20
    assert reading.damaged == 1


def test_a_full_disk_costs_tracks_alone_and_is_said(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with keeping(small_disk) as keeper:
        keep(keeper, STEPS)
        keeper.flush("cam", 9)
        assert keeper.problem is None
        ballast = fill_up(small_disk)
        keep(keeper, at(STEPS, T0 + 700))
        keeper.cut("cam")
        wait_for(lambda: keeper.problem, "it is said")
        assert "nearly full: free some space" in str(keeper.problem)
        assert keeper.dropped == len(STEPS)
        ballast.unlink()
        keep(keeper, at(STEPS, T0 + 1400))
        keeper.cut("cam")
        wait_for(lambda: keeper.problem is None, "it works again")
        assert len(read(keeper)) == 2 * len(STEPS)
        # room is left for others
        monkeypatch.setattr(module, "FREE_BYTES", 1 << 20)
        keep(keeper, at(STEPS, T0 + 2100))
        keeper.cut("cam")
        wait_for(lambda: keeper.problem, "it is said again")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "tracks").touch()
    with keeping(tmp_path) as keeper:
        keep(keeper, STEPS)
        keeper.cut("cam")
        wait_for(lambda: keeper.problem, "it is said")
        assert "cannot be written" in str(keeper.problem)
        assert keeper.alive


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder(tmp_path: Path) -> None:
    (tmp_path / "tracks").mkdir(mode=0o500)
    with keeping(tmp_path) as keeper:
        keep(keeper, STEPS)
        keeper.cut("cam")
        wait_for(lambda: "permission denied" in str(keeper.problem), "it is said")


def test_what_cannot_be_packed_costs_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("a bug")

    with keeping(tmp_path) as keeper:
        for name in ("kept_of", "encode"):
            monkeypatch.setattr(module, name, broken)
            keep(keeper, STEPS[:5])
            keeper.flush("cam", 9)
            monkeypatch.undo()
            monkeypatch.setattr(module, "FREE_BYTES", 0)
        assert keeper.dropped == 10
        keep(keeper, STEPS)
        keeper.flush("cam", 9)
        assert len(read(keeper)) == len(STEPS)


def test_what_waits_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    keeper = Keeper(tmp_path / "tracks", clock=lambda: T0)
    for i in range(5):
        keep(keeper, at(STEPS[:10], T0 + 100 * i))
        keeper.cut("cam")
    assert keeper.dropped == 30
    keeper.start()
    keeper.stop()
    assert len(read(keeper)) == 20
