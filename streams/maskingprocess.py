"""Makes the copy of an item of evidence in which nobody can be recognised, in a process of its own.

An original is what a camera sent, so whoever reads it may be made to do anything: the process has
little memory, time and room, no environment, and dies with the worker. It answers with one line,
empty where all went well.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from streams.evidenceboxes import decode_boxes
from streams.evidenceform import FORMS, MAX_PART_BYTES, Form
from streams.rtsp.decoder import confine
from streams.rtsp.forkserver import bare_environment
from streams.rtsp.order import MAX_PIXELS
from streams.video import VideoWriter
from vision.errors import EvidenceError, MatakotaError
from vision.masking import Masking, pixelate
from vision.types import Image

MAX_SIDE_PX: Final = 1280
MAX_FPS: Final = 15
ENCODING: Final = {"crf": "24", "preset": "veryfast", "bf": "0"}
JPEG_QUALITY: Final = 85
CODECS: Final = "h264,hevc,mjpeg,mpeg4"
MAX_SPAN_S: Final = 300.0
"""A clip whose pictures are further apart says nonsense."""
MAX_DAMAGED: Final = 0.5
"""Where more of the pictures cannot be decoded there is no copy."""

MAX_CPU_S: Final = 300
NICE: Final = 5
POLL_S: Final = 0.1
MAX_SAID_BYTES: Final = 400
ENDED: Final = "the process that masks it ended: it may need more memory or time than it is given"


def make_copy(
    form: Form,
    original: Path,
    boxes: Path,
    copy: Path,
    *,
    from_ts: float,
    limit_s: float,
    stop: threading.Event,
) -> None:
    """Write the masked copy of the ``original``, whose first packet is of ``from_ts`` (UTC
    seconds), to ``copy``: a JPEG, or an MP4 (its name must end so) that browsers play. Takes up to
    ``limit_s`` seconds. Raises EvidenceError, one sentence, and then leaves no file."""
    command = [
        *(sys.executable, "-P", "-m", "streams.maskingprocess"),
        *(str(os.getpid()), form, repr(from_ts), str(original), str(boxes), str(copy)),
    ]
    try:
        said = _run(command, limit_s, stop)
    except OSError as error:
        raise EvidenceError(f"no process can be started to mask it ({error.strerror})") from None
    if said is not None:
        copy.unlink(missing_ok=True)
        raise EvidenceError(said)


def _run(command: list[str], limit_s: float, stop: threading.Event) -> str | None:
    """Why there is no copy, None where there is one."""
    end_s = time.monotonic() + limit_s
    with tempfile.TemporaryFile() as answer:
        with subprocess.Popen(
            command,
            env=bare_environment(),
            stdin=subprocess.DEVNULL,
            stdout=answer,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                while process.poll() is None:
                    if stop.wait(POLL_S):
                        return "the worker ended while it was masked"
                    if time.monotonic() >= end_s:
                        return f"it could not be masked within {limit_s:g} s"
            finally:
                process.kill()
        answer.seek(0)
        line = answer.read(MAX_SAID_BYTES).decode("ascii", "replace").strip()
    if process.returncode == 0 and not line:
        return None
    # it has read what a camera sent, so its word is not taken for more than text
    return line if process.returncode == 0 and line.isprintable() else ENDED


# --- the process itself


def _limit(parent_pid: int) -> None:
    confine(parent_pid, MAX_PART_BYTES["copy"])
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_S, MAX_CPU_S))
    # a file that grows too large is an error, and no death
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    cv2.setNumThreads(1)
    # cameras and alerts go first
    os.nice(NICE)


def _main(parent: str, form: str, from_ts: str, original: str, boxes: str, copy: str) -> str:
    """Why there is no copy, empty where there is one."""
    _limit(int(parent))
    try:
        masking = Masking(decode_boxes(Path(boxes).read_bytes()))
        if form == FORMS[0]:
            _snapshot(Path(original), Path(copy), masking, float(from_ts))
        else:
            _clip(Path(original), Path(copy), masking, float(from_ts))
    except EvidenceError as error:
        return str(error)
    except MemoryError:
        return "masking it takes more memory than it may have"
    except (FFmpegError, MatakotaError, OSError, ValueError, cv2.error) as error:
        return f"it cannot be masked: its pictures cannot be read or written ({_kind(error)})"
    return ""


def _kind(error: Exception) -> str:
    reason = error.strerror if isinstance(error, OSError) else None
    return (reason or type(error).__name__).encode("ascii", "replace").decode()[:80]


def _snapshot(original: Path, copy: Path, masking: Masking, ts: float) -> None:
    read = cv2.imdecode(np.frombuffer(original.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    if read is None:
        raise EvidenceError("the picture cannot be decoded, so it cannot be masked")
    copy.write_bytes(jpeg_of(masked(np.asarray(read, np.uint8), masking, ts), JPEG_QUALITY))


def _clip(original: Path, copy: Path, masking: Masking, from_ts: float) -> None:
    with original.open("rb") as file, _opened(file) as container:
        stream = next(iter(container.streams.video), None)
        if stream is None or stream.codec_context is None:
            raise EvidenceError("the clip holds no video, so it cannot be masked")
        rate = min(Fraction(stream.average_rate or MAX_FPS), Fraction(MAX_FPS))
        writer: VideoWriter | None = None
        try:
            for image, offset_s in _pictures(container, stream):
                if writer is None:
                    size = image.shape[1], image.shape[0]
                    writer = VideoWriter(
                        copy, size=size, rate=max(rate, Fraction(1)), encoding=ENCODING
                    )
                regions = masking.regions(from_ts + offset_s, (image.shape[1], image.shape[0]))
                writer.write(pixelate(image, regions), offset_s)
            if writer is None:
                raise EvidenceError("no picture of the clip can be decoded, so none is masked")
            writer.commit()
        finally:
            if writer is not None:
                writer.__exit__(None, None, None)


def _opened(file: object) -> av.container.InputContainer:
    return av.open(
        file,
        "r",
        format="mp4",
        # nothing in it may name another file
        options={
            "protocol_whitelist": "",
            "codec_whitelist": CODECS,
            "max_pixels": str(MAX_PIXELS),
            "max_streams": "8",
        },
    )


def _pictures(
    container: av.container.InputContainer, stream: VideoStream
) -> Iterator[tuple[Image, float]]:
    """The pictures of a clip, (h, w, 3) BGR, all of one size, at up to ``MAX_FPS``, each with how
    many seconds it is after the file's first packet, whether that one can be decoded or not."""
    stream.codec_context.thread_count = 1
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    first_s: float | None = None
    size: tuple[int, int] | None = None
    due_s, packets, damaged = 0.0, 0, 0
    for packet in container.demux(stream):
        packets += 1
        if first_s is None and packet.pts is not None:
            # what is shown before it is cut off by the file's edit list
            first_s = float(packet.pts * packet.time_base)
        try:
            decoded = packet.decode()
        except FFmpegError:
            damaged += 1
            continue
        for picture in decoded:
            if picture.pts is None or first_s is None:
                continue
            offset_s = picture.time - first_s
            if not 0 <= offset_s <= MAX_SPAN_S:
                raise EvidenceError("the clip's pictures lie minutes apart, so it is not masked")
            if offset_s + 1e-3 < due_s:
                continue
            due_s = max(due_s + 1 / MAX_FPS, offset_s + 0.5 / MAX_FPS)
            if size is None:
                # H.264 has even sides
                w, h = _smaller(picture.width, picture.height)
                size = max(2, w // 2 * 2), max(2, h // 2 * 2)
            yield _image(picture, size), offset_s
    if damaged > MAX_DAMAGED * packets:
        raise EvidenceError("most pictures of the clip are damaged, so it cannot be masked")


def _smaller(width: int, height: int) -> tuple[int, int]:
    """How large copies of pictures are, (w, h) px."""
    scale = min(1.0, MAX_SIDE_PX / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _image(picture: VideoFrame, size: tuple[int, int]) -> Image:
    small = picture.reformat(width=size[0], height=size[1], format="bgr24")
    return np.asarray(small.to_ndarray(), np.uint8)


def masked(image: Image, masking: Masking, ts: float) -> Image:
    """A picture of ``ts`` (UTC seconds), no larger than copies are, in which nobody can be
    recognised."""
    height, width = image.shape[:2]
    size = _smaller(width, height)
    if size != (width, height):
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return pixelate(image, masking.regions(ts, size))


def jpeg_of(image: Image, quality: int) -> bytes:
    """A (h, w, 3) BGR picture as JPEG. Raises EvidenceError."""
    encoded, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not encoded:
        raise EvidenceError(f"a picture of the shape {image.shape} cannot be written as JPEG")
    return jpeg.tobytes()


if __name__ == "__main__":
    os.write(1, _main(*sys.argv[1:]).encode("ascii", "replace"))
