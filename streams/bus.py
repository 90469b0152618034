"""The bus between workers and API: Redis streams. Redis has no other home than this file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Entry:
    """One message as the bus delivers it, perhaps more than once. ``id`` is the bus's own;
    ``key`` goes back to ``worker`` as the receipt."""

    id: str
    worker: str
    key: str
    body: str


class Bus(Protocol):
    """Delivers every published message at least once to one of the consumers. Everything raises
    BusError, one sentence, where the bus is gone, refuses us or may lose what it is given."""

    def check(self) -> None:
        """Raise BusError unless the bus answers, is new enough and never evicts."""

    def publish(self, worker: str, messages: Sequence[tuple[str, str]]) -> None:
        """Append messages, each a key and a body, in this order."""

    def consume(self, consumer: str, *, limit: int, wait_s: float) -> list[Entry]:
        """Up to ``limit`` messages that ``consumer`` has to handle: first those that it, or a
        consumer that is gone, left unacknowledged, then new ones; waits up to ``wait_s``."""

    def acknowledge(self, ids: Sequence[str]) -> None:
        """These entries are stored: forget them."""

    def send_receipts(self, worker: str, keys: Sequence[str]) -> None:
        """Tell ``worker`` that the messages of these keys are stored. Receipts may be lost."""

    def take_receipts(self, worker: str, *, wait_s: float) -> list[str]:
        """Keys that were confirmed since the last call; waits up to ``wait_s`` for the first."""

    def report(self, worker: str, body: str, *, ttl_s: float) -> None:
        """Replace the worker's health report, which expires by itself."""

    def reports(self) -> list[str]:
        """The health reports of all workers that have not expired."""

    def close(self) -> None:
        """Release the connections; a waiting call ends with BusError."""
