"""By which channels people are told of alerts, how each of them is, and what was sent; for
administrators."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from api.alerting.settings import CANARY_CHANNEL, Channel
from api.forms.page import go, show, texts_of
from api.forms.refusals import missing
from api.forms.sent import number
from api.forms.words import PARTS
from api.i18n import N_, Texts
from api.kinds import SEVERITIES
from api.services import Served
from api.sessions import actor_of
from api.store.facts import NoticeState
from api.store.hops import HopTimes
from api.store.notices import ChannelState, Delivery

ROWS: Final = 50
HOPS_S: Final = 86_400.0
BUILT_IN: Final = N_("built in, for canaries")
STATES: Final[Mapping[NoticeState, str]] = {
    "waiting": N_("waits"),
    "held": N_("held back for a digest"),
    "folded": N_("part of a digest"),
    "delivered": N_("delivered"),
    "given_up": N_("given up"),
    "suppressed": N_("not sent"),
}
WHATS: Final[Mapping[str, str]] = {
    "opened": N_("new"),
    "closed": N_("over"),
    "escalated": N_("nobody acknowledged it"),
    "test": N_("test"),
}

router = APIRouter(include_in_schema=False)


class Row(NamedTuple):
    """A channel and how it is: ``look`` is good, warn, bad or nothing."""

    name: str
    how: str
    state: ChannelState
    look: str
    word: str
    testable: bool


class Logged(NamedTuple):
    """One try as people read it."""

    delivery: Delivery
    what: str
    state: str


class Hop(NamedTuple):
    """From one part of the chain to another, as people call them."""

    start: str
    end: str
    times: HopTimes


@router.get("/delivery")
def delivery(request: Request, served: Served) -> Response:
    _, now = texts_of(request), time.time()
    settings = served.store.alerting.current().settings
    channels: dict[str, Channel | None] = {each.name: each for each in settings.channels}
    channels[CANARY_CHANNEL] = None
    states = {each.channel: each for each in served.store.notices.channels(list(channels))}
    asked = request.query_params.get("channel", "").strip().replace("\0", "")
    before = number(request.query_params.get("before", ""))
    found = served.store.notices.deliveries(channel=asked or None, before=before, limit=ROWS + 1)
    values = {
        "rows": [
            _row(_, name, channel, states.get(name), now) for name, channel in channels.items()
        ],
        "names": [*channels, *([asked] if asked and asked not in channels else [])],
        "asked": asked,
        "sent": [_logged(_, each) for each in found[:ROWS]],
        "older": _older(asked, found),
        "newest": before is None,
        "hops": [
            Hop(_(PARTS[hop.start]), _(PARTS[hop.end]), hop)
            for hop in served.store.chain.times(HOPS_S)
        ],
        "dead": served.store.rejected.count(),
        "tested": "tested" in request.query_params,
    }
    return show(request, "delivery.html", values)


@router.post("/delivery/{channel}/{change}")
def do(request: Request, served: Served, channel: str, change: str) -> Response:
    found = served.store.alerting.current().settings.channel(channel)
    # to one that is switched off it would go at some later time
    if change != "test" or found is None or not found.enabled:
        return missing(request)
    served.store.notices.test(channel, actor_of(request))
    return go("/delivery?" + urlencode({"tested": 1, "channel": channel}))


def _older(asked: str, found: Sequence[Delivery]) -> str:
    """The address of the page after this one, if there is one."""
    if len(found) <= ROWS:
        return ""
    kept = {"channel": asked} if asked else {}
    return "/delivery?" + urlencode(kept | {"before": str(found[ROWS - 1].id)})


def _row(
    _: Texts, name: str, channel: Channel | None, found: ChannelState | None, now: float
) -> Row:
    state = found or ChannelState(name, 0, 0, 0.0, 0, None, None, None)
    how = _(BUILT_IN) if channel is None else channel.kind
    look, word = _look(_, channel, state, now)
    return Row(name, how, state, look, word, testable=channel is not None and channel.enabled)


def _look(_: Texts, channel: Channel | None, state: ChannelState, now: float) -> tuple[str, str]:
    if channel is not None and not channel.enabled:
        return "", _("switched off")
    if state.failures and state.paused_until > now:
        return "bad", _("fails, paused")
    if state.failures:
        return "bad", _("fails")
    if state.ok_at is None:
        return "warn", _("not tried yet")
    return "good", _("works")


def _logged(_: Texts, delivery: Delivery) -> Logged:
    what, _colon, more = delivery.what.partition(":")
    if what == "severity":
        level = next((name for key, name in SEVERITIES.items() if key == more), more)
        said = _("rose: %(severity)s") % {"severity": _(level)}
    else:
        said = _(WHATS[what]) if what in WHATS else delivery.what
    return Logged(delivery, said, _(STATES[delivery.state]))
