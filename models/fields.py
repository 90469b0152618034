"""What entries of models are made of."""

from __future__ import annotations

from typing import Annotated, Final, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

MODEL_MAX_BYTES: Final = 2 * 2**30
NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
"""What a model may be called."""
FileName: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][^/\\\x00]*$")]
FileSize: TypeAlias = Annotated[int, Field(gt=0, le=MODEL_MAX_BYTES)]
Sha256: TypeAlias = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]


class Frozen(BaseModel):
    """Fields that are all known, and stay as they are."""

    model_config = ConfigDict(extra="forbid", frozen=True)
