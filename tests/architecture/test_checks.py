"""Every architecture check is fed what it must find, and what it must let pass."""

from __future__ import annotations

import pytest

from tests.architecture import checks
from tests.architecture.checks import Check
from tests.architecture.source import parse

BAD: dict[Check, list[tuple[str, str]]] = {
    checks.apart: [
        ("api/i18n/__init__.py", "from api.access import Caller"),
        ("api/i18n/a.py", "import streams.health"),
    ],
    checks.guarded_events: [
        ("api/pages/a.py", "listed.on('older', self.older)"),
        ("api/pages/a.py", "listed.on('older', lambda event: f(event))"),
        ("api/pages/a.py", "listed.on('older', handler=older)"),
        ("api/pages/a.py", "listed.on('older', handler=guarded(older), callback=f)"),
        ("api/pages/a.py", "ui.button('x', on_click=f)"),
        ("api/pages/a.py", "button.on_click(f)"),
        ("api/pages/a.py", "listed.on('older', self.guarded(f))"),
        ("api/pages/a.py", "core.sio.on('event', handle)"),
    ],
    checks.floors: [
        ("vision/a.py", "import streams.files"),
        ("vision/a.py", "from models import zoo"),
        ("vision/rules/a.py", "def f():\n    from api import app"),
        ("models/a.py", "from vision.types import Frame"),
        ("streams/a.py", "import importlib\nimportlib.import_module('api.cli')"),
        ("streams/a.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import api"),
        ("streams/a.py", "from tests.needs import need"),
        ("api/a.py", "import models.zoo"),
        ("api/a.py", "import cv2"),
        ("api/a.py", "from .cli import main"),
        ("api/store/a.py", "from ..cli.main import main"),
        ("api/a.py", "from api import cli"),
        ("samples/a.py", "import vision"),
    ],
    checks.named_for_what_it_holds: [
        ("vision/utils.py", ""),
        ("tests/util/a.py", ""),
    ],
    checks.no_blind_except: [
        ("streams/a.py", "try:\n    f()\nexcept:\n    pass"),
        ("streams/a.py", "try:\n    f()\nexcept Exception:\n    raise"),
        ("api/a.py", "try:\n    f()\nexcept (OSError, BaseException) as e:\n    g(e)"),
        ("api/a.py", "try:\n    f()\nexcept* Exception:\n    pass"),
        ("api/a.py", "import builtins\ntry:\n    f()\nexcept builtins.Exception:\n    0"),
        ("api/a.py", "from contextlib import suppress\nwith suppress(Exception):\n    f()"),
    ],
    checks.no_environment_at_import: [
        ("streams/a.py", "import os\nHOME = os.environ['HOME']"),
        ("streams/a.py", "from os import getenv as g\nHOME = g('HOME')"),
        ("api/a.py", "import os\nclass A:\n    home = os.getenv('HOME')"),
        ("api/a.py", "import os\ndef f(home=os.getenv('HOME')): ..."),
        ("api/a.py", "import os\nif os.environ.get('DEBUG'):\n    f()"),
    ],
    checks.no_shared_state: [
        ("vision/a.py", "seen = {}"),
        ("vision/a.py", "seen: dict[str, int] = dict()"),
        ("vision/a.py", "from collections import defaultdict as d\nseen = d(list)"),
        ("vision/a.py", "class Track:\n    history = []"),
        ("vision/a.py", "import itertools\nIDS = itertools.count()"),
        ("vision/a.py", "from itertools import count\nclass Track:\n    ids = count(1)"),
        ("vision/a.py", "n = 0\ndef f():\n    global n\n    n += 1"),
        ("vision/a.py", "SEEN = set()\ndef f(x):\n    SEEN.add(x)"),
        ("vision/a.py", "SEEN = {}\ndef f(x):\n    SEEN[x] = 1"),
        ("vision/a.py", "SEEN = {}\ndef f(x):\n    del SEEN[x]"),
        ("vision/a.py", "class T:\n    n = 0\n    def f(self):\n        T.n += 1"),
        ("vision/a.py", "class T:\n    @classmethod\n    def f(cls):\n        cls.n = 1"),
    ],
    checks.no_video_capture: [
        ("streams/a.py", "import cv2\ndef f(x):\n    return cv2.VideoCapture(x)"),
        ("vision/a.py", "from cv2 import VideoCapture"),
    ],
    checks.one_home: [
        ("streams/files.py", "import redis"),
        ("api/alerts.py", "from sqlalchemy.orm import Session"),
        ("vision/detect.py", "def f():\n    import onnxruntime as ort"),
        ("models/zoo.py", "from ultralytics import YOLO"),
        ("api/cli/doctor.py", "import av"),
        ("streams/a.py", "__import__('alembic')"),
    ],
    checks.only_ts: [
        ("vision/pipeline.py", "import time\ndef f():\n    return time.time()"),
        ("vision/a.py", "from time import time as now\ndef f():\n    return now()"),
        ("vision/a.py", "import datetime as d\ndef f():\n    return d.datetime.now(d.UTC)"),
        ("vision/a.py", "from datetime import datetime\nf = datetime.utcnow"),
        ("vision/rules/a.py", "from time import monotonic"),
        ("vision/counting.py", "def f():\n    import time"),
        ("vision/rules/a.py", "def f(tracked):\n    return tracked.index % 5"),
    ],
    checks.short: [
        ("vision/a.py", "x = 1\n" * 401),
    ],
}

GOOD: dict[Check, list[tuple[str, str]]] = {
    checks.apart: [
        ("api/i18n/__init__.py", "import gettext\nfrom pathlib import Path"),
        ("api/forms/page.py", "from api.i18n import texts"),
    ],
    checks.guarded_events: [
        ("api/pages/a.py", "listed.on('older', guarded(served, caller, need, older))"),
        ("api/pages/a.py", "client.on_delete(lambda: task.cancel())"),
        ("api/pages/a.py", "core.sio.on('event', _kept(handle))"),
        ("api/pages/a.py", "ui.button('x', on_click=guarded(served, caller, need, f))"),
        ("api/a.py", "listed.on('older', f)"),
    ],
    checks.floors: [
        ("vision/a.py", "import numpy, cv2\nfrom vision.types import Frame\nfrom . import b"),
        ("streams/a.py", "from vision import types\nimport models.zoo"),
        ("api/cli/a.py", "import cv2, models, streams, vision\nfrom api import cli"),
        ("api/__main__.py", "from api.cli import main"),
        ("tests/api/test_a.py", "import api.cli, models, cv2"),
    ],
    checks.named_for_what_it_holds: [
        ("vision/geometry.py", ""),
    ],
    checks.no_blind_except: [
        ("api/a.py", "try:\n    f()\nexcept (OSError, ValueError):\n    pass"),
        ("api/a.py", "class Exceptional(Exception): ..."),
    ],
    checks.no_environment_at_import: [
        ("api/a.py", "import os\ndef f():\n    return os.environ['HOME']"),
        ("api/a.py", "import os\nF = lambda: os.getenv('HOME')"),
        ("api/a.py", "import os\nif __name__ == '__main__':\n    os.getenv('A')"),
    ],
    checks.no_shared_state: [
        ("vision/a.py", "__all__ = ['a']\nKINDS = {'a': 1}\n_MORE = ['b']\nnames = ('c',)"),
        ("vision/a.py", "def f():\n    seen = {}\n    seen['a'] = 1\n    return seen"),
        ("vision/a.py", "class A:\n    __slots__ = ['x']\n    def f(self):\n        self.x = []"),
        (
            "vision/a.py",
            "from dataclasses import field\nclass A:\n    x: list = field(default_factory=list)",
        ),
    ],
    checks.no_video_capture: [
        ("streams/a.py", "import cv2\nf = cv2.VideoWriter_fourcc"),
        ("tests/a.py", "import cv2\nf = cv2.VideoCapture"),
    ],
    checks.one_home: [
        ("streams/bus/chain.py", "import redis.asyncio"),
        ("api/store/tables.py", "import sqlalchemy"),
        ("models/session.py", "import onnxruntime"),
        ("models/export.py", "def f():\n    from ultralytics import YOLO"),
        ("streams/files.py", "import av"),
    ],
    checks.only_ts: [
        ("vision/pipeline.py", "import time\ndef f():\n    return time.perf_counter()"),
        (
            "vision/rules/a.py",
            "from datetime import timedelta\ndef f(tracked):\n    return tracked.ts",
        ),
        ("streams/a.py", "import time\ndef f():\n    return time.time()"),
    ],
    checks.short: [
        ("vision/a.py", "x = 1\n" * 400),
    ],
}


def rows(table: dict[Check, list[tuple[str, str]]]) -> list[tuple[Check, str, str]]:
    return [(check, path, text) for check, snippets in table.items() for path, text in snippets]


@pytest.mark.parametrize(("check", "path", "text"), rows(BAD))
def test_finds_what_is_wrong(check: Check, path: str, text: str) -> None:
    assert list(check(parse(path, text)))


@pytest.mark.parametrize(("check", "path", "text"), rows(GOOD))
def test_lets_pass_what_is_right(check: Check, path: str, text: str) -> None:
    assert list(check(parse(path, text))) == []


def test_every_check_has_both_kinds_of_snippet() -> None:
    assert set(BAD) == set(GOOD) == set(checks.CHECKS)
