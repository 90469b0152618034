"""Who asks, over HTTP: what a program or a page may count on."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from api.access import Permission, Role
from api.services import Asking, problems

router = APIRouter(tags=["people"])


class MeOut(BaseModel):
    """Who asks, and what they may now."""

    name: Annotated[str, Field(description="Of the person, or of the machine key.")]
    kind: Annotated[
        Literal["key", "session"], Field(description="What opened the door: a key or a session.")
    ]
    role: Annotated[Role | None, Field(description="What the person is; none for a key.")]
    permissions: Annotated[list[Permission], Field(description="What the caller may.")]
    cameras: Annotated[
        list[str] | None,
        Field(description="Ids of the cameras for which; none (null) for every camera."),
    ]
    language: Annotated[
        str | None, Field(description="The language that the person chose, such as id or en.")
    ]


@router.get("/me", summary="Read who asks", responses=problems())
def read_me(asking: Asking) -> MeOut:
    """What the key or session that is sent stands for, and what it may. It changes as soon as an
    administrator changes it."""
    return MeOut(
        name=asking.name,
        kind="key" if asking.kind == "key" else "session",
        role=asking.role,
        permissions=sorted(asking.permissions),
        cameras=None if asking.cameras is None else sorted(asking.cameras),
        language=asking.language,
    )
