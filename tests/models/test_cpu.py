"""Which processors sum products of bytes without overflow."""

from __future__ import annotations

from pathlib import Path

import pytest

from models import cpu

X86 = "processor : 0\nflags\t\t: fpu sse avx2 {}\nbugs : none\n"
ARM = "processor : 0\nFeatures\t: fp asimd {}\nCPU part : 0xd0c\n"


@pytest.mark.parametrize(
    ("text", "sums"),
    [
        (X86.format("avx512f avx512_vnni"), True),
        (X86.format("avx_vnni"), True),
        (X86.format("amx_int8"), True),
        (X86.format("avx512f"), False),
        # a name inside another one is no flag
        (X86.format("avx_vnni_int16"), False),
        (ARM.format("asimddp"), True),
        (ARM.format("asimdhp"), False),
        # on a machine of two kinds of cores a thread may run on either
        (X86.format("avx_vnni") + X86.format(""), False),
        (X86.format("avx_vnni") * 2, True),
        ("", False),
        ("flags", False),
    ],
)
def test_what_linux_says_of_its_processors(text: str, sums: bool) -> None:
    assert cpu.sums_byte_products_by(text) is sums


def test_where_nothing_is_known_the_answer_is_no(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu, "CPUINFO", tmp_path / "gone")
    assert cpu.cpuinfo.__wrapped__() == ""
    assert cpu.sums_byte_products_by("") is False
