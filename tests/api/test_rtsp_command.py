"""``matakota rtsp`` as people call it: a process of its own, watched by real clients."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from av.error import FFmpegError

from tests.api.command import environment, matakota, python
from tests.streams.simulator.clients import COUNT, GUARD_S, SIZE, RtspSocket, small_clip, watch

PASSWORD = "Sulawesi-2026"


@contextmanager
def playing(
    folder: Path, *arguments: str, cameras: int = 1
) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """The running command and the addresses that it printed."""
    process = subprocess.Popen(
        [*python(), "rtsp", *arguments],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process:
        try:
            urls = [process.stdout.readline().strip() for _ in range(cameras)]
            yield process, urls
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, err = process.communicate(timeout=GUARD_S)
    assert not out
    return process.returncode, err


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_clip(tmp_path_factory.mktemp("clips") / "Jalan Ahmad_1.mp4")


def test_once_plays_one_pass_and_ends_with_success(tmp_path: Path, clip: Path) -> None:
    with playing(tmp_path, str(clip), "--once", "--port", "0") as (process, (url,)):
        assert url.startswith("rtsp://127.0.0.1:")
        assert url.endswith("/Jalan-Ahmad_1")
        assert watch(url).indices == list(range(COUNT))
        code, err = ended(process)
    assert code == 0
    assert "every camera has played its clip" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["term", "ctrl-c"]
)
def test_a_signal_ends_it_cleanly_with_clients(
    tmp_path: Path, clip: Path, sent: signal.Signals, code: int
) -> None:
    with playing(tmp_path, str(clip), "--cameras", "3", "--port", "0", cameras=3) as (
        process,
        urls,
    ):
        assert [url.rpartition("/")[2] for url in urls] == ["cam1", "cam2", "cam3"]
        with RtspSocket(urls[1]) as client:
            client.play()
            process.send_signal(sent)
            assert client.closed()
            returned, err = ended(process)
        assert (returned, "Traceback" in err) == (code, False)
        port = int(urls[0].split(":")[2].split("/")[0])
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=GUARD_S)


def test_the_cameras_want_a_login_that_nobody_can_read(tmp_path: Path, clip: Path) -> None:
    logins = tmp_path / "logins.yaml"
    logins.write_text(f"gate: {{user: operator, password: {PASSWORD}}}\n")
    logins.chmod(0o600)
    options = ["--credentials", str(logins), "--login", "gate", "--port", "0"]
    with playing(tmp_path, str(clip), *options) as (process, (url,)):
        assert "operator" not in url
        with pytest.raises(FFmpegError, match="401"):
            watch(url)
        assert watch(url, login=f"operator:{PASSWORD}", limit=2).ended == "limit"
        line = Path(f"/proc/{process.pid}/cmdline")
        if line.exists():
            assert PASSWORD.encode() not in line.read_bytes()
        process.terminate()
        _, err = ended(process)
    assert PASSWORD not in err


def test_clips_called_the_same_get_numbers(tmp_path: Path, clip: Path) -> None:
    options = [str(clip), str(clip), "--port", "0", "--source-fps", "24"]
    with playing(tmp_path, *options, cameras=2) as (process, urls):
        names = [url.rpartition("/")[2] for url in urls]
        assert names == ["Jalan-Ahmad_1", "Jalan-Ahmad_1-2"]
        with RtspSocket(urls[1]) as client:
            assert b"a=framerate:24.000" in client.ask("DESCRIBE").body
        process.terminate()
        assert ended(process)[0] == 143


def test_a_camera_with_a_sub_stream(tmp_path: Path, clip: Path) -> None:
    with playing(tmp_path, str(clip), "--port", "0", "--substream", "48x32") as (process, (url,)):
        assert url.endswith("/Jalan-Ahmad_1/stream1")
        sizes = [watch(url.replace("stream1", f"stream{n}"), limit=1).sizes for n in (1, 2)]
        assert sizes == [[SIZE], [(48, 32)]]
        process.terminate()
        assert ended(process)[0] == 143


def test_a_port_in_use(tmp_path: Path, clip: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = matakota("rtsp", clip, "--port", str(port), folder=tmp_path)
    assert ran.code == 2
    assert ran.out == b""
    reason = f"cannot listen at 127.0.0.1 port {port} (address already in use)"
    assert ran.said == [f"matakota: the simulator {reason}: choose another port or address"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["none.mp4"], "there is no clip none.mp4"),
        (["notes.txt"], "notes.txt is no video"),
        (["CLIP", "--port", "70000"], "--port 70000 is no port"),
        (["CLIP", "--cameras", "0"], "--cameras 0 is out of range"),
        (["CLIP", "--cameras", "1001"], "--cameras 1001 is out of range"),
        (["CLIP", "--source-fps", "0"], "--source-fps 0 is no frame rate"),
        (["CLIP", "--substream", "48"], "--substream '48' is no size"),
        (["CLIP", "--substream", "49x32"], "--substream '49x32' is no size"),
        (["CLIP", "--substream", "48x32", "--once"], "--substream and --once"),
        (["CLIP", "--login", "gate"], "--credentials and --login belong together"),
        (["CLIP", "--credentials", "logins.yaml"], "--credentials and --login belong together"),
        (["CLIP", "--credentials", "logins.yaml", "--login", "x"], "there is no login 'x'"),
        (["CLIP", "--credentials", "open.yaml", "--login", "gate"], "chmod 600"),
        (["CLIP", "--credentials", "no.yaml", "--login", "gate"], "no.yaml"),
        (["CLIP", "--host", "nowhere.invalid", "--port", "0"], "cannot listen at nowhere.invalid"),
        ([], "Missing argument"),
    ],
)
def test_mistakes_are_one_sentence(
    tmp_path: Path, clip: Path, options: list[str], sentence: str
) -> None:
    (tmp_path / "notes.txt").write_text("no video")
    for name, mode in (("logins.yaml", 0o600), ("open.yaml", 0o644)):
        (tmp_path / name).write_text(f"gate: {{user: operator, password: {PASSWORD}}}\n")
        (tmp_path / name).chmod(mode)
    ran = matakota(
        "rtsp", *[clip if option == "CLIP" else option for option in options], folder=tmp_path
    )
    assert ran.code == 2
    (said,) = ran.said
    assert sentence in said
    assert PASSWORD not in ran.err
