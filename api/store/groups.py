"""Groups of cameras: people and machine keys see the cameras of theirs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, update

from api.store.audit import Actor, Values, write_audit
from api.store.database import Database
from api.store.names import checked_name, folded
from api.store.refusals import BadNameError, GoneError, NameTakenError
from api.store.tables import group_cameras, groups


@dataclass(frozen=True, slots=True)
class Group:
    """Some cameras, by id."""

    id: int
    name: str
    cameras: frozenset[str]


class Groups:
    """Reads and changes groups. Everything raises StoreError."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def all(self) -> list[Group]:
        """Every group, by name."""
        with self._database.read() as connection:
            names = connection.execute(
                select(groups.c.id, groups.c.name).order_by(groups.c.folded)
            ).all()
            members = defaultdict[int, set[str]](set)
            for group, camera in connection.execute(select(group_cameras)):
                members[group].add(camera)
        return [Group(number, name, frozenset(members[number])) for number, name in names]

    def get(self, group: int) -> Group | None:
        with self._database.read() as connection:
            return _group(connection, group)

    def named(self, name: str) -> Group | None:
        """The group of this name, however it is capitalised."""
        try:
            wanted = folded(checked_name(name))
        except BadNameError:
            return None
        with self._database.read() as connection:
            number = connection.scalar(select(groups.c.id).where(groups.c.folded == wanted))
            return None if number is None else _group(connection, number)

    def add(self, name: str, cameras: Iterable[str], by: Actor) -> Group:
        """Add a group. Raises BadNameError or NameTakenError."""
        with self._database.write_alone() as connection:
            name = _free_name(connection, name)
            values = {"name": name, "folded": folded(name)}
            number = connection.execute(
                insert(groups).values(values).returning(groups.c.id)
            ).scalar_one()
            _fill(connection, number, cameras)
            made = _must(connection, number)
            write_audit(
                connection, by, "group.added", "group", name, now=self._clock(), after=_said(made)
            )
            return made

    def change(self, group: int, name: str, cameras: Iterable[str], by: Actor) -> Group:
        """Rename a group, and make these its cameras. Raises as ``add`` does, and GoneError."""
        with self._database.write_alone() as connection:
            before = _must(connection, group)
            name = _free_name(connection, name, but=group)
            change = update(groups).where(groups.c.id == group)
            connection.execute(change.values(name=name, folded=folded(name)))
            _fill(connection, group, cameras)
            after = _must(connection, group)
            write_audit(
                connection, by, "group.changed", "group", name,
                now=self._clock(), before=_said(before), after=_said(after),
            )  # fmt: skip
            return after

    def remove(self, group: int, by: Actor) -> None:
        """Remove a group; whoever saw cameras by it alone sees them no more."""
        with self._database.write_alone() as connection:
            before = _must(connection, group)
            connection.execute(delete(groups).where(groups.c.id == group))
            write_audit(
                connection, by, "group.removed", "group", before.name,
                now=self._clock(), before=_said(before),
            )  # fmt: skip


def _free_name(connection: Connection, name: str, but: int | None = None) -> str:
    """The name as it is kept. Raises BadNameError or NameTakenError."""
    name = checked_name(name)
    query = select(groups.c.id).where(groups.c.folded == folded(name))
    if but is not None:
        query = query.where(groups.c.id != but)
    if connection.execute(query).first() is not None:
        raise NameTakenError("group", name)
    return name


def _fill(connection: Connection, group: int, cameras: Iterable[str]) -> None:
    connection.execute(delete(group_cameras).where(group_cameras.c.group == group))
    rows = [{"group": group, "camera": camera} for camera in sorted(set(cameras))]
    if rows:
        connection.execute(insert(group_cameras), rows)


def _group(connection: Connection, group: int) -> Group | None:
    name = connection.scalar(select(groups.c.name).where(groups.c.id == group))
    if name is None:
        return None
    of = select(group_cameras.c.camera).where(group_cameras.c.group == group)
    return Group(group, name, frozenset(connection.execute(of).scalars()))


def _must(connection: Connection, group: int) -> Group:
    found = _group(connection, group)
    if found is None:
        raise GoneError("group")
    return found


def _said(group: Group) -> Values:
    return {"name": group.name, "cameras": [*sorted(group.cameras)]}
