"""The spool: a worker's statements on its own disk until the store confirmed them.

One SQLite file (WAL, synchronous FULL) of one worker: what was put is still there after a kill or
a power cut. Beside the messages it keeps what a worker that is started anew must know: which
alerts are open, and the running minutes of each camera's counts.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Final, Self

from streams.messages import CANARY, AlertMessage, CountsMessage, encode
from streams.spoolfile import SpoolFile

MAX_BYTES = 1 << 30
"""About a million alerts."""
MAX_BATCH_BYTES = 1 << 20
KEYS_AT_ONCE = 500

SCHEMA: Final = 1
_TABLES: Final = """
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL,
    spooled_ts REAL NOT NULL
);
CREATE TABLE open_alerts (id TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE bins (camera TEXT PRIMARY KEY, body TEXT NOT NULL);
"""
_COLUMNS: Final = "seq, key, body, spooled_ts"
_NO_BINS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Spooled:
    """One message as it lies in the spool; ``seq`` is its place in the order of being put, and
    ``spooled_ts`` when that was (UTC seconds)."""

    seq: int
    key: str
    body: str
    spooled_ts: float


class Spool:
    """The spool in the file ``path``, which grows to about ``max_bytes``. Used by many threads.

    Everything raises SpoolError, one sentence, where the disk is full, read-only or broken, or
    the file is somebody else's; then nothing of it was written, and the same call succeeds once
    the cause is gone. It is SpoolFullError where room is all that is missing. Building it raises
    it too where another worker has the file.

    What was sent is remembered in memory alone: a worker that starts sends everything again that
    was not confirmed. ``fresh`` is set whenever something was put.
    """

    def __init__(self, path: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self.fresh = threading.Event()
        # seq to the monotonic time of being sent, oldest first; and those to be sent once more
        self._sent: dict[int, float] = {}
        self._again: dict[int, None] = {}
        self._last_sent = 0
        self._reached_s = 0.0
        self._file = SpoolFile(path, tables=_TABLES, schema=SCHEMA, max_bytes=max_bytes)
        self._waiting = int(self._file.value("SELECT count(*) FROM outbox"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def waiting(self) -> int:
        """Messages that were put and not confirmed."""
        return self._waiting

    @property
    def in_flight(self) -> int:
        """Those of them that were sent."""
        return len(self._sent)

    def put(
        self,
        messages: Sequence[AlertMessage | CountsMessage],
        *,
        bins: Mapping[str, str] = _NO_BINS,
    ) -> None:
        """Keep ``messages``, all or none; they are on the disk when it returns. One whose key is
        there already changes nothing. An open alert is remembered, a closed one forgotten;
        ``bins`` are kept as by ``keep_bins``, so that a message and the counts that it came from
        never disagree."""
        now = time.time()

        def write(db: sqlite3.Connection) -> int:
            for camera, body in bins.items():
                _keep(db, camera, body)
            return sum(_add(db, message, now) for message in messages)

        with self._file.mutex:
            self._waiting += self._file.change(write)
        self.fresh.set()

    def unsent(self, limit: int) -> list[Spooled]:
        """Up to ``limit`` messages that have to be sent, and at most 1 MiB of them or one: first
        those that were sent in vain, then the others as they were put."""
        with self._file.mutex:
            again = list(islice(self._again, limit))
            marks = ", ".join("?" * len(again))
            rows = self._file.rows(
                f"SELECT {_COLUMNS} FROM outbox WHERE seq IN ({marks}) ORDER BY seq",  # noqa: S608
                again,
            )
            if len(rows) < limit:
                rows += self._file.rows(
                    f"SELECT {_COLUMNS} FROM outbox WHERE seq > ? ORDER BY seq LIMIT ?",  # noqa: S608
                    (self._last_sent, limit - len(rows)),
                )
        return _bounded(rows)

    def unconfirmed_alerts(self, limit: int, *, after: int = 0) -> list[Spooled]:
        """Up to ``limit`` alerts that nobody confirmed, sent or not, and at most 1 MiB of them or
        one, in the order in which they were put; only those after the place ``after``. A canary is
        none."""
        return _bounded(
            self._file.rows(
                # the unique index finds them among many counts
                f"SELECT {_COLUMNS} FROM outbox WHERE key >= 'alert:' AND key < 'alert;' "  # noqa: S608
                "AND json_extract(body, '$.kind') IS NOT ? AND seq > ? ORDER BY seq LIMIT ?",
                (CANARY, after, limit),
            )
        )

    def sent(self, messages: Sequence[Spooled]) -> None:
        """These were sent just now."""
        now_s = time.monotonic()
        with self._file.mutex:
            for message in messages:
                self._again.pop(message.seq, None)
                self._sent.pop(message.seq, None)
                self._sent[message.seq] = now_s
                self._last_sent = max(self._last_sent, message.seq)

    def confirm(self, keys: Sequence[str], *, over_bus: bool = True) -> None:
        """The messages of these keys are stored: forget them. Unknown keys are no mistake. What did
        not come there ``over_bus`` tells nothing of what else was sent."""

        def delete(db: sqlite3.Connection) -> list[int]:
            gone: list[int] = []
            for start in range(0, len(keys), KEYS_AT_ONCE):
                some = keys[start : start + KEYS_AT_ONCE]
                marks = ", ".join("?" * len(some))
                sql = f"DELETE FROM outbox WHERE key IN ({marks}) RETURNING seq"  # noqa: S608
                gone += [seq for (seq,) in db.execute(sql, some)]
            return gone

        with self._file.mutex:
            gone = self._file.change(delete, frees=True)
            self._waiting -= len(gone)
            for seq in gone:
                self._again.pop(seq, None)
                sent_s = self._sent.pop(seq, 0.0)
                if over_bus:
                    self._reached_s = max(self._reached_s, sent_s)

    def resend_older_than(self, age_s: float, *, probes: int) -> int:
        """Let messages that were sent ``age_s`` ago and not confirmed be sent once more; returns
        how many.

        The bus keeps the order, so one that was sent before another that is confirmed by now was
        lost. Of the others, which may only have to wait while the store is gone, the oldest
        ``probes`` go again: their receipts tell what became of the rest. Sending all again each
        time would fill the bus.
        """
        limit_s = time.monotonic() - age_s
        with self._file.mutex:
            due: list[int] = []
            for seq, sent_s in self._sent.items():
                if sent_s > limit_s or (sent_s >= self._reached_s and len(due) >= probes):
                    break
                due.append(seq)
            for seq in due:
                del self._sent[seq]
                self._again[seq] = None
        return len(due)

    def open_alerts(self) -> list[str]:
        """The latest statement of each alert that is open, as messages.encode wrote it; canaries
        are not among them."""
        return [body for (body,) in self._file.rows("SELECT body FROM open_alerts ORDER BY rowid")]

    def keep_bins(self, camera: str, body: str) -> None:
        """Keep what a camera's counts are in the middle of, in place of what was kept before."""
        self._file.change(lambda db: _keep(db, camera, body))

    def kept_bins(self) -> dict[str, str]:
        """What was kept, by camera."""
        return dict(self._file.rows("SELECT camera, body FROM bins"))

    def close(self) -> None:
        """Let go of the file. Nothing is lost by not calling it."""
        self._file.close()


def _bounded(rows: Sequence[tuple[int, str, str, float]]) -> list[Spooled]:
    """At most ``MAX_BATCH_BYTES`` of them, or one."""
    found: list[Spooled] = []
    size = 0
    for row in rows:
        message = Spooled(*row)
        size += len(message.body)
        if found and size > MAX_BATCH_BYTES:
            break
        found.append(message)
    return found


def _add(db: sqlite3.Connection, message: AlertMessage | CountsMessage, now: float) -> int:
    """Put one message, and remember whether its alert is open; returns how many were new."""
    body = encode(message)
    done = db.execute(
        "INSERT INTO outbox (key, body, spooled_ts) VALUES (?, ?, ?) ON CONFLICT (key) DO NOTHING",
        (message.key, body, now),
    )
    if not isinstance(message, AlertMessage) or message.kind == CANARY:
        return done.rowcount
    if message.state == "open":
        db.execute(
            "INSERT INTO open_alerts (id, body) VALUES (?, ?) "
            "ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            (message.id, body),
        )
    else:
        db.execute("DELETE FROM open_alerts WHERE id = ?", (message.id,))
    return done.rowcount


def _keep(db: sqlite3.Connection, camera: str, body: str) -> None:
    db.execute(
        "INSERT INTO bins (camera, body) VALUES (?, ?) "
        "ON CONFLICT (camera) DO UPDATE SET body = excluded.body",
        (camera, body),
    )
