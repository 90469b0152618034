"""How evidence leaves: first its row, with a tombstone, then its files; for room only as far as
files really go."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Sequence
from typing import Final, NamedTuple

import structlog

from api.evidence.files import Files
from api.evidence.refusals import NoRoomError, UnavailableError
from api.store import Actor
from api.store.evidence import Evidence
from api.store.evidence_chain import Signer
from api.store.evidence_items import Item
from api.store.evidence_rows import Key
from streams.evidenceform import PartName

PIECE: Final = 100
MOST: Final = 1000
"""Items that are let go at once."""
MAX_FAILED: Final = 3
"""After so many in a row that cannot be removed, no others are tried."""
STAYS_S: Final = 3600.0
"""What is deleted and still there after this is said."""
RETENTION: Final = Actor("command", "retention")
BUDGET: Final = Actor("command", "budget")
PARTS: Final[tuple[PartName, ...]] = ("original", "boxes", "copy")

log = structlog.get_logger()


class _Chosen(NamedTuple):
    """What goes for room: copies of these items, and the whole of those."""

    copies: list[Item]
    items: list[Item]


class Leaving:
    """For any thread. ``catch_up`` is called after each change of the chain. Raises KeyGoneError,
    StoreError, and what its methods name."""

    def __init__(
        self,
        rows: Evidence,
        files: Files,
        key: Signer,
        catch_up: Callable[[], None],
        *,
        max_bytes: int,
        reserve_bytes: int,
    ) -> None:
        self._rows = rows
        self._files = files
        self._key = key
        self._catch_up = catch_up
        self._max_bytes = max_bytes
        self._reserve_bytes = reserve_bytes

    def let_go(self, items: Sequence[Item], why: str, by: Actor) -> int:
        """Delete these as far as they may be; how many went. Their files go after the commit. For
        room no more go once files stay."""
        total = 0
        recorded = by not in (RETENTION, BUDGET)
        for first in range(0, len(items), PIECE):
            keys: list[Key] = [(item.alert, item.form) for item in items[first : first + PIECE]]
            gone = self._rows.delete(keys, why, by, self._key, recorded=recorded)
            self._catch_up()
            total += len(gone)
            if self.remove(gone) < len(gone) and by == BUDGET:
                break
        return total

    def remove(self, items: Collection[Item]) -> int:
        """Remove the files of deleted items, as far as that can be done now; how many."""
        done, failed = list[Key](), 0
        # in any order, so that some that cannot go are not always in front of the others
        for item in random.sample([*items], len(items)):
            try:
                for part in PARTS:
                    place = item.copy_place if part == "copy" else item.place
                    if place is not None:
                        self._files.remove(f"{place}.{part}")
            except UnavailableError as error:
                failed += 1
                if failed == 1:
                    log.warning("files of deleted evidence are removed later", why=str(error))
                if failed >= MAX_FAILED:
                    break
                continue
            failed = 0
            done.append((item.alert, item.form))
        if done:
            self._rows.set_removed(done)
        return len(done)

    def remove_rest(self) -> int:
        """Remove what is deleted and still there; how many."""
        return self.remove(self._rows.unremoved(MOST))

    def staying(self, now: float) -> str | None:
        """Why deleted evidence is still there for long at ``now`` (UTC seconds), one sentence."""
        if not self._rows.unremoved(1, before=now - STAYS_S):
            return None
        return (
            f"deleted evidence is still in {self._files.label} after more than an hour, since it "
            "cannot be removed: check its rights and that it answers"
        )

    def free_room(self, size: int, before: float | None, *, originals: bool = True) -> int:
        """Let go what is needed until so many bytes find room: the oldest copies, which can be made
        again, then, where ``originals`` may go, the oldest items of those that begin before (UTC
        seconds); nothing, where that would not do. How many items went. Raises NoRoomError where
        files cannot be removed or written, so that it would be for nothing."""
        total = 0
        while self._short(size) > 0:
            self.remove_rest()
            if self._rows.unremoved(1):
                raise NoRoomError(
                    f"evidence that is deleted cannot be removed from {self._files.label}, so that "
                    "there is no room: check its rights and that it answers"
                )
            needed = self._short(size)
            if needed <= 0:
                break
            chosen = self._choose(needed, before, all_or_none=size > 0, originals=originals)
            if not chosen.copies and not chosen.items:
                break
            self._files.check()
            forgotten = self._forget(chosen.copies)
            gone = self.let_go(chosen.items, "newer evidence needed its room", BUDGET)
            total += gone
            if forgotten + gone == 0:
                break
        return total

    def _short(self, size: int) -> int:
        """So many bytes are wanting for ``size`` more; 0 or less, where none are."""
        short = self._rows.used() + size - self._max_bytes
        free = self._files.free()
        return short if free is None else max(short, self._reserve_bytes + size - free)

    def _choose(
        self, needed: int, before: float | None, *, all_or_none: bool, originals: bool
    ) -> _Chosen:
        copies, items = list[Item](), list[Item]()
        with_copy = self._rows.oldest_copies(MOST)
        for item in with_copy:
            if needed > 0:
                copies.append(item)
                needed -= _copy_bytes(item)
        if needed <= 0 or len(with_copy) == MOST:
            return _Chosen(copies, items)
        if not originals:
            return _Chosen([], []) if all_or_none else _Chosen(copies, [])
        bare = {(item.alert, item.form) for item in copies}
        oldest = self._rows.oldest(before, MOST)
        for item in oldest:
            if needed > 0:
                items.append(item)
                without = (item.alert, item.form) in bare
                needed -= item.bytes - (_copy_bytes(item) if without else 0)
        if needed > 0 and len(oldest) < MOST and all_or_none:
            return _Chosen([], [])
        return _Chosen(copies, items)

    def _forget(self, items: Sequence[Item]) -> int:
        """Remove the copies of these; how many. Raises NoRoomError where one stays."""
        for item in items:
            try:
                # one that is still known is found to be gone when it is asked for
                self._files.remove(f"{item.copy_place}.copy")
            except UnavailableError as error:
                raise NoRoomError(str(error)) from None
            self._rows.forget_copy(item)
        return len(items)


def _copy_bytes(item: Item) -> int:
    return 0 if item.copied is None else item.copied.size
