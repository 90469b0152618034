"""Pages that are plain forms: to sign in, to administer people, groups, keys and the record, to say
who is told of what, to hand a shift over, to see where cameras are, how often rules were right and
how right is counted.

Every change is a path of its own, so that the door's table says who may make it.
"""

from __future__ import annotations

from fastapi import APIRouter

from api.forms import (
    account,
    audit,
    city_map,
    delivery,
    groups,
    handover,
    keys,
    oidc,
    people,
    precision,
    signing,
    silences,
    suggestion,
    validation,
)

router = APIRouter(include_in_schema=False)
for _part in (
    signing,
    oidc,
    account,
    people,
    groups,
    keys,
    audit,
    silences,
    handover,
    city_map,
    precision,
    suggestion,
    validation,
    delivery,
):
    router.include_router(_part.router)
