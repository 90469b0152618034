"""What the program says of itself: which alerts tell of it, by their kinds and names."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Sequence
from typing import Final

from api.alerting.matching import SITE_DOWN
from api.store import StoredAlert
from api.store.letters import Letter
from api.store.system import Wrong
from api.times import local
from streams.messages import SYSTEM_CAMERA
from vision.types import JsonValue

__all__ = [
    "CHAIN",
    "CHAIN_BROKEN",
    "CHANNEL_BROKEN",
    "SITE_DOWN",
    "WATCHDOG_MISSING",
    "WATCHDOG_NAME",
    "chain_broken",
    "channel_broken",
    "channel_late",
    "channel_name",
    "site_is_down",
    "site_name",
    "watchdog_letter",
    "watchdog_missing",
]

CHAIN_BROKEN: Final = "chain_broken"
CHAIN: Final = "chain-broken"
WATCHDOG_MISSING: Final = "watchdog_missing"
WATCHDOG_NAME: Final = "watchdog-missing"
CHANNEL_BROKEN: Final = "channel_broken"
MAX_WHY_CHARS: Final = 2000
MAX_PART_CHARS: Final = 40
_PLAIN: Final = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)


def chain_broken(whys: Sequence[str]) -> Wrong:
    """Alerts may not arrive."""
    return Wrong(CHAIN_BROKEN, CHAIN, "critical", {"why": _joined(whys)})


def watchdog_missing() -> Wrong:
    """Nobody would notice that alerts do not arrive."""
    why = (
        "the watchdog was not heard for a minute, so nobody would be told that alerts do not "
        "arrive: check that 'matakota watch' runs, and see its log"
    )
    return Wrong(WATCHDOG_MISSING, WATCHDOG_NAME, "high", {"why": why})


def channel_broken(channel: str, why: str) -> Wrong:
    """A channel cannot be used as it is set up."""
    name = channel_name(channel)
    said = f"nobody is told by the channel {channel}: {why}"
    return Wrong(CHANNEL_BROKEN, name, "high", {"why": said, "channel": channel})


def channel_late(channel: str, since: float) -> Wrong:
    """A channel can be used, and nothing arrives by it."""
    said = (
        f"nothing arrives by the channel {channel} since {local(since):%Y-%m-%d %H:%M %Z}: see "
        "what it answers in the list of what was sent, and whether its address and secret are right"
    )
    details: dict[str, JsonValue] = {"why": said, "channel": channel}
    return Wrong(CHANNEL_BROKEN, channel_name(channel), "high", details)


def site_is_down(site: str, cameras: Collection[str]) -> Wrong:
    """All cameras of a site are down, of which it is one cause most likely."""
    why = (
        f"all {len(cameras)} cameras of the site {site} are down: check its power and its line "
        "before the cameras"
    )
    named: list[JsonValue] = [*sorted(cameras)]
    return Wrong(SITE_DOWN, site_name(site), "high", {"why": why, "cameras": named}, place=site)


def channel_name(channel: str) -> str:
    """The name of the alert about a channel."""
    return f"channel-broken:{_part(channel)}"


def site_name(site: str) -> str:
    """The name of the alert about a site."""
    return f"site-down:{_part(site)}"


def watchdog_letter(
    kind: str, whys: Sequence[str], *, letter: str, channel: str, began: float, now: float
) -> Letter:
    """What the watchdog sends by itself: that the chain is broken since ``began``, or (``clear``)
    not any more."""
    clear = kind == "clear"
    why = _joined(whys)
    alert = StoredAlert(
        id=CHAIN,
        version=2 if clear else 1,
        camera=SYSTEM_CAMERA,
        kind=CHAIN_BROKEN,
        rule=CHAIN,
        place="",
        severity="critical",
        state="closed" if clear else "open",
        start_ts=began,
        raised_ts=began,
        end_ts=now if clear else None,
        track_ids=(),
        score=1.0,
        details={"why": f"it works again; it was: {why}" if clear else why},
        revision=0,
        synthetic=False,
        stored_at=began,
        updated_at=now,
        position=0,
        detected_at=began,
    )
    return Letter(
        id=letter,
        notice=0,
        channel=channel,
        what="closed" if clear else "opened",
        alerts=(alert,),
        urgent=True,
        attempt=0,
        created_at=now,
    )


def _joined(whys: Sequence[str]) -> str:
    return "; ".join(whys)[:MAX_WHY_CHARS]


def _part(text: str) -> str:
    """``text`` as it may be in the id of an alert."""
    if _PLAIN.fullmatch(text) and len(text) <= MAX_PART_CHARS:
        return text
    return hashlib.sha256(text.encode()).hexdigest()[:16]
