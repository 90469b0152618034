"""Bodies of requests that are read by their own route, so that none is larger than it may be."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from fastapi import HTTPException, Request
from pydantic import BaseModel, ValidationError

from api.services import said

SCHEMAS: Final = "#/components/schemas/"
MAX_BODY_BYTES: Final = 256 * 1024
SMALL_BYTES: Final = 64 * 1024
"""Of a body that holds no more than some names, numbers and a note."""
SCENE_BYTES: Final = 512 * 1024
"""Of a body that holds a scene: far more than anyone draws."""
_Body = TypeVar("_Body", bound=BaseModel)


async def bounded(request: Request, most: int, refusal: str) -> bytes:
    """The body; one of more than ``most`` bytes is refused with these words."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise HTTPException(413, refusal)
    return bytes(body)


def small(model: type[_Body], most: int = SMALL_BYTES) -> Callable[[Request], Awaitable[_Body]]:
    """What reads a body of this shape and of at most so many bytes, to be depended on."""

    async def read(request: Request) -> _Body:
        refusal = f"this takes at most {most} bytes: send less"
        try:
            return model.model_validate_json(await bounded(request, most, refusal))
        except ValidationError as error:
            raise HTTPException(422, said(error.errors(include_url=False))) from None

    return read


def described(model: type[BaseModel]) -> dict[str, Any]:
    """Such a body, for the description of its route."""
    reference = {"$ref": SCHEMAS + model.__name__}
    content = {"application/json": {"schema": reference}}
    return {"requestBody": {"required": True, "content": content}}
