"""The error tree. Every message is one sentence that names the thing and the next step.

MatakotaError
├── SceneError         a scene file or a scene's geometry is wrong (file, line, field)
├── ClipError          a clip cannot be opened, is no video, or is truncated
├── DetectorError      a model's output does not fit its stated layout, or a class is unknown
├── ExpectationError   an expectation file is wrong (file, line, field)
├── SampleError        a sample is unknown, missing or has another hash
└── OutputError        a result could not be written (disk full, folder missing, read-only)

``models`` imports nothing of ours and grows its own branch, ``models.errors.ModelError``;
the edge (``api/cli``) treats both alike.
"""

from __future__ import annotations


class MatakotaError(Exception):
    """Base of every error that a person can act on."""


class SceneError(MatakotaError):
    """A scene file or a scene's geometry is wrong."""


class ClipError(MatakotaError):
    """A clip cannot be opened, is no video, is empty, or is truncated."""


class DetectorError(MatakotaError):
    """A model's output does not fit its stated layout, or a class is unknown to it."""


class ExpectationError(MatakotaError):
    """An expectation file is wrong."""


class SampleError(MatakotaError):
    """A sample is unknown, missing, or differs from its stated hash."""


class OutputError(MatakotaError):
    """A result could not be written."""
