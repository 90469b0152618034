"""A worker's alerts over HTTP, straight to the API: the way that is left when Redis is out."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Final

from streams.apiclient import CONNECT_S, ApiClient
from streams.messages import AlertMessage
from streams.settings import API_VARIABLE
from vision.errors import PostingError, PostRefusedError
from vision.types import JsonValue

PATH: Final = "/api/v1/alerts"
ANSWER_S: Final = 5.0
STORED: Final = frozenset({200, 201})
REFUSED: Final = frozenset({404, 413, 422})
"""It is about this alert, not about us: another one may be taken."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Poster:
    """Posts alerts to the API at ``url`` with a worker's ``key``; see ``ApiClient`` for both. Used
    by one thread."""

    def __init__(
        self, url: str, key: str, *, connect_s: float = CONNECT_S, answer_s: float = ANSWER_S
    ) -> None:
        self._api = ApiClient(url, key, connect_s=connect_s)
        self._answer_s = answer_s

    def __repr__(self) -> str:
        return f"Poster({self.url})"

    @property
    def url(self) -> str:
        """Where it posts to."""
        return self._api.url + PATH

    def post(self, message: AlertMessage, spooled_ts: float | None) -> None:
        """Return once the API has stored ``message``, which was spooled at ``spooled_ts`` (UTC
        seconds). Raises PostRefusedError where it takes no such alert, and PostingError where it
        takes none at all now, or does not answer in time."""
        body = json.dumps(posted(message, spooled_ts), allow_nan=False).encode()
        answer = self._api.ask("POST", PATH, limit_s=self._answer_s, body=body)
        if answer.status in REFUSED:
            raise PostRefusedError(f"the API does not take it (status {answer.status})")
        if answer.status not in STORED:
            raise PostingError(f"the API at {self.url} takes no alert now (status {answer.status})")
        if not _is_of(answer.body, message):
            # another server's 200 would lose the alert
            raise PostingError(f"what answers at {self.url} is no Matakota: correct {API_VARIABLE}")

    def close(self) -> None:
        """Let go of the connection; another alert may open one again."""
        self._api.close()


def posted(message: AlertMessage, spooled_ts: float | None) -> dict[str, JsonValue]:
    """``message`` as the API takes it."""
    return {
        "id": message.id,
        "version": message.version,
        "camera": message.camera,
        "kind": message.kind,
        "rule": message.rule,
        "place": message.place,
        "severity": message.severity,
        "state": message.state,
        "start": _iso(message.start_ts),
        # rules may notice with a clock that was set back since
        "raised": _iso(max(message.start_ts, message.raised_ts)),
        "end": None if message.state == "open" else _iso(_end_ts(message)),
        "track_ids": list(message.track_ids),
        "score": message.score,
        "details": message.details,
        "revision": message.revision,
        "synthetic": message.synthetic,
        "detected": None if message.detected_ts is None else _iso(message.detected_ts),
        "spooled": None if spooled_ts is None else _iso(spooled_ts),
    }


def _end_ts(message: AlertMessage) -> float:
    return max(message.start_ts, message.start_ts if message.end_ts is None else message.end_ts)


def _iso(ts: float) -> str:
    """UTC, whole microseconds, always rounded down, so that the order of times stays."""
    return (_EPOCH + timedelta(microseconds=math.floor(ts * 1e6))).isoformat()


def _is_of(answer: bytes, message: AlertMessage) -> bool:
    """Whether an answer shows ``message``, or a later version of it, as it is stored."""
    try:
        found = json.loads(answer)
        return bool(found["id"] == message.id and found["version"] >= message.version)
    except (ValueError, LookupError, TypeError, RecursionError):
        return False
