"""Which bytes a player asks for."""

from __future__ import annotations

import pytest

from api.evidence.ranges import Piece, wanted_piece

TAG = '"abc"'
ALL = Piece(0, 100, 100, partial=False)


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        (None, ALL),
        ("bytes=0-", Piece(0, 100, 100)),
        ("bytes=0-0", Piece(0, 1, 100)),
        ("bytes=10-19", Piece(10, 10, 100)),
        ("bytes=90-500", Piece(90, 10, 100)),
        ("bytes=-5", Piece(95, 5, 100)),
        ("bytes=-500", Piece(0, 100, 100)),
        (" bytes=99- ", Piece(99, 1, 100)),
        ("bytes=100-", None),
        ("bytes=100-200", None),
        ("bytes=-0", None),
        # what is no range, or several, asks for all
        ("bytes=-", ALL),
        ("bytes=5-4", ALL),
        ("bytes=0-1,5-6", ALL),
        ("lines=0-1", ALL),
        ("bytes=a-b", ALL),
        ("bytes=٠-١", ALL),
        ("bytes=0-" + "9" * 20, ALL),
        ("", ALL),
    ],
)
def test_what_is_asked_for(asked: str | None, wanted: Piece | None) -> None:
    assert wanted_piece(asked, None, TAG, 100) == wanted


def test_of_another_version_all_is_sent() -> None:
    assert wanted_piece("bytes=5-9", TAG, TAG, 100) == Piece(5, 5, 100)
    assert wanted_piece("bytes=5-9", '"other"', TAG, 100) == ALL


def test_how_it_is_said() -> None:
    assert Piece(5, 5, 100).said == "bytes 5-9/100"
