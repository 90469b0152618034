"""The clip of an alert, with heads and plates masked, as the API gives it out."""

from __future__ import annotations

import time
from typing import Final

import httpx
import structlog
from pydantic import BaseModel, ValidationError

from streams.posting import Poster
from streams.settings import API_KEY_VARIABLE, API_VARIABLE, Settings

PATIENCE_S: Final = 60.0
"""So long is waited for a copy that is made when it is first asked for."""
AGAIN_S: Final = 2.0
ANSWER_S: Final = 10.0
MAX_CLIP_BYTES: Final = 256 << 20

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
    # as strict about where a key is sent as a worker is
    base = f"{Poster(settings.api_url, settings.api_key).url}/{alert_id}/evidence"
    headers = {"Authorization": f"Bearer {settings.api_key}"}
    try:
        with httpx.Client(headers=headers, timeout=ANSWER_S, trust_env=False) as client:
            return _masked(client, base)
    except httpx.HTTPError as error:
        log.warning("no clip is saved", why=f"the API does not answer ({type(error).__name__})")
        return None


def _masked(client: httpx.Client, base: str) -> bytes | None:
    listed = client.get(base)
    if listed.status_code != 200:
        log.info("no clip is saved", status=listed.status_code)
        return None
    try:
        items = _Listed.model_validate_json(listed.content).items
    except ValidationError:
        log.warning("no clip is saved", why="the API's answer is of another version")
        return None
    if not any(each.form == "clip" and each.state == "stored" for each in items):
        log.info("no clip is saved", why="the alert has none")
        return None
    until_s = time.monotonic() + PATIENCE_S
    while True:
        with client.stream("GET", f"{base}/clip/copy") as answer:
            status = answer.status_code
            if status == 200:
                return _body(answer)
        if status != 202 or time.monotonic() >= until_s:
            log.warning("no clip is saved", status=status)
            return None
        # it is being made
        time.sleep(AGAIN_S)


def _body(answer: httpx.Response) -> bytes | None:
    found = bytearray()
    for part in answer.iter_bytes():
        found += part
        if len(found) > MAX_CLIP_BYTES:
            log.warning("no clip is saved", why="it is too large")
            return None
    return bytes(found)
