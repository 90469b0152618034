"""Pages that are plain forms: to sign in, and to administer people, groups, keys and the record.

Every change is a path of its own, so that the door's table says who may make it.
"""

from __future__ import annotations

from fastapi import APIRouter

from api.forms import account, audit, groups, keys, oidc, people, signing

router = APIRouter(include_in_schema=False)
for _part in (signing, oidc, account, people, groups, keys, audit):
    router.include_router(_part.router)
