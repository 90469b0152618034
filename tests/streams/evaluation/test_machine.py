"""What a figure was measured on."""

from __future__ import annotations

import pytest

from models import cpu
from streams.evaluation import machine

CPUINFO = """processor\t: 0
model name\t: Some CPU @ 3 GHz
flags\t\t: fpu avx2 avx512f avx512_vnni sse2

processor\t: 1
model name\t: Another
flags\t\t: fpu avx2 avx512f avx512_vnni avx_vnni
"""


def test_the_processor_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "cpuinfo", lambda: CPUINFO)
    found = machine.machine()
    assert found["cpu"] == "Some CPU @ 3 GHz"
    assert found["flags"] == ["avx2", "avx512f", "avx512_vnni"]
    assert found["cores"] >= 1


def test_where_the_system_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "cpuinfo", lambda: "")
    assert machine.machine()["cpu"]
    assert machine.machine()["flags"] == []


def test_versions_are_those_that_are_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "PACKAGES", {"numpy": "numpy", "gone": "a-package-of-nobody"})
    found = machine.versions()
    assert found["gone"] == "unknown"
    assert found["numpy"][0].isdigit()
