"""Why evidence is not taken, shown or let go: each a class of its own, so that a route answers each
with a status of its own. All are EvidenceError, one sentence."""

from __future__ import annotations

from vision.errors import EvidenceError


class NoAlertError(EvidenceError):
    """That alert is not stored (yet), or is of another camera: a worker tries again later."""

    passing = True


class UnfitError(EvidenceError):
    """What was sent is not what its head says, or not what is wanted here: refused for good."""


class OtherOriginalError(EvidenceError):
    """Another original is kept already, and stays."""


class DeletedError(EvidenceError):
    """It was deleted, and does not come back."""


class NoRoomError(EvidenceError):
    """Disk, budget or bucket do not take it now: a worker tries again later."""

    passing = True


class NoItemError(EvidenceError):
    """There is no such evidence: it never came, or it has no such part (yet)."""


class DamagedError(EvidenceError):
    """What is kept is not there, or not what was stored."""


class UnavailableError(EvidenceError):
    """Where evidence is kept gives no answer now."""

    passing = True


class KeyGoneError(EvidenceError):
    """The key that signs what is let go is not there, or is another one."""
