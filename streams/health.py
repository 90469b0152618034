"""How a camera is: a state, a code that a person can look up, and a sentence; and what keeps
secrets out of everything that is written for people."""

from __future__ import annotations

import re
from collections.abc import Iterable, MutableMapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

HIDDEN = "***"
_USERINFO = re.compile(r"(?<=://)[^/?#\s'\"]*@")


class State(StrEnum):
    """``starting`` until the first picture, then ``live`` or ``down``; ``stopped`` at the end."""

    STARTING = "starting"
    LIVE = "live"
    DOWN = "down"
    STOPPED = "stopped"


class Code(StrEnum):
    """Why a camera is down, or what is wrong with it while it is live (``docs/cameras.md``)."""

    UNRESOLVED = "unresolved"
    ADDRESS_REFUSED = "address_refused"
    UNREACHABLE = "unreachable"
    UNAUTHORIZED = "unauthorized"
    NOT_FOUND = "not_found"
    REDIRECTED = "redirected"
    NOT_RTSP = "not_rtsp"
    SERVER_ERROR = "server_error"
    NO_VIDEO = "no_video"
    STALLED = "stalled"
    DISCONNECTED = "disconnected"
    CORRUPT = "corrupt"
    RESOLUTION_CHANGED = "resolution_changed"
    SCENE_MISMATCH = "scene_mismatch"
    CLOCK_SKEW = "clock_skew"
    DECODER_FAILED = "decoder_failed"
    ANALYSIS_FAILED = "analysis_failed"
    LOGIN_UNKNOWN = "login_unknown"
    CONFIGURATION_REFUSED = "configuration_refused"


SENTENCES = {
    Code.UNRESOLVED: "the camera's host name is unknown here: check the address or the DNS",
    Code.ADDRESS_REFUSED: "the camera's address is outside the allowed networks: add its network "
    "to 'networks' if it is yours",
    Code.UNREACHABLE: "nothing answers at the camera's address: check power, cable and port",
    Code.UNAUTHORIZED: "the camera refuses the login: check the user and password in the "
    "credentials file",
    Code.NOT_FOUND: "the camera has no such stream: check the path of its address",
    Code.REDIRECTED: "the camera sends us to another address, which is never followed: write the "
    "address itself",
    Code.NOT_RTSP: "what answers there does not speak RTSP: check address and port",
    Code.SERVER_ERROR: "the camera answers with an error of its own: restart it or look at its log",
    Code.NO_VIDEO: "the camera offers no video that can be decoded: set it to H.264 or H.265",
    Code.STALLED: "the camera is connected but sends no pictures: check its load and the network",
    Code.DISCONNECTED: "the camera ended the stream: it is tried again by itself",
    Code.CORRUPT: "pictures arrive damaged and are left out: check the network for losses",
    Code.RESOLUTION_CHANGED: "the camera changed its picture size: check that the scene still fits",
    Code.SCENE_MISMATCH: "the camera's picture has another shape than its scene: draw the scene "
    "anew, or set 'stretch: true'",
    Code.CLOCK_SKEW: "the camera's clock differs from ours by over 2 s, so arrival times are used: "
    "set its NTP server",
    Code.DECODER_FAILED: "the decoder of this camera broke down: it is started again by itself",
    Code.ANALYSIS_FAILED: "the analysis of this camera broke down: it is started again by itself; "
    "see the log",
    Code.LOGIN_UNKNOWN: "the worker has no login of that name: add it to its credentials file",
    Code.CONFIGURATION_REFUSED: "this camera's model or scene cannot be used here: see the "
    "worker's log, and correct it with 'matakota config apply'",
}


@dataclass(frozen=True, slots=True)
class Health:
    """A camera's state since ``since_ts`` (UTC seconds). ``code`` is None while all is well;
    a live camera may carry one as a warning."""

    state: State
    code: Code | None
    since_ts: float

    @property
    def message(self) -> str:
        """What it means and what to do, one sentence; empty while all is well."""
        return "" if self.code is None else SENTENCES[self.code]


class Redactor:
    """A structlog processor that hides passwords: those that it was told, and whatever stands
    between ``://`` and ``@``."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = sorted({s for s in secrets if s}, key=len, reverse=True)

    def __repr__(self) -> str:
        return f"Redactor({len(self._secrets)} secrets)"

    def hiding(self, secrets: Iterable[str]) -> Redactor:
        """One that hides these too."""
        return Redactor([*self._secrets, *secrets])

    def __call__(
        self, _logger: Any, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        for name, value in event.items():
            event[name] = self._clean(value)
        return event

    def text(self, text: str) -> str:
        """``text`` without secrets."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return _USERINFO.sub(f"{HIDDEN}@", text)

    def _clean(self, value: Any) -> Any:
        if isinstance(value, bool | int | float) or value is None:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self._clean(key): self._clean(entry) for key, entry in value.items()}
        if isinstance(value, list | tuple):
            return [self._clean(entry) for entry in value]
        return self.text(str(value))
