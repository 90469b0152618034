"""The operations room's words."""

from __future__ import annotations

from api.pages.room import KINDS
from vision.policy import STREAM_KINDS
from vision.rules.registry import kinds


def test_every_kind_has_a_name_of_its_own() -> None:
    assert KINDS.keys() >= {*kinds(), *STREAM_KINDS}
    assert len(set(KINDS.values())) == len(KINDS)
    assert all(name[0].isupper() for name in KINDS.values())
