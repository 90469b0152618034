"""What this machine's processor can do, above all with bytes."""

from __future__ import annotations

from functools import cache
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
_BYTE_PRODUCTS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8", "asimddp"})
"""Of x86 and of 64-bit ARM, as Linux names them: products of bytes are summed in 32 bits. Older x86
sums two of them in 16, which weights of 8 bits can overflow."""


@cache
def cpuinfo() -> str:
    """Linux's text about all processors, empty where there is none."""
    try:
        return CPUINFO.read_text("utf-8", errors="replace")
    except OSError:
        return ""


def said(text: str, *keys: str) -> list[str]:
    """What ``text`` says under one of ``keys``, once for each processor."""
    parts = (line.partition(":") for line in text.splitlines())
    return [value.strip() for key, _, value in parts if key.strip() in keys]


def flags(text: str) -> list[frozenset[str]]:
    """What each processor can do by that text, as Linux names it."""
    return [frozenset(value.split()) for value in said(text, "flags", "Features")]


@cache
def sums_byte_products() -> bool:
    """Whether this machine sums products of bytes without overflow; where it cannot be known, no
    is the safe answer."""
    return sums_byte_products_by(cpuinfo())


def sums_byte_products_by(text: str) -> bool:
    """The same by Linux's text about all processors, each of which must."""
    found = flags(text)
    return bool(found) and all(each & _BYTE_PRODUCTS for each in found)
