"""Pieces of video in which people count what the machine counted, and how right it was."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeAlias

from sqlalchemy import Connection, Row, Select, false, insert, select, true, update

from api.store.alerts import Only
from api.store.audit import Actor, write_audit
from api.store.database import Database
from api.store.refusals import RefusedError
from api.store.validation_tables import validation_counts, validation_pieces
from streams.messages import MAX_NAME_CHARS
from vision.errors import StoreError
from vision.types import JsonValue
from vision.validation import Accuracy, Compared, accuracies

OTHER: Final = "other"
"""What people saw pass that is none of the classes that the machine looks for."""
MAX_COUNT: Final = 9999
MAX_SHOWN: Final = 1000
"""So many pieces are listed, the newest of them."""

Passed: TypeAlias = Mapping[tuple[str, str], int]
"""How many passed, by direction and class; who is not there did not."""
Points: TypeAlias = tuple[tuple[float, float], tuple[float, float]]


class BadCountError(RefusedError):
    """A count that is not taken; it says why."""


@dataclass(frozen=True, slots=True)
class NewPiece:
    """A masked piece of video of ``seconds`` from ``from_ts`` on (UTC seconds), and what the
    ``machine`` counted on a ``line`` of its camera meanwhile, of which it watched ``observed_s``.

    ``points`` are the line's ends in shares of the picture, ``directions`` forward and backward,
    ``source`` says which video it is of, and ``sha256`` what file of so many ``size`` bytes it is
    in. The file is to go at ``keep_until`` (UTC seconds)."""

    camera: str
    line: str
    from_ts: float
    seconds: int
    revision: int
    model: str
    source: str
    points: Points
    directions: tuple[str, str]
    classes: tuple[str, ...]
    machine: Passed
    observed_s: float
    width: int
    height: int
    size: int
    sha256: str
    keep_until: float


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece as it is kept; at ``removed_at`` its file went."""

    id: int
    made: NewPiece
    prepared_at: float
    removed_at: float | None


@dataclass(frozen=True, slots=True)
class PieceCount:
    """What somebody counted in a piece. Who has counted it once has seen what the machine counted:
    what they count after that is not ``blind``."""

    piece: int
    counted_at: float
    counted_by: str
    counts: Passed
    blind: bool


class Listed(NamedTuple):
    """A piece, the newest of its blind counts, which holds, how many counts there are, and by
    whom."""

    piece: Piece
    newest: PieceCount | None
    times: int
    by: frozenset[str]


@dataclass(frozen=True, slots=True)
class Validation:
    """How right a ``model`` counts on a line of a camera: by class, and last all together.

    ``pieces`` of ``seconds`` together were counted by people, the newest at ``counted_at``, between
    ``from_ts`` and ``to_ts``; ``left_out`` more belong to another model, to the line as it was
    drawn before, or to a time that one of these has already."""

    camera: str
    line: str
    model: str
    pieces: int
    seconds: int
    from_ts: float
    to_ts: float
    counted_at: float
    counted_by: tuple[str, ...]
    accuracies: tuple[Accuracy, ...]
    left_out: int

    def of(self, class_name: str) -> Accuracy | None:
        """How right one class was counted, None of one that nobody counted."""
        return next((each for each in self.accuracies if each.class_name == class_name), None)


class Validations:
    """Everything raises StoreError. ``clock`` gives UTC seconds."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def add(self, made: NewPiece, by: Actor) -> int:
        """Keep a piece; its number. The same piece of time of a line, from the same video, is kept
        once: what is there already is given back as it is."""
        of = validation_pieces.c
        with self._database.write() as connection:
            same = select(of.id).where(
                of.camera == made.camera, of.line == made.line, of.from_ts == made.from_ts,
                of.sha256 == made.sha256, of.removed_at.is_(None),
            )  # fmt: skip
            known = connection.scalar(same)
            if known is not None:
                return int(known)
            now = self._clock()
            values = insert(validation_pieces).values(**_row(made), prepared_at=now)
            number = int(connection.execute(values.returning(of.id)).scalar_one())
            write_audit(
                connection, by, "validation.prepared", "piece", str(number),
                now=now, after={"camera": made.camera, "line": made.line},
            )  # fmt: skip
            return number

    def listed(self, *, only: Only) -> list[Listed]:
        """The newest pieces of the cameras in ``only``, those that were prepared last first."""
        of = validation_pieces.c
        query = _pieces(only).order_by(of.prepared_at.desc(), of.id.desc()).limit(MAX_SHOWN)
        with self._database.read() as connection:
            return _with_counts(connection, query)

    def get(self, piece: int, *, only: Only) -> Listed | None:
        """One piece of the cameras in ``only``."""
        query = _pieces(only).where(validation_pieces.c.id == piece)
        with self._database.read() as connection:
            return next(iter(_with_counts(connection, query)), None)

    def counts(self, piece: int) -> list[PieceCount]:
        """All that was counted in a piece, the newest first."""
        of = validation_counts.c
        query = select(validation_counts).where(of.piece == piece).order_by(of.id)
        with self._database.read() as connection:
            return [*_counts(connection.execute(query))][::-1]

    def save(self, piece: int, counts: Passed, by: Actor, *, only: Only) -> bool:
        """Keep what somebody counted in a piece, beside what was counted before; False where there
        is no such piece. Raises BadCountError."""
        with self._database.write() as connection:
            query = _pieces(only).where(validation_pieces.c.id == piece)
            row = connection.execute(query.with_for_update()).first()
            if row is None:
                return False
            _check(_piece(row).made, counts)
            now = self._clock()
            values = {"counted_at": now, "counted_by": by.name[:MAX_NAME_CHARS]}
            connection.execute(
                insert(validation_counts).values(piece=piece, counts=_plain(counts), **values)
            )
            write_audit(
                connection, by, "validation.counted", "piece", str(piece),
                now=now, after={"camera": row.camera, "n": sum(counts.values())},
            )  # fmt: skip
            return True

    def of(self, camera: str, line: str) -> Validation | None:
        """How right a line of a camera is counted; None where nobody counted it."""
        return next(iter(self._found(frozenset({camera}), line)), None)

    def all(self, *, only: Only) -> list[Validation]:
        """The same of every line of the cameras in ``only``, by their names."""
        return self._found(only)

    def expired(self, now: float) -> list[Piece]:
        """The pieces whose files have to go by ``now`` (UTC seconds)."""
        of = validation_pieces.c
        query = _pieces(None).where(of.keep_until <= now, of.removed_at.is_(None))
        with self._database.read() as connection:
            return [_piece(row) for row in connection.execute(query)]

    def files(self) -> frozenset[str]:
        """The hashes of the files that pieces have."""
        of = validation_pieces.c
        with self._database.read() as connection:
            return frozenset(connection.scalars(select(of.sha256).where(of.removed_at.is_(None))))

    def set_removed(self, pieces: Collection[int], by: Actor) -> frozenset[str]:
        """The files of these go, and what was counted in them stays; the hashes of those that no
        other piece has."""
        of = validation_pieces.c
        kept = of.removed_at.is_(None)
        with self._database.write() as connection:
            now = self._clock()
            gone = update(validation_pieces).where(of.id.in_(sorted(pieces)), kept)
            rows = connection.execute(
                gone.values(removed_at=now).returning(of.id, of.camera, of.sha256)
            ).all()
            for row in rows:
                write_audit(
                    connection, by, "validation.removed", "piece", str(row.id),
                    now=now, after={"camera": row.camera},
                )  # fmt: skip
            hashes = {row.sha256 for row in rows}
            used = select(of.sha256).where(of.sha256.in_(sorted(hashes)), kept)
            return frozenset(hashes - {*connection.scalars(used)})

    def _found(self, only: Only, line: str | None = None) -> list[Validation]:
        of = validation_pieces.c
        there = select(validation_counts.c.piece)
        query = _pieces(only).where(of.id.in_(there)).order_by(of.camera, of.line, of.id)
        if line is not None:
            query = query.where(of.line == line)
        lines = dict[tuple[str, str], list[tuple[Piece, PieceCount]]]()
        with self._database.read() as connection:
            for piece, count, *_ in _with_counts(connection, query):
                if count is not None:
                    key = piece.made.camera, piece.made.line
                    lines.setdefault(key, []).append((piece, count))
        return [_validation(counted) for counted in lines.values()]


def compared(piece: Piece, count: PieceCount) -> Compared:
    """A piece by class, both directions together."""
    return Compared(_by_class(piece.made.machine), _by_class(count.counts))


def _by_class(passed: Passed) -> dict[str, int]:
    found: dict[str, int] = {}
    for (_, name), n in passed.items():
        found[name] = found.get(name, 0) + n
    return found


def _validation(counted: Sequence[tuple[Piece, PieceCount]]) -> Validation:
    """Of the pieces of one line, at least one."""
    # whoever counts an old piece anew does not bring its model back
    last, _ = max(counted, key=lambda each: (each[0].made.from_ts, each[0].id))
    # what was drawn or looked at otherwise says nothing of how it is now
    same = _apart(each for each in counted if _alike(each[0].made, last.made))
    made = [piece.made for piece, _ in same]
    return Validation(
        camera=last.made.camera,
        line=last.made.line,
        model=last.made.model,
        pieces=len(same),
        seconds=sum(each.seconds for each in made),
        from_ts=min(each.from_ts for each in made),
        to_ts=max(each.from_ts + each.seconds for each in made),
        counted_at=max(count.counted_at for _, count in same),
        counted_by=tuple(sorted({count.counted_by for _, count in same})),
        accuracies=accuracies([compared(*each) for each in same], last.made.classes),
        left_out=len(counted) - len(same),
    )


def _apart(counted: Iterable[tuple[Piece, PieceCount]]) -> list[tuple[Piece, PieceCount]]:
    """Those that share no time, of which the first count holds: what passed is no two samples."""
    begins, found = list[float](), list[tuple[Piece, PieceCount]]()
    for each in sorted(counted, key=lambda each: (each[1].counted_at, each[0].id)):
        made = each[0].made
        at = bisect(begins, made.from_ts)
        before = found[at - 1][0].made if at else None
        if before is not None and before.from_ts + before.seconds > made.from_ts:
            continue
        if at < len(begins) and made.from_ts + made.seconds > begins[at]:
            continue
        begins.insert(at, made.from_ts)
        found.insert(at, each)
    return found


def _alike(one: NewPiece, other: NewPiece) -> bool:
    return (one.model, one.points, one.directions) == (other.model, other.points, other.directions)


def _check(made: NewPiece, counts: Passed) -> None:
    for (way, name), n in counts.items():
        if way not in made.directions or name not in {*made.classes, OTHER}:
            raise BadCountError(
                "this names a direction or a class that the piece does not have: open the piece "
                "anew, and count it there"
            )
        if not 0 <= n <= MAX_COUNT:
            raise BadCountError(
                f"a count is 0 to {MAX_COUNT}: correct the one that is not, and send it again"
            )


def _pieces(only: Only) -> Select[Any]:
    among = true() if only is None else validation_pieces.c.camera.in_(sorted(only))
    return select(validation_pieces).where(among if only is None or only else false())


def _with_counts(connection: Connection, query: Select[Any]) -> list[Listed]:
    pieces = [_piece(row) for row in connection.execute(query)]
    of, wanted = validation_counts.c, query.with_only_columns(validation_pieces.c.id)
    theirs = select(validation_counts).where(of.piece.in_(wanted)).order_by(of.id)
    found: dict[int, list[PieceCount]] = {}
    for count in _counts(connection.execute(theirs)):
        found.setdefault(count.piece, []).append(count)
    return [_listed(piece, found.get(piece.id, ())) for piece in pieces]


def _listed(piece: Piece, counts: Sequence[PieceCount]) -> Listed:
    newest = next((each for each in reversed(counts) if each.blind), None)
    return Listed(piece, newest, len(counts), frozenset(each.counted_by for each in counts))


def _counts(rows: Iterable[Row[Any]]) -> Iterator[PieceCount]:
    """What was counted, of any pieces, the oldest first."""
    known = set[tuple[int, str]]()
    for row in rows:
        who = row.piece, row.counted_by
        counts = _passed(row.counts)
        yield PieceCount(row.piece, row.counted_at, row.counted_by, counts, who not in known)
        known.add(who)


def _row(made: NewPiece) -> dict[str, Any]:
    return {
        "camera": made.camera,
        "line": made.line,
        "from_ts": made.from_ts,
        "seconds": made.seconds,
        "revision": made.revision,
        "model": made.model,
        "source": made.source,
        "points": [list(point) for point in made.points],
        "directions": list(made.directions),
        "classes": list(made.classes),
        "machine": _plain(made.machine),
        "observed_s": made.observed_s,
        "width": made.width,
        "height": made.height,
        "bytes": made.size,
        "sha256": made.sha256,
        "keep_until": made.keep_until,
    }


def _piece(row: Row[Any]) -> Piece:
    (x1, y1), (x2, y2) = row.points
    forward, backward = row.directions
    made = NewPiece(
        camera=row.camera,
        line=row.line,
        from_ts=row.from_ts,
        seconds=row.seconds,
        revision=row.revision,
        model=row.model,
        source=row.source,
        points=((x1, y1), (x2, y2)),
        directions=(forward, backward),
        classes=tuple(row.classes),
        machine=_passed(row.machine),
        observed_s=row.observed_s,
        width=row.width,
        height=row.height,
        size=row.bytes,
        sha256=row.sha256,
        keep_until=row.keep_until,
    )
    return Piece(row.id, made, row.prepared_at, row.removed_at)


def _plain(passed: Passed) -> list[JsonValue]:
    return [[way, name, n] for (way, name), n in sorted(passed.items()) if n]


def _passed(rows: Iterable[Sequence[Any]]) -> dict[tuple[str, str], int]:
    try:
        return {(str(way), str(name)): int(n) for way, name, n in rows}
    except (TypeError, ValueError):
        raise StoreError(
            "counts of a piece cannot be read: the database was changed by another program"
        ) from None
