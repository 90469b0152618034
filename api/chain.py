"""How long alerts take through the chain, over HTTP."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from api.services import Served, problems
from api.store.hops import HopTimes

MAX_MINUTES: Final = 7 * 24 * 60

router = APIRouter(tags=["system"])


class ChainQuery(BaseModel):
    """Of which alerts."""

    model_config = ConfigDict(extra="forbid")

    minutes: Annotated[
        int, Field(ge=1, le=MAX_MINUTES, description="Those stored in the last so many minutes.")
    ] = 60
    synthetic: Annotated[bool, Field(description="Also what no real camera saw.")] = False


class HopOut(BaseModel):
    """The way from one part of the chain to another, in seconds."""

    start: Annotated[
        str,
        Field(
            description="From where: captured, detected, spooled (on the worker's disk), published "
            "(on Redis), stored or delivered (to the first channel)."
        ),
    ]
    end: Annotated[str, Field(description="To where.")]
    count: Annotated[int, Field(description="Alerts of which both times are known.")]
    negative: Annotated[
        int,
        Field(
            description="How many of them came before they went: the clocks of two machines differ."
        ),
    ]
    p50: Annotated[float | None, Field(description="Half of them took no longer.")]
    p95: Annotated[float | None, Field(description="95 of a hundred took no longer.")]
    max: Annotated[float | None, Field(description="None of them took longer.")]

    @staticmethod
    def of(hop: HopTimes) -> HopOut:
        return HopOut(
            start=hop.start,
            end=hop.end,
            count=hop.count,
            negative=hop.negative,
            p50=_to_ms(hop.p50_s),
            p95=_to_ms(hop.p95_s),
            max=_to_ms(hop.max_s),
        )


class ChainOut(BaseModel):
    """Each hop in the order of the chain, and the whole way last."""

    minutes: int
    hops: list[HopOut]


@router.get("/chain", summary="Read how long alerts take", responses=problems(422))
def read_chain(query: Annotated[ChainQuery, Query()], served: Served) -> ChainOut:
    """How long alerts took from one part of the chain to the next, at most of the latest 20,000.
    Alerts of which a time is not known, such as those that another program stated, are left out of
    its hops, and those that a person opened of all. Times are each by their own machine's clock: a
    negative one says by how much those differ at least."""
    hops = served.store.chain.times(query.minutes * 60, synthetic=query.synthetic)
    return ChainOut(minutes=query.minutes, hops=[HopOut.of(hop) for hop in hops])


def _to_ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
