"""Delivery over HTTP: how the channels are, what was sent by them, and test messages."""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from api.alerting.settings import Channel, ChannelKind
from api.services import Served, problems
from api.sessions import actor_of
from api.store.facts import NoticeState
from api.store.notices import ChannelState, Delivery
from api.times import TimeOut
from streams.messages import Name

MAX_LIMIT: Final = 1000

router = APIRouter(tags=["delivery"])


class ChannelOut(BaseModel):
    """One channel of the settings, and how it is."""

    name: str
    kind: ChannelKind
    host: Annotated[
        str | None,
        Field(description="Where a webhook leads; the rest is not shown."),
    ]
    enabled: bool
    closed: Annotated[bool, Field(description="It is told of ends too.")]
    per_minute: Annotated[int, Field(description="So many messages a minute at most.")]
    waiting: Annotated[int, Field(description="Messages that are to be sent now.")]
    held: Annotated[int, Field(description="What will be sent with others of its group.")]
    failures: Annotated[int, Field(description="In a row, since something arrived.")]
    paused_until: Annotated[
        TimeOut | None, Field(description="Nothing is tried before; none where it is not paused.")
    ]
    arrived: Annotated[TimeOut | None, Field(description="When a message last arrived.")]
    failed: Annotated[TimeOut | None, Field(description="When one last failed.")]
    why: Annotated[str | None, Field(description="Why that one failed.")]

    @staticmethod
    def of(channel: Channel, state: ChannelState) -> ChannelOut:
        return ChannelOut(
            name=channel.name,
            kind=channel.kind,
            host=None if channel.url is None else urlsplit(channel.url).hostname,
            enabled=channel.enabled,
            closed=channel.closed,
            per_minute=channel.per_minute,
            waiting=state.waiting,
            held=state.held,
            failures=state.failures,
            paused_until=state.paused_until or None,
            arrived=state.ok_at,
            failed=state.failed_at,
            why=state.why,
        )


class ChannelsOut(BaseModel):
    """Every channel of the settings, in their order."""

    channels: list[ChannelOut]


class QueuedOut(BaseModel):
    """A test message that is to be sent."""

    notice: Annotated[int, Field(description="Its number; GET /deliveries says what came of it.")]


class DeliveryQuery(BaseModel):
    """Which tries."""

    model_config = ConfigDict(extra="forbid")

    channel: Annotated[Name | None, Field(description="Only those of this channel.")] = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="At most so many.")] = 100
    cursor: Annotated[
        str | None,
        Field(pattern=r"^[0-9]{1,18}$", description="The 'next' of the answer before."),
    ] = None


class DeliveryOut(BaseModel):
    """One try to send one message."""

    id: Annotated[int, Field(description="Rises with every try.")]
    notice: Annotated[int, Field(description="The message: the same one for each of its tries.")]
    channel: str
    alert: Annotated[str | None, Field(description="The alert, or the first one; none of a test.")]
    alerts: Annotated[int, Field(description="How many alerts it is about.")]
    what: Annotated[
        str,
        Field(description="opened, severity:LEVEL, closed, escalated:N or test:ID."),
    ]
    state: Annotated[NoticeState, Field(description="What became of the message until now.")]
    at: TimeOut
    seconds: Annotated[float, Field(description="How long the try took.")]
    ok: bool
    status: Annotated[int | None, Field(description="What the other side answered, by HTTP.")]
    why: Annotated[str, Field(description="Why it failed, one sentence; empty where it did not.")]

    @staticmethod
    def of(delivery: Delivery) -> DeliveryOut:
        return DeliveryOut(
            id=delivery.id,
            notice=delivery.notice,
            channel=delivery.channel,
            alert=delivery.alert,
            alerts=delivery.alerts,
            what=delivery.what,
            state=delivery.state,
            at=delivery.at,
            seconds=round(delivery.took_s, 3),
            ok=delivery.ok,
            status=delivery.status,
            why=delivery.why,
        )


class DeliveryPage(BaseModel):
    """Some tries, newest first."""

    deliveries: list[DeliveryOut]
    next: Annotated[
        str | None, Field(description="Send it as 'cursor' for the older ones; none at the end.")
    ]


@router.get("/channels", summary="List channels", responses=problems())
def list_channels(served: Served) -> ChannelsOut:
    """The channels of the settings, and how each of them is."""
    channels = served.store.alerting.current().settings.channels
    states = served.store.notices.channels([channel.name for channel in channels])
    return ChannelsOut(
        channels=[ChannelOut.of(*each) for each in zip(channels, states, strict=True)]
    )


@router.post(
    "/channels/{channel}/test",
    status_code=202,
    summary="Send a test message",
    responses=problems(404, 409, 422),
)
def send_test(channel: Name, request: Request, served: Served) -> QueuedOut:
    """Send a message by a channel that says that it is a test, as soon as the channel takes
    messages. It is tried once."""
    found = served.store.alerting.current().settings.channel(channel)
    if found is None:
        raise HTTPException(
            404, f"there is no channel {channel!a}: GET /api/v1/channels lists those there are"
        )
    if not found.enabled:
        raise HTTPException(
            409, f"channel {channel!a} is switched off: set 'enabled' in the settings first"
        )
    return QueuedOut(notice=served.store.notices.test(channel, actor_of(request)))


@router.get("/deliveries", summary="Read what was sent", responses=problems(422))
def list_deliveries(query: Annotated[DeliveryQuery, Query()], served: Served) -> DeliveryPage:
    """Every try to send a message, newest first; the last 5,000 of each channel are kept."""
    found = served.store.notices.deliveries(
        channel=query.channel,
        before=None if query.cursor is None else int(query.cursor),
        limit=query.limit + 1,
    )
    page = found[: query.limit]
    return DeliveryPage(
        deliveries=[DeliveryOut.of(each) for each in page],
        next=str(page[-1].id) if len(found) > len(page) else None,
    )
