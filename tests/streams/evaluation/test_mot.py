"""Sequences in the MOT layout: read, refused, written, and tracked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from streams.evaluation.mot import (
    SETTINGS,
    Rows,
    Sequence,
    format_rows,
    read_sequence,
    read_sequences,
    track,
    write_sequence,
)
from vision.errors import OutputError, SequenceError
from vision.types import Detections

INFO = """\
[Sequence]
name=street
imDir=img1
frameRate=12.5
seqLength=4
imWidth=640
imHeight=480
"""
FOUND = (
    "1,-1,10.5,20.25,30,40,0.75,-1,-1,-1\n\n1,-1,100,20,30,40,0.5\n3,-1,12,20,30,40,0.9,-1,-1,-1\n"
)
TRUTH = "1,1,10,20,30,40,1,-1,-1,-1\n4,2,50,60,30,40,0,-1,-1,-1\n"


def save(folder: Path, info: str = INFO, found: str = FOUND, truth: str = TRUTH) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "seqinfo.ini").write_text(info)
    (folder / "det.txt").write_text(found)
    (folder / "gt.txt").write_text(truth)
    return folder


def test_a_sequence_is_read_with_its_empty_pictures(tmp_path: Path) -> None:
    one = read_sequence(save(tmp_path / "street"))
    assert (one.name, one.frame_rate, one.size, one.length) == ("street", 12.5, (640, 480), 4)
    assert [len(found) for found in one.detections] == [2, 0, 1, 0]
    assert one.detections[0].xyxy.tolist() == [[10.5, 20.25, 40.5, 60.25], [100, 20, 130, 60]]
    assert one.detections[0].score.tolist() == [0.75, 0.5]
    assert one.truth.frame.tolist() == [1, 4]
    assert one.truth.id.tolist() == [1, 2]
    assert one.truth.xyxy.tolist() == [[10, 20, 40, 60], [50, 60, 80, 100]]
    assert one.truth.counted.tolist() == [True, False]


def test_the_official_layout_is_read_alike(tmp_path: Path) -> None:
    folder = save(tmp_path / "street")
    plain = read_sequence(folder)
    for name in ("det", "gt"):
        (folder / name).mkdir()
        (folder / f"{name}.txt").rename(folder / name / f"{name}.txt")
    official = read_sequence(folder)
    assert format_rows(official.truth) == format_rows(plain.truth)
    assert [len(found) for found in official.detections] == [2, 0, 1, 0]


def test_a_folder_of_sequences_is_read_by_name_and_one_alone_too(tmp_path: Path) -> None:
    save(tmp_path / "b")
    save(tmp_path / "a")
    (tmp_path / ".cache").mkdir()
    (tmp_path / "readme.txt").touch()
    assert [one.name for one in read_sequences(tmp_path)] == ["a", "b"]
    assert [one.name for one in read_sequences(tmp_path / "a")] == ["a"]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"found": "1,-1,1,2,3\n"}, r"det\.txt line 1 has 5 of 7 numbers: write frame, id, "),
        ({"found": "1,-1,1,2,3,4,0.5\n1,-1,x,2,3,4,0.5\n"}, r"det\.txt line 2 is no row of numb"),
        ({"found": "1,-1,1,nan,3,4,0.5\n"}, r"det\.txt line 1 has a number that is not finite"),
        ({"found": "5,-1,1,2,3,4,0.5\n"}, r"line 1: a frame is a whole number from 1 to seqLength"),
        ({"found": "0,-1,1,2,3,4,0.5\n"}, r"line 1: a frame is a whole number from 1 to seqLength"),
        ({"found": "1.5,-1,1,2,3,4,1\n"}, r"from 1 to seqLength, 4, not 1\.5$"),
        ({"found": "1,-1,1,2,0,4,0.5\n"}, r"line 1: a width and a height are above 0, not 0 and 4"),
        ({"truth": TRUTH + "1,1,5,5,5,5,1\n"}, r"gt\.txt line 3: frame 1 has the identity 1 twice"),
        ({"truth": "1,-1,5,5,5,5,1\n"}, r"gt\.txt line 1: an identity is a whole number from 0 to"),
        ({"truth": "1,0.5,5,5,5,5,1\n"}, r"gt\.txt line 1: an identity is a whole number"),
        ({"truth": "1,3000000000,5,5,5,5,1\n"}, r"from 0 to 10000000, not 3e\+09$"),
        ({"truth": "1,1e300,5,5,5,5,1\n"}, r"from 0 to 10000000, not 1e\+300$"),
        ({"found": "1,-1,1,2,1e39,4,1\n"}, r"line 1: a box of 1e\+39x4 px at \(1, 2\) is beyond"),
        ({"truth": "1,1,-1e30,5,5,5,1\n"}, r"line 1: a box of 5x5 px at \(-1e\+30, 5\) is beyond"),
        ({"info": INFO.replace("12.5", "1e-300")}, r"from 0\.01 to 1000 pictures a second, not 1e"),
        ({"info": INFO.replace("12.5", "1e9")}, r"from 0\.01 to 1000 pictures a second, not 1e\+0"),
        ({"info": INFO.replace("=4\n", "=1e11\n")}, r"seqLength is at most 1000000, not 1000000"),
        ({"info": "frameRate=3\n"}, r"seqinfo\.ini is no ini file: File contains no section"),
        ({"info": "[Sequence]\nframeRate=3\n"}, r"seqinfo\.ini lacks seqLength in its section"),
        ({"info": INFO.replace("12.5", "0")}, r"seqinfo\.ini: frameRate is a number above 0, not"),
        ({"info": INFO.replace("=4\n", "=4.5\n")}, r"seqLength is a whole number above 0, not '4"),
        ({"info": INFO.replace("640", "wide")}, r"imWidth is a whole number above 0, not 'wide'"),
    ],
)
def test_a_wrong_file_is_named_with_its_line(
    changed: dict[str, str], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(SequenceError, match=sentence) as caught:
        read_sequences(save(tmp_path / "street", **changed).parent)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["seqinfo.ini", "det.txt", "gt.txt"])
def test_a_missing_file_is_named(name: str, tmp_path: Path) -> None:
    (save(tmp_path / "street") / name).unlink()
    with pytest.raises(SequenceError, match=rf"street has no {name}: a sequence has seqinfo"):
        read_sequences(tmp_path)


def test_what_is_no_folder_of_sequences_is_said(tmp_path: Path) -> None:
    with pytest.raises(SequenceError, match="holds no sequence: name a folder of folders"):
        read_sequences(tmp_path)
    with pytest.raises(SequenceError, match=r"cannot read the folder .*none: no such file"):
        read_sequences(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SequenceError, match=r"empty has no seqinfo\.ini"):
        read_sequences(tmp_path)


def test_pixels_are_no_rows(tmp_path: Path) -> None:
    folder = save(tmp_path / "street")
    (folder / "det.txt").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(SequenceError, match=r"det\.txt is no text file"):
        read_sequences(tmp_path)


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    one = Sequence("x", 10.0, (9, 9), (), Rows.of([], [], []))
    with pytest.raises(OutputError, match="cannot write"):
        write_sequence(tmp_path / "file" / "x", one)


@st.composite
def drawn(draw: st.DrawFn) -> Sequence:
    length = draw(st.integers(1, 5))
    pixel = st.floats(-100, 2000, width=32, allow_subnormal=False)
    side = st.floats(1, 500, width=32)

    def boxes(n: int) -> np.ndarray:
        corner = draw(arrays.arrays(np.float32, (n, 2), elements=pixel))
        return np.concatenate(
            [corner, corner + draw(arrays.arrays(np.float32, (n, 2), elements=side))], axis=1
        )

    found = []
    for n in draw(st.lists(st.integers(0, 3), min_size=length, max_size=length)):
        score = draw(arrays.arrays(np.float32, n, elements=st.floats(0, 1, width=32)))
        found.append(Detections(boxes(n), score, np.zeros(n, np.int32)))
    who = draw(st.lists(st.tuples(st.integers(1, length), st.integers(0, 9)), unique=True))
    truth = Rows(
        np.array([frame for frame, _ in who], np.int32),
        np.array([i for _, i in who], np.int32),
        boxes(len(who)).astype(np.float64),
        np.array(draw(st.lists(st.booleans(), min_size=len(who), max_size=len(who))), np.bool_),
    )
    return Sequence("drawn", draw(st.floats(0.5, 120)), (1920, 1080), tuple(found), truth)


@settings(max_examples=40)
@given(one=drawn())
def test_what_is_written_reads_back(
    one: Sequence, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("written") / "drawn"
    write_sequence(folder, one)
    back = read_sequence(folder)
    assert (back.name, back.size, back.length) == (one.name, one.size, one.length)
    assert back.frame_rate == pytest.approx(one.frame_rate, rel=1e-11)
    for was, now in zip(one.detections, back.detections, strict=True):
        np.testing.assert_array_equal(was.xyxy, now.xyxy)
        np.testing.assert_array_equal(was.score, now.score)
    np.testing.assert_array_equal(one.truth.frame, back.truth.frame)
    np.testing.assert_array_equal(one.truth.id, back.truth.id)
    np.testing.assert_array_equal(one.truth.counted, back.truth.counted)
    np.testing.assert_allclose(one.truth.xyxy, back.truth.xyxy, rtol=1e-12)


def walk(seen: list[int], length: int, rate: float = 10.0) -> Sequence:
    """Somebody who walks 3 px a picture to the right and is detected in the pictures ``seen``."""
    found = []
    for frame in range(1, length + 1):
        box = np.array([[100 + 3 * frame, 50, 140 + 3 * frame, 150]], np.float32)
        one = Detections(box, np.full(1, 0.9, np.float32), np.zeros(1, np.int32))
        found.append(one if frame in seen else Detections.empty())
    return Sequence("walk", rate, (640, 480), tuple(found), Rows.of([], [], []))


@pytest.mark.parametrize("rate", [7.0, 10.0, 29.97])
def test_a_recording_has_the_boxes_before_the_id_and_those_of_a_gap(rate: float) -> None:
    seen = [2, 3, 4, 5, 6, 9, 10]
    views = track(walk(seen, 12, rate))
    assert views.recorded.frame.tolist() == list(range(2, 11))
    assert len(set(views.recorded.id.tolist())) == 1
    truth = [103 + 3 * (frame - 1) for frame in range(2, 11)]
    np.testing.assert_allclose(views.recorded.xyxy[:, 0], truth, atol=4)
    # live, an id is known from the third box on that comes late enough, and a gap is a gap
    known = [frame for frame in seen[2:] if (frame - seen[0]) / rate >= SETTINGS.confirm_s]
    assert views.live.frame.tolist() == known
    np.testing.assert_array_equal(
        views.live.xyxy[:, 0], [100 + 3 * frame for frame in views.live.frame]
    )


def test_nothing_detected_is_no_track() -> None:
    views = track(walk([], 5))
    assert len(views.recorded) == len(views.live) == 0
    assert views.recorded.xyxy.shape == (0, 4)


def test_rows_fit_each_other() -> None:
    with pytest.raises(ValueError, match="rows are frame"):
        Rows(np.zeros(2, np.int32), np.zeros(1, np.int32), np.zeros((2, 4)), np.ones(2, np.bool_))
