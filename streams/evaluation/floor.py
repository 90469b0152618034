"""The floor under a pipeline: decode and inference of the same frames, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from pathlib import Path

import av

from streams.files import FORMATS
from vision.detect import Session
from vision.types import FloatArray


def floor(
    clip: Path,
    session: Session,
    batch: FloatArray,
    analysed: Container[int],
    lap: Callable[[str], None],
) -> Iterator[None]:
    """Decode ``clip`` with one thread, which costs the least CPU time, and run ``session`` on
    ``batch`` (1, 3, h, w) for each frame whose number is in ``analysed``; ``lap`` hears each
    stage end. Yields after each inference."""
    options = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
    # of a relative name FFmpeg takes what lies before a colon for a protocol
    name = str(clip.resolve())
    with av.open(name, container_options=options, metadata_errors="replace") as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        index = 0
        for picture in container.decode(stream):
            if picture.is_corrupt:
                continue
            if index in analysed:
                lap("decode")
                session.run(batch)
                lap("inference")
                yield
            index += 1
    lap("decode")
