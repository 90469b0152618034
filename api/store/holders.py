"""What opens the door, as values: keys, sessions and links, and who they make of their holder."""

from __future__ import annotations

from dataclasses import dataclass, field

from api.access import Caller, Kind


@dataclass(frozen=True, slots=True)
class Key:
    """A machine key, a session, a link, or a browser that came in before; times are UTC seconds.
    ``hash`` is the sha256 of its secret, in hex; a key never expires. ``user`` is whose it is;
    ``address`` and ``agent`` tell where a session was opened."""

    id: str
    name: str
    hash: str = field(repr=False)
    created_at: float
    revoked_at: float | None
    last_used_at: float | None
    kind: Kind = "key"
    expires_at: float | None = None
    user: int | None = None
    worker: bool = False
    scopes: list[str] | None = None
    every_camera: bool = False
    address: str | None = None
    agent: str | None = None

    def is_live(self, now: float) -> bool:
        """Whether it opens anything at ``now``, UTC seconds."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a machine key is to be given: the ``scopes`` of an integration, or what a ``worker``
    needs; for every camera, or for these ``cameras`` and those of these ``groups`` (by number)."""

    scopes: tuple[str, ...] = ()
    worker: bool = False
    every_camera: bool = False
    cameras: tuple[str, ...] = ()
    groups: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session that is to begin: its id and the hash of its secret, for how long, and where."""

    id: str
    hash: str = field(repr=False)
    lasts_s: float
    address: str | None = None
    agent: str | None = None


@dataclass(frozen=True, slots=True)
class Holder:
    """What was presented, and who it makes of whoever has it: ``caller`` is what they may now."""

    key: Key
    caller: Caller
    disabled: bool = False

    def is_live(self, now: float) -> bool:
        """Whether it opens anything at ``now``, UTC seconds."""
        return self.key.is_live(now) and not self.disabled
