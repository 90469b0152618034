"""docs/cameras.md says what is true of codes and networks."""

from __future__ import annotations

from streams.address import DEFAULT_NETWORKS
from streams.health import SENTENCES
from tests.needs import REPO

TEXT = (REPO / "docs" / "cameras.md").read_text(encoding="utf-8")


def test_every_code_is_in_the_table_with_its_sentence() -> None:
    rows = [line for line in TEXT.splitlines() if line.startswith("| `")]
    for code, sentence in SENTENCES.items():
        assert f"| `{code.value}` | {sentence[0].upper()}{sentence[1:]}. |" in rows


def test_the_default_networks_are_named() -> None:
    for network in DEFAULT_NETWORKS:
        assert f"`{network}`" in TEXT
