"""What is asked and written for each message, built once: the database's library takes longer to
build a statement than to run it."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    and_,
    bindparam,
    func,
    insert,
    literal_column,
    or_,
    select,
)
from sqlalchemy import update as change

from api.store.alerting_tables import channel_states, deliveries, notices
from api.store.tables import alerts

SET_BACK_S: Final = 5.0
"""What is from so much later than now was kept before the clock was set back."""
LOOKED_AT: Final = 50
ESCALATED: Final = "escalated:%"

_CHANNEL: Final[BindParameter[str]] = bindparam("this_channel")
_NOTICE: Final[BindParameter[int]] = bindparam("this_notice")
_NOW: Final[BindParameter[float]] = bindparam("now")
_AHEAD: Final[BindParameter[float]] = bindparam("ahead")


def times(now: float) -> dict[str, float]:
    """What statements that depend on the time are given of it (UTC seconds)."""
    return {"now": now, "ahead": now + SET_BACK_S}


def _is(*states: str) -> ColumnElement[bool]:
    # written out: a list of values would be put into the statement anew each time
    return notices.c.state.in_([literal_column(f"'{state}'") for state in states])


OPEN: Final = _is("waiting", "held")
SET_BACK: Final = and_(
    notices.c.created_at > _AHEAD,
    notices.c.attempts == 0,
    notices.c.what.not_like(ESCALATED),
)
"""What was decided on before the clock was set back, and not tried yet, is due: it would wait for
as long as that was. Nobody is told too early that nobody acknowledged."""
DUE: Final = or_(notices.c.due_at <= _NOW, SET_BACK)
_UNCLAIMED: Final = or_(notices.c.claimed_until.is_(None), notices.c.claimed_until <= _NOW)
_FREE: Final = and_(OPEN, DUE, _UNCLAIMED)

# of a pause that began later than now nothing is known
_PAUSE: Final = (
    channel_states.c.channel == _CHANNEL,
    func.coalesce(channel_states.c.failed_at, 0.0) <= _AHEAD,
)
PAUSED: Final = select(channel_states.c.paused_until).where(*_PAUSE)
NEXT: Final = (
    select(notices.c.id)
    .where(
        notices.c.channel == _CHANNEL,
        _FREE,
        ~PAUSED.where(channel_states.c.paused_until > _NOW).exists(),
    )
    .order_by(
        notices.c.urgent.desc(),
        # after a storm there may be one for each alert; what is new and critical goes before
        notices.c.what.like(ESCALATED),
        notices.c.due_at,
        notices.c.id,
    )
    .limit(1)
)
CLAIM: Final = (
    change(notices)
    .where(notices.c.id == _NOTICE, _FREE)
    .values(claimed_by=bindparam("by"), claimed_until=bindparam("until"))
    .returning(notices)
)
ALERTS: Final = select(alerts).where(alerts.c.id.in_(bindparam("these", expanding=True)))

TAKE_CHANNEL: Final = (
    select(channel_states.c.channel).where(channel_states.c.channel == _CHANNEL).with_for_update()
)
LOG: Final = insert(deliveries)
SETTLE: Final = change(notices).where(notices.c.id == _NOTICE, _is("waiting"))
# where it took longer than the lease, somebody else may have given it up meanwhile
SETTLE_DELIVERED: Final = change(notices).where(notices.c.id == _NOTICE, _is("waiting", "given_up"))
DELIVERED: Final = change(alerts).where(
    alerts.c.id.in_(bindparam("these", expanding=True)), alerts.c.delivered_at.is_(None)
)
WORKS: Final = change(channel_states).where(channel_states.c.channel == _CHANNEL)
FAILS: Final = WORKS.values(failures=channel_states.c.failures + 1)

EARLY: Final = (
    select(notices.c.id).where(notices.c.channel == _CHANNEL, OPEN, SET_BACK, _UNCLAIMED).limit(1)
)
# of the first ones hardly any is claimed: one thread works on a channel
SOON: Final = (
    select(notices.c.due_at, notices.c.claimed_until)
    .where(notices.c.channel == _CHANNEL, notices.c.state == bindparam("this_state"))
    .order_by(notices.c.due_at)
    .limit(LOOKED_AT)
)
