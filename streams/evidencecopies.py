"""A copy in which nobody can be recognised, of an item that the API has: fetched, made, posted."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from streams.apiclient import ApiClient
from streams.commands import Mask, Masked
from streams.evidenceform import CONTENT_TYPE, MAX_HEAD_BYTES, MAX_PART_BYTES, Head, Part
from streams.evidenceposting import PATH, STORED
from streams.evidencewaiting import CHUNK_BYTES, pack
from streams.maskingprocess import make_copy
from vision.errors import EvidenceError, PostingError

SUFFIX: Final = {"snapshot": ("image/jpeg", "jpg"), "clip": ("video/mp4", "mp4")}
_REASONS: Final = {
    404: "the API has no such evidence, or this worker's key may not see it",
    410: "the evidence was deleted",
    507: "the API has no room for the copy: see its disk",
}


def copy_made(wanted: Mask, api: ApiClient, folder: Path, stop: threading.Event) -> Masked:
    """What came of it; what it needs meanwhile lies in ``folder`` and is removed again."""
    made: Path | None = None
    try:
        made = Path(tempfile.mkdtemp(prefix="mask-", dir=folder))
        _Copying(wanted, api, made, stop).run()
        return Masked(ok=True)
    except EvidenceError as error:
        return Masked(ok=False, message=str(error))
    except PostingError as error:
        return Masked(ok=False, own=True, message=str(error))
    except OSError as error:
        why = (error.strerror or "error").lower()
        return Masked(ok=False, own=True, message=f"the worker has no room to mask it ({why})")
    finally:
        if made is not None:
            shutil.rmtree(made, ignore_errors=True)


class _Copying:
    def __init__(self, wanted: Mask, api: ApiClient, folder: Path, stop: threading.Event) -> None:
        self._wanted = wanted
        self._api = api
        self._folder = folder
        self._stop = stop
        self._end_s = time.monotonic() + wanted.timeout_s
        self._path = PATH.format(alert=wanted.alert, form=wanted.form)

    @property
    def _left_s(self) -> float:
        left_s = self._end_s - time.monotonic()
        if left_s <= 0:
            raise EvidenceError(f"it was not masked within {self._wanted.timeout_s:g} s")
        return left_s

    def run(self) -> None:
        """Raises EvidenceError, PostingError and OSError."""
        head = self._fetch()
        media, suffix = SUFFIX[head.form]
        copy = self._folder / f"copy.{suffix}"
        make_copy(
            head.form,
            self._folder / "original",
            self._folder / "boxes",
            copy,
            from_ts=head.from_ts,
            limit_s=self._left_s,
            stop=self._stop,
        )
        packed = self._folder / "packed"
        pack(packed, head.model_copy(update={"media": media}), {"copy": copy})
        answer = self._api.ask(
            "POST",
            f"{self._path}/copy",
            limit_s=self._left_s,
            body=packed,
            content_type=CONTENT_TYPE,
        )
        self._judge(answer.status)

    def _fetch(self) -> Head:
        material = self._folder / "material"
        most = MAX_HEAD_BYTES + sum(MAX_PART_BYTES.values())
        with material.open("wb") as file:
            answer = self._api.ask(
                "GET", f"{self._path}/material", limit_s=self._left_s, into=file, max_bytes=most
            )
        self._judge(answer.status)
        with material.open("rb") as file:
            head = Head.decode(file.readline(MAX_HEAD_BYTES))
            if (head.alert, head.form) != (self._wanted.alert, self._wanted.form):
                raise EvidenceError("the API sent the evidence of another alert")
            if [part.name for part in head.parts][:2] != ["original", "boxes"]:
                raise EvidenceError("the evidence has no boxes, so nothing can be masked by them")
            for part in head.parts[:2]:
                _unpack(file, part, self._folder / part.name)
        with suppress(OSError):
            material.unlink()
        return head

    def _judge(self, status: int) -> None:
        if status not in STORED:
            raise EvidenceError(
                _REASONS.get(status, f"the API does not take part in masking (status {status})")
            )


def _unpack(file: BinaryIO, part: Part, path: Path) -> None:
    digest, left = hashlib.sha256(), part.size
    with path.open("wb") as made:
        while left and (chunk := file.read(min(left, CHUNK_BYTES))):
            left -= len(chunk)
            digest.update(chunk)
            made.write(chunk)
    if left or digest.hexdigest() != part.sha256:
        raise EvidenceError(f"the {part.name} came damaged from the API: try again")
