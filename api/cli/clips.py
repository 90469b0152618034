"""The clip of an alert, with heads and plates masked, as the API gives it out."""

from __future__ import annotations

import random
import time
from contextlib import closing
from typing import Final

import structlog
from pydantic import BaseModel, ValidationError

from streams.apiclient import Answer, ApiClient
from streams.evidenceform import MAX_PART_BYTES
from streams.evidenceposting import PATH
from streams.settings import API_KEY_VARIABLE, API_VARIABLE, Settings
from vision.errors import PostingError

PATIENCE_S: Final = 150.0
"""So long is waited for a copy that is made when it is first asked for: a worker has two minutes,
and others may be before us."""
AGAIN_S, MAX_AGAIN_S = 2.0, 10.0
ANSWER_S: Final = 10.0
FETCH_S: Final = 300.0
"""A large copy over a slow line takes so long."""
LATER: Final = frozenset({202, 503})
"""It is being made, or is not yet for want of somebody who makes it."""

log = structlog.get_logger()


class _Item(BaseModel):
    form: str
    state: str


class _Listed(BaseModel):
    """What evidence of an alert there is; the rest of it does not matter here."""

    items: list[_Item]


def clip_of(alert_id: str, settings: Settings) -> bytes | None:
    """The masked clip of an alert, None where there is none, or where no API and key are named. A
    key needs alerts:read and evidence:see. Raises ConfigError for an address or a key that cannot
    be used; an API that does not give it is logged."""
    if settings.api_url is None or settings.api_key is None:
        log.info("no clip is asked for", why=f"{API_VARIABLE} or {API_KEY_VARIABLE} is not set")
        return None
    scopes = "--scope alerts:read --scope evidence:see --every-camera"
    with closing(ApiClient(settings.api_url, settings.api_key, needs=scopes)) as api:
        try:
            return _masked(api, PATH.format(alert=alert_id, form="clip"))
        except PostingError as error:
            log.warning("no clip is saved", why=str(error))
            return None


def _masked(api: ApiClient, path: str) -> bytes | None:
    """Raises PostingError."""
    listed = api.ask("GET", path.rpartition("/")[0], limit_s=ANSWER_S)
    if listed.status != 200:
        log.info("no clip is saved", status=listed.status)
        return None
    try:
        items = _Listed.model_validate_json(listed.body).items
    except ValidationError:
        log.warning("no clip is saved", why="the API's answer is of another version")
        return None
    if not any(each.form == "clip" and each.state == "stored" for each in items):
        log.info("no clip is saved", why="the alert has none")
        return None
    answer = _copy(api, f"{path}/copy")
    if answer.status != 200:
        log.warning("no clip is saved", status=answer.status)
        return None
    return answer.body


def _copy(api: ApiClient, path: str) -> Answer:
    """The copy, or the last answer that is none. Raises PostingError."""
    until_s = time.monotonic() + PATIENCE_S
    while True:
        answer = api.ask("GET", path, limit_s=FETCH_S, max_bytes=MAX_PART_BYTES["copy"])
        again_s = min(max(answer.retry_s or 0.0, AGAIN_S), MAX_AGAIN_S) * random.uniform(1.0, 1.2)
        if answer.status not in LATER or time.monotonic() + again_s > until_s:
            return answer
        time.sleep(again_s)
