"""Where evidence lies, for how long and how much of it, as the environment says."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.evidence.settings import EvidenceSettings
from api.store.evidence import Kinds
from vision.errors import ConfigError

DATA = Path("/data")
KEEP, MOST = "MATAKOTA_EVIDENCE_KEEP_DAYS", "MATAKOTA_EVIDENCE_MAX_GB"
URL, HEADS = "MATAKOTA_EVIDENCE_URL", "MATAKOTA_EVIDENCE_HEADS"


@pytest.mark.parametrize("environ", [{}, dict.fromkeys((KEEP, MOST, URL, HEADS), "")])
def test_by_default(environ: dict[str, str]) -> None:
    found = EvidenceSettings.read(environ, DATA)
    assert (found.url, found.heads) == ("/data/evidence", DATA / "evidence-heads")
    assert (found.keep, found.max_bytes) == (Kinds(30, {}), 50 * 10**9)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("7", Kinds(7, {})),
        ("30,intrusion=90,loitering=0.5", Kinds(30, {"intrusion": 90, "loitering": 0.5})),
        (" intrusion = 90 ", Kinds(30, {"intrusion": 90})),
    ],
)
def test_days(written: str, kept: Kinds) -> None:
    assert EvidenceSettings.read({KEEP: written}, DATA).keep == kept


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("/other/disk", "/other/disk"),
        ("s3://bucket/some/where/", "s3://bucket/some/where"),
        ("s3://bucket", "s3://bucket"),
    ],
)
def test_places(written: str, url: str) -> None:
    found = EvidenceSettings.read({URL: written, HEADS: "/mnt/heads"}, DATA)
    assert (found.url, found.heads) == (url, Path("/mnt/heads"))


@pytest.mark.parametrize(
    ("variable", "written"),
    [
        (KEEP, "x"), (KEEP, "0"), (KEEP, "-1"), (KEEP, "nan"), (KEEP, "inf"), (KEEP, "1e9"),
        (KEEP, "30,40"), (KEEP, "intrusion"), (KEEP, "intrusion="), (KEEP, "=4"),
        (KEEP, "crowd=1,crowd=2"), (KEEP, f"{'x' * 200}=4"), (MOST, "0"), (MOST, "lots"),
        (MOST, "nan"), (MOST, "-3"), (URL, "s3://"), (URL, "gs://bucket"), (URL, "ftp://x"),
        (URL, "s3://geheim@bucket"), (URL, "s3://bucket?key=geheim"),
    ],
)  # fmt: skip
def test_what_makes_no_sense(variable: str, written: str) -> None:
    with pytest.raises(ConfigError, match=variable) as raised:
        EvidenceSettings.read({variable: written}, DATA)
    assert "geheim" not in str(raised.value)
