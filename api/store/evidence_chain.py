"""The chain of what happened to evidence: each entry holds the hash of the one before, so that none
can be changed, left out or put in between without changing all that follow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, TypeAlias

from sqlalchemy import Connection, insert, select

from api.store.database import take_turn
from api.store.evidence_items import NO_HASH
from api.store.evidence_tables import evidence_chain
from vision.types import JsonValue

CHAIN_LOCK: Final = 0x6D6E
PIECE: Final = 500
_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)
Action: TypeAlias = Literal["begun", "stored", "deleted", "held", "released"]
Subject: TypeAlias = dict[str, JsonValue]


class Signer(Protocol):
    """The key that signs tombstones. Everything may raise EvidenceError."""

    def begin(self) -> str:
        """The public key, in hex, of a key that is made now if there is none."""

    def sign(self, message: bytes, public: str | None) -> str:
        """The signature, in hex, by the key whose public half is ``public``."""


@dataclass(frozen=True, slots=True)
class Link:
    """One entry: ``subject`` is canonical JSON, ``at`` UTC seconds, ``hash`` of all before it."""

    seq: int
    at: float
    action: str
    subject: str
    prev: str
    hash: str

    def computed(self) -> str:
        """The hash that it must have."""
        told = canonical([self.seq, self.at, self.action, self.subject, self.prev])
        return hashlib.sha256(told.encode()).hexdigest()

    def read(self) -> Subject:
        """Raises ValueError where the subject is no JSON object."""
        found = json.loads(self.subject)
        if not isinstance(found, dict):
            raise ValueError(self.subject)
        return found


def canonical(value: JsonValue) -> str:
    """JSON that is the same for the same value, in ASCII."""
    return _ENCODER.encode(value)


def signed_part(subject: Subject) -> bytes:
    """What the signature of a tombstone is over."""
    unsigned = {name: value for name, value in subject.items() if name != "signature"}
    return b"matakota evidence tombstone\n" + canonical(unsigned).encode()


def wait_turn(connection: Connection) -> None:
    """Let one transaction after the other see and change what the chain tells of."""
    take_turn(connection, CHAIN_LOCK)


def head_of(connection: Connection) -> Link | None:
    newest = select(evidence_chain).order_by(evidence_chain.c.seq.desc()).limit(1)
    row: Any = connection.execute(newest).mappings().first()
    return None if row is None else Link(**row)


def append(
    connection: Connection, action: Action, subject: Subject, signer: Signer, now: float
) -> None:
    """Add an entry, after ``wait_turn``; the first one ever tells the public key."""
    head = head_of(connection)
    if head is None:
        head = _add(connection, 1, NO_HASH, "begun", {"public_key": signer.begin()}, now)
    _add(connection, head.seq + 1, head.hash, action, subject, now)


def bury(
    connection: Connection, subject: Subject, why: str, by: str, signer: Signer, now: float
) -> None:
    """Add the signed tombstone of what is deleted, after ``wait_turn``."""
    told: Subject = subject | {"why": why, "by": by, "at": now}
    told["signature"] = signer.sign(signed_part(told), public_key(connection))
    append(connection, "deleted", told, signer, now)


def links(connection: Connection, after: int = 0, limit: int | None = None) -> Iterator[Link]:
    """The entries that follow the one with this number."""
    query = select(evidence_chain).where(evidence_chain.c.seq > after).limit(limit)
    ordered = query.order_by(evidence_chain.c.seq).execution_options(yield_per=PIECE)
    rows: Any = connection.execute(ordered).mappings()
    for row in rows:
        yield Link(**row)


def public_key(connection: Connection) -> str | None:
    """The one that the first entry tells; None where there is none."""
    for first in list(links(connection, limit=1)):
        try:
            told = first.read().get("public_key")
        except ValueError:
            return None
        return told if isinstance(told, str) else None
    return None


def _add(
    connection: Connection, seq: int, prev: str, action: Action, subject: Subject, now: float
) -> Link:
    link = Link(seq, now, action, canonical(subject), prev, "")
    link = Link(seq, now, action, link.subject, prev, link.computed())
    connection.execute(
        insert(evidence_chain).values(
            seq=seq, at=now, action=action, subject=link.subject, prev=prev, hash=link.hash
        )
    )
    return link
