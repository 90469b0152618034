"""What a figure was measured on: without it no figure can be compared with another."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Final, TypedDict

from models import cpu

FLAGS: Final = (
    "avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "asimddp", "i8mm",
)  # fmt: skip
"""What decides how quickly 8-bit models run."""
PACKAGES: Final = {
    "onnxruntime": "onnxruntime",
    "opencv": "opencv-python-headless",
    "numpy": "numpy",
    "av": "av",
    "matakota": "matakota",
}


class Machine(TypedDict):
    """The processor, its cores and those of ``FLAGS`` that it has, the system, and how busy it is:
    the average number of running programs in the last minute."""

    cpu: str
    cores: int
    flags: list[str]
    system: str
    load: float


def machine() -> Machine:
    """This machine, as it is now."""
    text = cpu.cpuinfo()
    names, flags = cpu.said(text, "model name"), cpu.flags(text)
    return {
        "cpu": (names[0] if names else "") or platform.processor() or platform.machine(),
        "cores": os.cpu_count() or 1,
        "flags": [flag for flag in FLAGS if flags and all(flag in has for has in flags)],
        "system": platform.platform(),
        "load": round(os.getloadavg()[0], 1),
    }


def versions() -> dict[str, str]:
    """What runs on it."""
    return {
        "python": platform.python_version(),
        **{name: _version(package) for name, package in PACKAGES.items()},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
