"""The error tree. Every message is one sentence that names the thing and the next step.

MatakotaError
├── SceneError         a scene file or a scene's geometry is wrong (file, line, field)
├── ClipError          a clip cannot be opened, is no video, or is truncated
│   └── ClipUnreadError  its disk does not give it now, so trying again may help
├── DetectorError      a model's output does not fit its stated layout, or a class is unknown
├── ExpectationError   an expectation file is wrong (file, line, field)
├── SequenceError      a labelled sequence is no such, or a file of it is wrong (file, line)
├── SampleError        a sample is unknown, missing or has another hash
├── SurveyError        a survey's folder is of something else, in use, unfinished or damaged
├── OutputError        a result could not be written (disk full, folder missing, read-only)
├── ConfigError        the city's configuration, its credentials or the environment is wrong
├── CameraError        a camera's address is refused, or the camera cannot be used
├── BusError           Redis is gone, refuses us, or may lose what it is given
│   └── BusGoneError   it does not answer now, so trying again may help
├── PostingError       the API does not take alerts from a worker now
│   └── PostRefusedError  it takes others, but not this one
├── SpoolError         a worker's spool cannot be opened or written (read-only, in use)
│   └── SpoolFullError its disk or the spool itself is full, so trying again may help
├── StoreError         the database cannot be opened, migrated, read or written
│   └── StoreGoneError it does not answer now, so trying again may help
├── HandlingError      an alert cannot be handled so: somebody was first, or it is resolved
├── EvidenceError      evidence cannot be made, masked, taken, kept, shown or let go
└── ServiceError       a process of ours cannot start or keep running (port taken, no Valkey)

``models`` imports nothing of ours and grows its own branch, ``models.errors.ModelError``;
the edge (``api/cli``) treats both alike.
"""

from __future__ import annotations

from typing import ClassVar


class MatakotaError(Exception):
    """Base of every error that a person can act on. ``passing`` says that it may be over by
    itself, so that trying again helps. Where it is about a document, ``field`` is the place in it
    (``zones[0].polygon``) and ``problem`` what is wrong there."""

    passing: ClassVar[bool] = False
    field: str = ""
    problem: str = ""


class SceneError(MatakotaError):
    """A scene file or a scene's geometry is wrong."""


class ClipError(MatakotaError):
    """A clip cannot be opened, is no video, is empty, or is truncated."""


class ClipUnreadError(ClipError):
    """The disk, or the network behind it, does not give now what a clip holds."""

    passing = True


class DetectorError(MatakotaError):
    """A model's output does not fit its stated layout, or a class is unknown to it."""


class ExpectationError(MatakotaError):
    """An expectation file is wrong."""


class SequenceError(MatakotaError):
    """A labelled sequence is missing, or a file of it is wrong."""


class SampleError(MatakotaError):
    """A sample is unknown, missing, or differs from its stated hash."""


class SurveyError(MatakotaError):
    """A survey's folder holds something else, is in use, unfinished or damaged."""


class OutputError(MatakotaError):
    """A result could not be written."""


class ConfigError(MatakotaError):
    """The city's configuration, its credentials file or an environment variable is wrong."""


class CameraError(MatakotaError):
    """A camera's address is refused, or the camera cannot be used."""


class BusError(MatakotaError):
    """Redis is gone, refuses us, or may lose what it is given."""


class BusGoneError(BusError):
    """Redis does not answer now."""

    passing = True


class PostingError(MatakotaError):
    """The API does not take a worker's alerts now."""

    passing = True


class PostRefusedError(PostingError):
    """The API takes no such alert, but others."""

    passing = False


class OpinionError(MatakotaError):
    """A second opinion on an alert could not be had."""


class SpoolError(MatakotaError):
    """A worker's spool cannot be opened or written."""


class SpoolFullError(SpoolError):
    """The disk or the spool itself is full."""

    passing = True


class StoreError(MatakotaError):
    """The database cannot be opened, migrated, read or written."""


class StoreGoneError(StoreError):
    """The database does not answer now."""

    passing = True


class HandlingError(MatakotaError):
    """What a person wants to do about an alert cannot be done: somebody was first, or the alert,
    or what they name, is not such that it can."""


class EvidenceError(MatakotaError):
    """Evidence of an alert cannot be made, masked, taken, kept, shown or let go."""


class ServiceError(MatakotaError):
    """A process of ours cannot start or keep running."""


class BrokenError(ServiceError):
    """A part of a process of ours ended in the middle: the process is to be started anew."""

    passing = True
