"""What the chain tells, gone through from its beginning, and whether a row says the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from api.evidence.signing import is_signed
from api.store.evidence_chain import Link, Subject, canonical, signed_part
from api.store.evidence_items import NO_HASH, Item
from api.store.evidence_rows import Key

Said = tuple[str, str | None, Any]
"""What is wrong, and with which alert and form."""


class Chain:
    """Entries are added in their order; what they come to is here afterwards."""

    def __init__(self) -> None:
        self.entries = 0
        self.last_seq = 0
        self.public: str | None = None
        self.held = set[str]()
        self.hashes: dict[int, str] = {0: NO_HASH}
        self._items = dict[Key, tuple[str, float, Subject]]()
        self._originals = dict[Key, Subject]()

    def add(self, link: Link) -> Iterator[Said]:
        """What is wrong with that entry."""
        self.entries += 1
        before = self.hashes[self.last_seq]
        where = f"entry {link.seq} of the chain"
        step = "the database was changed: restore a backup of it"
        if link.seq != self.last_seq + 1:
            yield f"before {where} there are some missing: {step}", None, None
        elif link.prev != before or link.hash != link.computed():
            yield f"{where} does not follow from the one before, or was changed: {step}", None, None
        self.last_seq = link.seq
        self.hashes[link.seq] = link.hash
        try:
            subject = link.read()
            yield from self._tell(link, subject, where)
        except (ValueError, KeyError, TypeError):
            yield f"{where} cannot be read: {step}", None, None

    def take(self, key: Key) -> tuple[str, float, Subject] | None:
        """What was last said of an item, when, and in which words; once."""
        return self._items.pop(key, None)

    def left(self) -> list[tuple[Key, str]]:
        """Items that nobody has taken."""
        return [(key, told[0]) for key, told in self._items.items()]

    def _tell(self, link: Link, subject: Subject, where: str) -> Iterator[Said]:
        if link.action == "begun":
            if link.seq != 1:
                yield f"{where} begins the chain anew: restore a backup of the database", None, None
            elif isinstance(found := subject["public_key"], str):
                self.public = found
            return
        alert: Any = subject["alert"]
        if link.action == "held":
            self.held.add(alert)
        elif link.action == "released":
            self.held.discard(alert)
        elif link.action == "stored":
            form: Any = subject["form"]
            if (alert, form) in self._originals:
                yield f"{where} stores it a second time: restore a backup", alert, form
            self._originals[alert, form] = subject
            self._items[alert, form] = ("stored", link.at, subject)
        elif link.action == "deleted":
            yield from self._bury(link, subject, where)
        else:
            yield f"{where} is of no known kind: update this program", None, None

    def _bury(self, link: Link, subject: Subject, where: str) -> Iterator[Said]:
        alert: Any = subject["alert"]
        form: Any = subject["form"]
        signature = str(subject.get("signature"))
        if not is_signed(signed_part(subject), signature, self.public or ""):
            yield f"its tombstone, {where}, is not signed by the key of the chain", alert, form
        stored = self._originals.get((alert, form), {})
        original: Any = stored.get("original") or [None, None]
        was = {name: stored.get(name) for name in ("camera", "from", "to")}
        was["sha256"] = original[1]
        if {name: subject[name] for name in was} != was:
            yield f"its tombstone, {where}, tells of something else", alert, form
        self._items[alert, form] = ("deleted", link.at, subject)


def differing(item: Item, told: tuple[str, float, Subject] | None) -> str | None:
    """How a row differs from what was last told of it; None where it does not."""
    if told is None and item.state == "deleted" and item.place is None:
        # deleted before it came
        return None
    state, at, subject = told or ("missing", 0.0, {})
    if state != item.state:
        return f"its row says that it is {item.state}, but the chain that it is {state}"
    if state == "missing":
        return None
    row = item.told() if state == "stored" else item.buried() | {"why": item.why}
    wrong = list[str]()
    if canonical(row) != canonical({name: subject.get(name) for name in row}):
        wrong = [name for name in row if canonical(row[name]) != canonical(subject.get(name))]
    if state == "stored" and item.stored_at != at:
        wrong.append("stored_at")
    return f"its row was changed ({', '.join(wrong)})" if wrong else None
