"""No committed text names a package registry or a place on somebody's machine."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.needs import REPO

# Put together from parts, so that this file does not hold what it looks for.
FORBIDDEN = {
    "a package registry": re.compile(
        "|".join(
            re.escape(name + "." + end)
            for name, end in [
                ("pypi", "org"),
                ("pythonhosted", "org"),
                ("npmjs", "org"),
                ("npmjs", "com"),
                ("deb.debian", "org"),
                ("conda.anaconda", "org"),
            ]
        )
    ),
    "a place on one machine": re.compile(
        r"(?<![\w./-])/(?:" + "|".join(["wo" + "rk", "ro" + "ot", "op" + "t/pypi"]) + r")/"
    ),
    "an index option": re.compile("--(?:extra-)?index" + "-url"),
}


def findings(name: str, text: str) -> list[str]:
    return [
        f"{name}:{number}: {what}: {hit.group()}"
        for number, line in enumerate(text.splitlines(), 1)
        for what, pattern in FORBIDDEN.items()
        if (hit := pattern.search(line))
    ]


def committed() -> list[Path]:
    if not (REPO / ".git").exists():
        pytest.skip("needs a git checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=True,
    )
    return [REPO / name for name in listed.stdout.split("\0") if name and (REPO / name).is_file()]


def test_no_committed_text_names_a_registry_or_a_machine() -> None:
    found: list[str] = []
    for file in committed():
        data = file.read_bytes()
        if b"\0" not in data:
            text = data.decode("utf-8", "replace")
            found += findings(file.relative_to(REPO).as_posix(), text)
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "see https://" + "pypi" + ".org/project/x",
        "files." + "pythonhosted" + ".org",
        "cd /" + "work/main",
        'open("/' + 'root/.cache")',
        "--extra-index" + "-url=x",
    ],
)
def test_finds_what_is_wrong(text: str) -> None:
    assert findings("a", text)


@pytest.mark.parametrize("text", ["a frame/" + "work/ of ours", "./" + "work/x", "the root/"])
def test_lets_pass_what_is_right(text: str) -> None:
    assert not findings("a", text)
