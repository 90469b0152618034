"""Junctions: which line or movement of which camera counts whom that turns where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from vision.traffic import Road

TurnKind: TypeAlias = Literal["left", "straight", "right", "u_turn"]
TURNS: Final[tuple[TurnKind, ...]] = ("left", "straight", "right", "u_turn")


@dataclass(frozen=True, slots=True)
class Turn:
    """Who turns so is counted by this camera's line or movement in this direction."""

    turn: TurnKind
    camera: str
    line: str
    direction: str


@dataclass(frozen=True, slots=True)
class Approach:
    """An arm by which a junction is entered; several of its ``turns`` may be of the same kind, and
    count together. ``road`` says by which row it is summed, None where nobody said."""

    name: str
    turns: tuple[Turn, ...]
    road: Road | None = None


@dataclass(frozen=True, slots=True)
class Junction:
    name: str
    approaches: tuple[Approach, ...]

    @property
    def cameras(self) -> frozenset[str]:
        """Those that count it."""
        return frozenset(turn.camera for approach in self.approaches for turn in approach.turns)
