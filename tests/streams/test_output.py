"""Text that appears whole or not at all, also on full devices."""

from __future__ import annotations

import errno
import io
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from streams.output import AtomicText, Place, output_error
from vision.errors import OutputError

LINE = '{"name": "Jl. Sultan → ü"}\n'
ROOT = Path(__file__).parents[2]


def put(path: Path | None, text: str = LINE, *, times: int = 1, commit: bool = True) -> None:
    with AtomicText(path) as out:
        for _ in range(times):
            out.write(text)
        if commit:
            out.commit()


def leftovers(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if ".part-" in name]


def test_it_appears_on_commit_and_not_before(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("old")
    path.chmod(0o640)
    with AtomicText(path) as out:
        out.write(LINE)
        assert path.read_text() == "old"
        assert leftovers(tmp_path) == [f".out.jsonl.part-{os.getpid()}"]
        out.write(LINE)
        out.commit()
        assert path.read_text("utf-8") == LINE * 2
    assert path.read_text("utf-8") == LINE * 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert not leftovers(tmp_path)


def test_without_commit_nothing_appears(tmp_path: Path) -> None:
    put(tmp_path / "out.jsonl", commit=False)
    with pytest.raises(KeyboardInterrupt), AtomicText(tmp_path / "out.jsonl"):
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


def test_a_link_is_kept(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    real = tmp_path / "elsewhere" / "real.jsonl"
    real.touch()
    (tmp_path / "link.jsonl").symlink_to(real)
    put(tmp_path / "link.jsonl")
    assert (tmp_path / "link.jsonl").is_symlink()
    assert real.read_text("utf-8") == LINE


def test_a_new_file_follows_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        put(tmp_path / "out.jsonl")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out.jsonl").stat().st_mode) == 0o640


def test_wrong_places_are_told_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="its folder does not exist; create it or choose"):
        AtomicText(tmp_path / "none" / "out.jsonl")
    with pytest.raises(OutputError, match="it is a folder; name a file in it"):
        AtomicText(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="a part of its path is no folder"):
        AtomicText(tmp_path / "file" / "out.jsonl")
    with pytest.raises(OutputError, match="its name is too long"):
        AtomicText(tmp_path / ("a" * 250))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match="no regular file"):
        Place(tmp_path / "pipe", option="--video")
    assert sorted(os.listdir(tmp_path)) == ["file", "pipe"]


def test_no_right_to_write(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o555)
    with pytest.raises(OutputError, match="permission denied"):
        AtomicText(tmp_path / "out.jsonl")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "no space left on the device; free some space or choose another --out"),
        (errno.EDQUOT, "the disk quota is used up; free some space or choose another --out"),
        (errno.EROFS, "the file system is read-only; choose another --out"),
        (errno.EACCES, "permission denied; change the folder's rights or choose another --out"),
        (errno.EIO, "input/output error; choose another --out"),
    ],
)
def test_each_reason_is_one_sentence(code: int, words: str) -> None:
    error = output_error("a.jsonl", OSError(code, os.strerror(code)), "--out")
    assert str(error) == f"cannot write a.jsonl: {words}"


@pytest.mark.parametrize("times", [1, 100_000])
def test_a_full_device(times: int) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    words = "cannot write /dev/full: no space left on the device; free some space"
    with pytest.raises(OutputError, match=words):
        put(Path("/dev/full"), times=times)
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


@pytest.mark.parametrize("times", [20_000, 9_000])
def test_a_full_disk(small_disk: Path, times: int) -> None:
    path = small_disk / "out.jsonl"
    path.write_text("old")
    with pytest.raises(OutputError, match="no space left on the device"):
        put(path, times=times)
    assert os.listdir(small_disk) == ["out.jsonl"]
    assert path.read_text() == "old"


def test_a_full_folder_for_waiting_text(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(small_disk))
    with pytest.raises(OutputError, match="choose another TMPDIR"):
        put(Path("/dev/null"), times=100_000)


def test_a_limit_on_file_size(tmp_path: Path) -> None:
    # In another process, because the limit would hold for this one too.
    script = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from streams.output import AtomicText\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
        "with AtomicText(Path(sys.argv[1])) as out:\n"
        "    out.write('x' * 20000)\n"
        "    out.commit()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "out.jsonl")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "it grew past the largest file allowed" in done.stderr
    assert os.listdir(tmp_path) == []


def test_standard_output_comes_at_once(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    put(None, commit=False)
    assert capfdbinary.readouterr().out == b""
    put(None, times=50_000)
    assert capfdbinary.readouterr().out == LINE.encode() * 50_000


def test_a_named_standard_output_is_added_to(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path\n"
        "from streams.output import AtomicText\n"
        "with AtomicText(Path('/dev/stdout')) as out:\n"
        "    out.write('new')\n"
        "    out.commit()\n"
    )
    target = tmp_path / "out.txt"
    target.write_text("old ")
    with target.open("a") as file:
        subprocess.run([sys.executable, "-c", script], cwd=ROOT, stdout=file, check=True)
    assert target.read_text() == "old new"
    assert os.listdir(tmp_path) == ["out.txt"]


def test_a_pipe_is_written_into(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    seen: list[bytes] = []
    reader = threading.Thread(target=lambda: seen.append(pipe.read_bytes()), daemon=True)
    reader.start()
    put(pipe, times=5_000)
    reader.join(timeout=30)
    assert seen == [LINE.encode() * 5_000]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_reader_that_left_is_no_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.close(read)
    # Line buffering, so that nothing is left to be written when it is closed.
    with io.FileIO(write, "w") as raw:
        monkeypatch.setattr("sys.stdout", type("Out", (), {"buffer": raw}))
        with pytest.raises(BrokenPipeError):
            put(None)
