"""The wire schema of the control path: commands, answers, pictures."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.commands import (
    MAX_PICTURE_BYTES,
    Follow,
    Picture,
    Tried,
    Try,
    View,
    decode_command,
)
from streams.messages import MessageError, encode

TS = 1_769_817_600.0


@pytest.mark.parametrize(
    "command",
    [
        View(camera="plaza"),
        View(camera="ü" * 120),
        Follow(),
        Try(source="rtsp://10.0.0.7/"),
        Try(source="rtsp://10.0.0.7/", login="gate", timeout_s=30),
    ],
    ids=range(5),
)
def test_a_command_is_read_as_it_was_written(command: View | Follow | Try) -> None:
    assert decode_command(encode(command)) == command


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"type": "view"},
        {"type": "view", "camera": ""},
        {"type": "view", "camera": "x" * 121},
        {"type": "view", "camera": "a\x00"},
        {"type": "view", "camera": "a", "more": 1},
        {"type": "erase"},
        {"type": "try"},
        {"type": "try", "source": "CANARY" * 1000},
        {"type": "try", "source": "rtsp://CANARY", "timeout_s": 31},
        {"type": "try", "source": "rtsp://CANARY", "timeout_s": "NaN"},
        [],
        None,
    ],
    ids=range(13),
)
def test_what_is_no_command_is_refused_and_not_repeated(wrong: object) -> None:
    with pytest.raises(MessageError, match="unknown here") as refused:
        decode_command(json.dumps(wrong))
    assert "CANARY" not in str(refused.value)


@given(st.text(max_size=200))
def test_no_text_breaks_it(text: str) -> None:
    for read in (decode_command, Tried.of):
        with pytest.raises(MessageError):
            read(text)


def test_an_answer_is_read_as_it_was_written() -> None:
    for tried in (
        Tried(ok=True, code=None, message="it works", width=640, height=360),
        Tried(ok=False, code="unreachable", message="nobody answers"),
    ):
        assert Tried.of(encode(tried)) == tried


def test_a_picture_is_read_as_it_was_written() -> None:
    picture = Picture(TS + 0.25, 960, 540, b"\xff\xd8jpeg\xff\xd9")
    assert Picture.decode(picture.encode()) == picture


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x01",
        Picture(TS, 1, 1, b"").encode(),
        b"\x02" + Picture(TS, 1, 1, b"x").encode()[1:],
        Picture(TS, 1, 1, b"x" * MAX_PICTURE_BYTES).encode(),
        Picture(float("nan"), 1, 1, b"x").encode(),
        Picture(float("inf"), 1, 1, b"x").encode(),
        Picture(-1, 1, 1, b"x").encode(),
        Picture(1e300, 1, 1, b"x").encode(),
        Picture(TS, 0, 1, b"x").encode(),
        Picture(TS, 1, 0, b"x").encode(),
    ],
)
def test_what_is_no_picture_is_refused(body: bytes) -> None:
    with pytest.raises(MessageError, match="no picture"):
        Picture.decode(body)


@given(st.binary(max_size=200))
def test_no_bytes_break_it(body: bytes) -> None:
    try:
        picture = Picture.decode(body)
    except MessageError:
        return
    assert picture.encode() == body
