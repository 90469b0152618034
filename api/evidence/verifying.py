"""Whether all that is kept is what was stored: chain, heads, rows, files and signatures."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from api.evidence.files import Files
from api.evidence.heads import Heads, HeadsError
from api.evidence.refusals import DamagedError, KeyGoneError, UnavailableError
from api.evidence.signing import KeyFile
from api.evidence.told import Chain, differing
from api.store.evidence import Evidence
from api.store.evidence_items import Item, Kept
from streams.evidenceform import Form

HEADS_WAIT_S: Final = 2.0
"""So long after the commit of an entry its head may be missing outside the database."""
RESTORE: Final = "restore it from a backup, and find out who can write there"
MAKE_ANEW: Final = "delete that file, and the copy is made anew when it is asked for"


@dataclass(frozen=True, slots=True)
class Finding:
    """``what`` is wrong with an item, or with all of it where no ``alert`` is named, and the next
    step, in one sentence. ``bad`` is False for what is still being done, such as a deletion."""

    what: str
    alert: str | None = None
    form: Form | None = None
    bad: bool = True

    def __str__(self) -> str:
        if self.alert is None:
            return self.what
        return f"{self.form or 'evidence'} of alert {self.alert}: {self.what}"


@dataclass(frozen=True, slots=True)
class Report:
    """How many stored items, files and entries of the chain were looked at, and what was found."""

    items: int
    files: int
    entries: int
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        return not any(finding.bad for finding in self.findings)


@dataclass(frozen=True, slots=True)
class _File:
    """One that must be there."""

    item: Item
    part: str
    kept: Kept

    @property
    def place(self) -> str | None:
        return self.item.copy_place if self.part == "copy" else self.item.place

    @property
    def name(self) -> str:
        return f"{self.place}.{self.part}"


@dataclass(slots=True)
class _Seen:
    """What the rows say, gathered in one moment of the database."""

    files: dict[str, _File] = field(default_factory=dict)
    going: dict[str, Item] = field(default_factory=dict)
    items: int = 0


def verify(rows: Evidence, files: Files, heads: Heads, key: KeyFile) -> Report:
    """Changes nothing. What is stored or deleted meanwhile is no finding. Raises StoreError."""
    found = list[Finding]()
    try:
        names: list[str] | None = files.names()
    except UnavailableError as error:
        found.append(Finding(str(error)))
        names = None
    chain, seen = Chain(), _Seen()
    try:
        # before the database is looked at, in which they all must be
        known_before = {head.seq: head.hash for head in heads.all()}
    except HeadsError:
        known_before = {}
    with rows.survey() as survey:
        for link in survey.links:
            found.extend(Finding(*said) for said in chain.add(link))
        for item in survey.items():
            found.extend(_row(item, chain, seen))
        found.extend(_holds(survey.holds(), chain))
        places = survey.places()
    found.extend(
        Finding(f"the chain says that it is {state}, but it has no row: {RESTORE}", alert, form)
        for (alert, form), state in chain.left()
    )
    found.extend(_signing(chain, key))
    found.extend(_heads(chain, heads, known_before))
    if names is not None:
        found.extend(_files(rows, files, seen, names))
        found.extend(_unknown(files, seen, names, places))
    return Report(seen.items, len(seen.files), chain.entries, tuple(found))


def _row(item: Item, chain: Chain, seen: _Seen) -> Iterator[Finding]:
    told = chain.take((item.alert, item.form))
    if item.state == "stored":
        seen.items += 1
        for part, kept in (
            ("original", item.original),
            ("boxes", item.boxes),
            ("copy", item.copied),
        ):
            if kept is not None:
                file = _File(item, part, kept)
                seen.files[file.name] = file
    elif item.state == "deleted" and item.place is not None:
        for name in (f"{item.place}.original", f"{item.place}.boxes", f"{item.copy_place}.copy"):
            seen.going[name] = item
    wrong = differing(item, told)
    if wrong is not None:
        yield Finding(f"{wrong}: {RESTORE}", item.alert, item.form)


def _holds(held: frozenset[str], chain: Chain) -> Iterator[Finding]:
    for alert in sorted(held - chain.held):
        yield Finding(f"it is held, but the chain does not say so: {RESTORE}", alert)
    for alert in sorted(chain.held - held):
        yield Finding(f"the chain says that it is held, but it is not: {RESTORE}", alert)


def _signing(chain: Chain, key: KeyFile) -> Iterator[Finding]:
    if chain.entries == 0:
        return
    try:
        if key.public() != chain.public:
            yield Finding(
                "the key that signs deletions is not the one that the chain began with: restore "
                "that one from a backup"
            )
    except KeyGoneError as error:
        yield Finding(str(error))


def _heads(chain: Chain, heads: Heads, before: dict[int, str]) -> Iterator[Finding]:
    """Compare the chain with what is kept outside: all of ``before`` must be in it, and its own
    last one must be there soon."""
    until = time.monotonic() + HEADS_WAIT_S
    while True:
        try:
            kept = heads.all()
        except HeadsError as error:
            if chain.entries:
                yield Finding(str(error))
            return
        if len(kept) > chain.last_seq or time.monotonic() > until:
            break
        time.sleep(0.05)
    wrong = [seq for seq, digest in sorted(before.items()) if chain.hashes.get(seq) != digest]
    if wrong:
        yield Finding(
            f"head {wrong[0]} of those kept outside is not in the chain: the database was changed, "
            "or an older one restored; restore the newest"
        )
    elif [head.seq for head in kept] != [*range(len(kept))]:
        yield Finding("of the heads kept outside some are missing: restore them from a backup")
    elif len(kept) <= chain.last_seq:
        yield Finding(
            f"the last head of the chain, {chain.last_seq}, is not among those kept outside: start "
            "the API, which adds what a crash left out, and verify again"
        )
    elif kept[chain.last_seq].hash != chain.hashes[chain.last_seq]:
        yield Finding(
            f"head {chain.last_seq} of those kept outside is another one than that of the chain: "
            "the database was changed; restore a backup of it"
        )


def _files(rows: Evidence, files: Files, seen: _Seen, names: list[str]) -> Iterator[Finding]:
    there = frozenset(names)
    for name, file in seen.files.items():
        item = file.item
        try:
            wrong = None if name in there else f"the file {name} of its {file.part} is missing"
            wrong = wrong or _content(files, file)
        except DamagedError:
            wrong = f"the file {name} of its {file.part} is missing"
        except UnavailableError as error:
            yield Finding(str(error), item.alert, item.form)
            continue
        # it may have been deleted or stored meanwhile
        if wrong is None or not _is_still(rows, file) or (name not in there and _fine(files, file)):
            continue
        advice = MAKE_ANEW if file.part == "copy" else RESTORE
        yield Finding(f"{wrong}: {advice}", item.alert, item.form)


def _content(files: Files, file: _File) -> str | None:
    size, digest = 0, hashlib.sha256()
    for chunk in files.read(file.name):
        size += len(chunk)
        digest.update(chunk)
    if size != file.kept.size:
        return f"the file {file.name} of its {file.part} has {size} bytes, not {file.kept.size}"
    if digest.hexdigest() != file.kept.sha256:
        return f"the file {file.name} of its {file.part} was changed"
    return None


def _fine(files: Files, file: _File) -> bool:
    try:
        return _content(files, file) is None
    except (DamagedError, UnavailableError):
        return False


def _is_still(rows: Evidence, file: _File) -> bool:
    now = rows.get(file.item.alert, file.item.form)
    if now is None or now.state != "stored":
        return False
    return _File(now, file.part, file.kept).name == file.name


def _unknown(
    files: Files, seen: _Seen, names: list[str], places: frozenset[str]
) -> Iterator[Finding]:
    for name in sorted(names):
        if name in seen.files or name.rpartition(".")[0] in places:
            continue
        item = seen.going.get(name)
        if item is not None and not item.removed:
            yield Finding("deleted, but not yet removed", item.alert, item.form, bad=False)
            continue
        try:
            files.size(name)
        except DamagedError:
            continue
        except UnavailableError as error:
            yield Finding(str(error))
            return
        if item is not None:
            said = f"it was deleted, but the file {name} is there (again): remove it"
            yield Finding(said, item.alert, item.form)
        else:
            yield Finding(
                f"the file {name} is no evidence that was stored: find out who put it there, and "
                "remove it"
            )
