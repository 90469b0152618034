"""The form of commands and answers: JSON that fits, or a sentence that says why it does not."""

from __future__ import annotations

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from streams.messages import MessageError


class Body(BaseModel):
    """A command, an answer, or a part of one."""

    model_config = ConfigDict(frozen=True, extra="forbid")


_Answer = TypeVar("_Answer", bound=Body)


def read_answer(kind: type[_Answer], body: str) -> _Answer:
    """The answer in ``body``. Raises MessageError for anything that does not fit."""
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        raise MessageError(f"the answer is unknown here: {first_of(error)}") from None


def first_of(error: ValidationError) -> str:
    """The first thing that does not fit; nothing of what was sent is repeated."""
    return str(error.errors(include_url=False, include_input=False)[0]["msg"])
