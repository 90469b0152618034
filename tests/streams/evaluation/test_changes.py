"""Clips made longer and spoilt: what is promised of the times, and of the pictures."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.evaluation import changes
from streams.evaluation.changes import ChangeKind, Edge, changed, loop
from streams.files import ClipSource
from streams.video import VideoWriter
from tests.needs import REPO
from vision.errors import ClipError
from vision.types import Frame, Image

PLAZA = REPO / "samples" / "clips" / "plaza.mp4"
KINDS: tuple[ChangeKind, ...] = get_args(ChangeKind)
