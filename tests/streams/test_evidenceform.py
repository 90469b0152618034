"""The line before the parts of evidence: what is written is read again, and nothing else is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streams.evidenceform import MAX_HEAD_BYTES, MAX_PART_BYTES, Head, Part
from vision.errors import EvidenceError

SHA = "0" * 64


def head(**changes: Any) -> Head:
    given: dict[str, Any] = {
        "alert": "a1",
        "camera": "jalan → pasar",
        "form": "clip",
        "from_ts": 1_700_000_000.25,
        "to_ts": 1_700_000_020.0,
        "revision": 3,
        "media": "video/mp4",
        "note": "the camera was away for 4 s",
        "parts": (Part("original", 5, SHA), Part("boxes", 2, SHA)),
    }
    return Head(**given | changes)


def test_a_head_is_read_as_it_was_written() -> None:
    line = head().encode()
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert line.isascii()
    assert Head.decode(line) == head()
    assert head().size == 7
    assert head().part("boxes") == Part("boxes", 2, SHA)
    assert head().part("copy") is None
    written = json.loads(line)
    assert written["from"] == 1_700_000_000.25
    assert written["schema"] == 1
    assert written["parts"] == [["original", 5, SHA], ["boxes", 2, SHA]]


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"alert": "a/../b"},
        {"camera": "a\0b"},
        {"form": "film"},
        {"media": "image/jpeg"},
        {"from": 1_700_000_021.0},
        {"from": -1},
        {"to": 1e300},
        {"parts": []},
        {"parts": [["boxes", 2, SHA], ["original", 5, SHA]]},
        {"parts": [["boxes", 2, SHA], ["boxes", 2, SHA]]},
        {"parts": [["boxes", MAX_PART_BYTES["boxes"] + 1, SHA]]},
        {"parts": [["original", -1, SHA]]},
        {"parts": [["original", 5, "g" * 64]]},
        {"note": ""},
        {"more": 1},
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any]) -> None:
    document = json.loads(head().encode()) | change
    with pytest.raises(EvidenceError):
        Head.decode(json.dumps(document).encode())


@pytest.mark.parametrize(
    "line", [b"", b"\n", b"[]", b"null", b"\xff\xfe", b"[" * 60_000, b" " * (MAX_HEAD_BYTES + 1)]
)
def test_what_is_no_head_is_refused(line: bytes) -> None:
    with pytest.raises(EvidenceError):
        Head.decode(line)
