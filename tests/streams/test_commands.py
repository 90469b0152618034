"""The wire schema of the control path: commands, answers, pictures."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.commands import (
    MAX_COMMAND_CHARS,
    MAX_PICTURE_BYTES,
    AnyCommand,
    Closing,
    Follow,
    Given,
    Mask,
    Masked,
    NotTried,
    Picture,
    Replay,
    Replayed,
    ReplayedEvent,
    Suggest,
    Suggested,
    Tracks,
    Tried,
    TriedValue,
    Try,
    View,
    decode_command,
)
from streams.drawing import Still, Taken
from streams.messages import MessageError, encode

TS = 1_769_817_600.0
CLOSING = Closing(
    alert="x" * 20, true_alarm=True, start_ts=TS, raised_ts=TS, end_ts=None, track_ids=(1,) * 200
)


@pytest.mark.parametrize(
    "command",
    [
        View(camera="plaza"),
        View(camera="ü" * 120),
        Follow(),
        Try(source="rtsp://10.0.0.7/"),
        Try(source="rtsp://10.0.0.7/", login="gate", timeout_s=30),
        Replay(camera="plaza", from_ts=TS, to_ts=TS + 86_400),
        Replay(camera="plaza", from_ts=TS, to_ts=TS + 1, scene={"lines": []}, timeout_s=600),
        Mask(alert="a1", camera="plaza", form="clip", timeout_s=600),
        Suggest(camera="plaza", rule="in", closings=()),
        Suggest(camera="plaza", rule="in", closings=(CLOSING,) * 50, timeout_s=600),
        Replay(camera="plaza", from_ts=TS, to_ts=TS + 1, explain=True),
        Tracks(camera="plaza", from_ts=TS, to_ts=TS + 3600),
        Still(camera="plaza"),
        Still(camera="plaza", view=True, timeout_s=30),
    ],
    ids=range(14),
)
def test_a_command_is_read_as_it_was_written(command: AnyCommand) -> None:
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
        {"type": "still"},
        {"type": "still", "camera": "CANARY", "timeout_s": 31},
        {"type": "mask", "alert": "a/b", "camera": "a", "form": "clip"},
        {"type": "mask", "alert": "a", "camera": "a", "form": "film"},
        {"type": "tracks", "camera": "a", "from_ts": TS, "to_ts": TS},
        {"type": "tracks", "camera": "a", "from_ts": TS, "to_ts": TS + 3601},
        {"type": "suggest", "camera": "a", "rule": "in", "closings": [CLOSING.model_dump()] * 51},
        {"type": "try"},
        {"type": "try", "source": "CANARY" * 1000},
        {"type": "try", "source": "rtsp://CANARY", "timeout_s": 31},
        {"type": "try", "source": "rtsp://CANARY", "timeout_s": "NaN"},
        {"type": "replay", "camera": "CANARY"},
        {"type": "replay", "camera": "CANARY", "from_ts": TS, "to_ts": TS},
        {"type": "replay", "camera": "CANARY", "from_ts": TS, "to_ts": TS - 1},
        {"type": "replay", "camera": "CANARY", "from_ts": TS, "to_ts": TS + 86_401},
        {"type": "replay", "camera": "CANARY", "from_ts": -1, "to_ts": 1},
        {"type": "replay", "camera": "CANARY", "from_ts": TS, "to_ts": TS + 1, "scene": []},
        {"type": "replay", "camera": "CANARY", "from_ts": TS, "to_ts": TS + 1, "timeout_s": 601},
        [],
        None,
    ],
    ids=range(27),
)
def test_what_is_no_command_is_refused_and_not_repeated(wrong: object) -> None:
    with pytest.raises(MessageError, match="unknown here") as refused:
        decode_command(json.dumps(wrong))
    assert "CANARY" not in str(refused.value)


@given(st.text(max_size=200))
def test_no_text_breaks_it(text: str) -> None:
    for read in (
        decode_command,
        Tried.of,
        Replayed.of,
        Suggested.of,
        Given.of,
        Masked.of,
        Taken.of,
    ):
        with pytest.raises(MessageError):
            read(text)


def test_an_answer_is_read_as_it_was_written() -> None:
    for tried in (
        Tried(ok=True, code=None, message="it works", width=640, height=360),
        Tried(ok=False, code="unreachable", message="nobody answers"),
    ):
        assert Tried.of(encode(tried)) == tried
    masked = Masked(ok=False, message="it has no boxes")
    assert Masked.of(encode(masked)) == masked


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


def test_what_was_replayed_is_read_as_it_was_written() -> None:
    event = ReplayedEvent(
        id="a", kind="crowd", rule="r", place="p", start_ts=TS, raised_ts=TS + 1, end_ts=None,
        track_ids=(1, 2), score=0.5, severity="low",
    )  # fmt: skip
    replayed = Replayed(ok=True, events=(event,), more=3, pictures=9, first_ts=TS, damaged=1)
    assert Replayed.of(encode(replayed)) == replayed


def test_a_command_is_bounded() -> None:
    with pytest.raises(MessageError, match="at most"):
        decode_command(" " * MAX_COMMAND_CHARS + encode(Follow()))


def test_what_was_tried_and_given_is_read_as_it_was_written() -> None:
    value = TriedValue(setting="dwell_s", value=65, true_kept=1, false_gone=2, later_s=5)
    not_tried = NotTried(alert="a", true_alarm=False, why="gone")
    suggested = Suggested(ok=True, tried=(value,), best=value, not_tried=(not_tried,))
    assert Suggested.of(encode(suggested)) == suggested
    assert not suggested.busy
    data = bytes(range(256)) * 99
    given = Given.of(encode(Given(ok=True, blocks=b64encode(data))))
    assert (given.ok, given.blocks) == (True, data)
    with pytest.raises(MessageError):
        Given.of('{"ok": true, "blocks": "abc"}')
