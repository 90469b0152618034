"""What an entry says of a model that was quantised: from what, by which pictures, and how it does
beside the float model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AliasChoices, Field

from models.fields import FileName, FileSize, Frozen, Sha256, Share

Variant: TypeAlias = Literal["float", "int8", "reduced"]
"""The model it was made from, its file, and its file with weights of 7 bits."""
FLOAT: Final = "float"
INT8: Final = "int8"
REDUCED: Final = "reduced"
SUFFIX: Final = "_int8"
"""What ends the name of a quantised model, after that of the float one."""
Count: TypeAlias = Annotated[int, Field(ge=0)]
Shares: TypeAlias = Mapping[Variant, Share]


class Reduced(Frozen):
    """The file for CPUs that may overflow where they sum products of bytes, beside ``file``."""

    file: FileName
    sha256: Sha256
    size: FileSize


class Pictures(Frozen):
    """How many ``pictures``, and of which ``clips``."""

    clips: tuple[str, ...]
    pictures: Count


class Agreement(Frozen):
    """What two models find in the same pictures. ``f1`` counts what one would begin a track with
    (``thresholds.birth``) and the other does not see (``thresholds.match``); ``match_f1`` compares
    both at ``thresholds.match``. ``boxes``: how many the float model would begin tracks with."""

    clips: tuple[str, ...]
    pictures: Count
    boxes: Count
    f1: Shares
    match_f1: Shares


class Truth(Frozen):
    """F1 at two thresholds and AP (all at an IoU of .5) against ``people`` that a ``sequence`` of
    labels says are in ``pictures`` of ``clip``."""

    clip: str
    sequence: str
    pictures: Count
    people: Count
    match_f1: Shares
    birth_f1: Shares
    ap50: Shares


class Counted(Frozen):
    """What passed a line in truth, and what each model counted."""

    clip: str
    line: str
    direction: str
    class_name: str | None = Field(
        default=None,
        validation_alias=AliasChoices("class", "class_name"),
        serialization_alias="class",
    )
    truth: Count
    counted: Mapping[Variant, Count]


class QuantisedRecord(Frozen):
    """``source`` is the name of the float model, ``sha256`` that of its file, ``convolutions`` how
    many became INT8."""

    source: str = Field(validation_alias=AliasChoices("from", "source"), serialization_alias="from")
    sha256: Sha256
    convolutions: Count
    calibrated_on: Pictures
    agreement: Agreement
    truth: tuple[Truth, ...] = ()
    counts: tuple[Counted, ...] = ()
