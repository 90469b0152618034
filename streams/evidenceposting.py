"""What waits is posted to the API, one after the other, by a thread of its own.

What the API does not take yet is tried again later, without holding up the rest; where it takes
nothing at all, all waits, longer each time.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable
from typing import Final

import structlog

from streams.apiclient import ApiClient
from streams.evidenceform import CONTENT_TYPE
from streams.evidencewaiting import Entry, Waiting
from vision.errors import PostingError

PATH: Final = "/api/v1/alerts/{alert}/evidence/{form}"
STORED: Final = frozenset({200, 201, 204})
NOT_YET: Final = 404
"""The alert is not stored yet: it goes another way."""
OVER: Final = frozenset({400, 409, 410, 413, 415, 422})
"""It will never be taken."""
BASE_S: Final = 20.0
SLOWEST_BYTES_S: Final = 1 << 18
MAX_POST_S: Final = 300.0
"""A post takes so long at the most; a large one less if the line is faster than the slowest."""
STATE_S: Final = 10.0
FIRST_DELAY_S, MAX_DELAY_S = 0.5, 60.0
LOOK_S: Final = 1.0
SWEEP_EVERY: Final = 60
JOIN_S: Final = 2.0

log = structlog.get_logger()


class EvidencePoster:
    """A thread that posts what is ``waiting``, between ``start`` and ``stop``; ``connect`` makes
    its client of the API."""

    def __init__(self, waiting: Waiting, connect: Callable[[], ApiClient]) -> None:
        self._waiting = waiting
        self._connect = connect
        self._problem: str | None = None
        self._refused = False
        self._delay_s = FIRST_DELAY_S
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="evidence-posting", daemon=True)

    @property
    def problem(self) -> str | None:
        """Why nothing is posted, one sentence, or None."""
        return self._problem

    @property
    def alive(self) -> bool:
        """False where the thread ended by itself, without ``stop``."""
        ended = self._thread.ident is not None and not self._thread.is_alive()
        return self._stopping.is_set() or not ended

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End within ``JOIN_S``; a post that takes longer is left behind, and made again by the
        next run."""
        self._stopping.set()
        self._waiting.wake()
        if self._thread.ident is not None:
            self._thread.join(JOIN_S)

    def _run(self) -> None:
        api = self._connect()
        looks = 0
        try:
            while not self._stopping.is_set():
                entry = self._waiting.take(LOOK_S)
                looks += 1
                if looks % SWEEP_EVERY == 0:
                    self._waiting.sweep()
                if entry is not None and not self._stopping.is_set():
                    self._try(api, entry)
                elif not len(self._waiting):
                    # what failed last may have been given up
                    self._problem, self._refused = None, False
        finally:
            api.close()

    def _try(self, api: ApiClient, entry: Entry) -> None:
        try:
            self._post(api, entry)
        except (PostingError, OSError) as error:
            if isinstance(error, FileNotFoundError):
                # it was given up meanwhile
                self._waiting.done(entry)
                return
            self._fail(str(error))
            self._waiting.later(entry, 0.0)
            self._stopping.wait(_jittered(self._delay_s))
            self._delay_s = min(2 * self._delay_s, MAX_DELAY_S)
            return
        self._delay_s = FIRST_DELAY_S

    def _post(self, api: ApiClient, entry: Entry) -> None:
        """Raises PostingError where nothing can be asked now."""
        path = PATH.format(alert=entry.alert, form=entry.form)
        if entry.missing is not None:
            body = entry.missing.model_dump_json(include={"camera", "why"}).encode()
            answer = api.ask("POST", f"{path}/missing", limit_s=STATE_S, body=body)
        elif entry.path is not None:
            limit_s = min(BASE_S + entry.size / SLOWEST_BYTES_S, MAX_POST_S)
            answer = api.ask(
                "POST", path, limit_s=limit_s, body=entry.path, content_type=CONTENT_TYPE
            )
            if answer.status in STORED and not _is_of(answer.body, entry):
                raise PostingError(f"what answers at {api.url} is no Matakota")
        else:
            raise AssertionError
        if answer.status in STORED:
            self._waiting.done(entry)
            # that there is none is taken also where there is no room
            if self._problem is not None and (entry.missing is None or not self._refused):
                log.info("evidence is posted again")
                self._problem, self._refused = None, False
        elif answer.status in OVER:
            log.warning(
                "evidence is not taken", alert=entry.alert, form=entry.form, status=answer.status
            )
            self._waiting.done(entry)
        else:
            if answer.status != NOT_YET:
                self._refused = True
                self._fail(
                    f"the API at {api.url} takes no evidence now (status {answer.status}): see its "
                    "disk"
                )
            delay_s = min(FIRST_DELAY_S * 2 ** min(entry.tries, 10), MAX_DELAY_S)
            entry.tries += 1
            self._waiting.later(entry, _jittered(delay_s))

    def _fail(self, why: str) -> None:
        if self._problem is None and not self._stopping.is_set():
            log.warning("evidence waits", why=why)
        self._problem = why


def _is_of(answer: bytes, entry: Entry) -> bool:
    try:
        return bool(json.loads(answer)["sha256"] == entry.sha256)
    except (ValueError, LookupError, TypeError, RecursionError):
        return False


def _jittered(delay_s: float) -> float:
    return delay_s * random.uniform(0.5, 1.0)
