"""Two cameras, of which one is foreign to everybody but administrators, and everybody who may ask
for them: what the access matrix is asked with."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from api.access import SCOPES, Kind, Role
from api.alerting.settings import Advice, Alerting, Channel, Matcher, Site
from api.auth import form_token, new_token
from api.evidence.room import EvidenceRoom
from api.pieces import FOLDER, path_of
from api.store import Grant, NewSession, Rights, Store
from streams.address import parse_address
from streams.config import CameraConfig, City
from streams.evidenceform import PartName
from tests.api.evidence.packing import BOXES, COPY, JPEG, head
from tests.api.pieces import piece
from tests.api.served import DAY, TESTER, add_key, add_session, alert, counted, person_headers
from vision.types import JsonValue

OWN, FOREIGN, ABSENT = "zzown", "zzforeign", "zzabsent"
"""Cameras; no other word of anything that is served holds one of these."""
UNSEEN = "zzunseen"
"""An own camera that is configured, and that its worker has not taken yet."""
WORKER, REASON = "zzworker", "zzreason"
"""The name of what has both cameras, and what is wrong with it."""
ALERTS = {camera: f"{camera}-1" for camera in (OWN, FOREIGN, ABSENT)}
PART = f"{OWN}-part"
"""An alert of the own camera that turned out to be a part of one of the foreign camera."""
CHANNEL = "zzchannel"
SITE = "zzsite"
"""Where both cameras are."""
SENT: Final[dict[PartName, bytes]] = {"original": JPEG, "boxes": BOXES}
COPIED: Final[dict[PartName, bytes]] = {"copy": COPY}
"""Pictures of both alerts, and their masked copies; of their clips there are no copies."""
NONE = 1 << 40
"""The number of no silence and of no piece of video."""
TABLE_CALLERS = (
    "nobody", "viewer", "operator", "analyst", "administrator", "no_cameras", "disabled",
    "ended", "expired", "forged_session", "other_site", "no_token", "worker",
    *(f"key_{scope.replace(':', '_')}" for scope in SCOPES),
    "revoked_key", "forged_key", "two_keys", "other_scheme", "two_sessions", "relayed", "link",
    "setup_link", "password_link",
)  # fmt: skip
"""The columns of the table."""
PEOPLE = ("viewer", "operator", "analyst", "administrator", "no_cameras", "other_site", "no_token")
"""Those who ask with a session that is live."""
OTHER_ROLES = {
    "no_cameras": Role.VIEWER,
    "other_site": Role.ADMINISTRATOR,
    "no_token": Role.ADMINISTRATOR,
}
LIMITED = tuple(
    name for name in TABLE_CALLERS if name not in {"administrator", "other_site", "no_token"}
)
"""Those to whom nothing of the foreign camera may be said."""
INSIDERS = ("administrator", "other_site", "no_token", "key_system_read")
"""Those who may read how the system is."""


def scene(camera: str) -> dict[str, JsonValue]:
    line: dict[str, JsonValue] = {"name": f"{camera}-line", "points": [[9, 0], [9, 359.5]]}
    return {"frame_size": [640, 360], "lines": [line]}


def city() -> City:
    """Both cameras as they are configured."""
    address = parse_address("rtsp://10.0.0.5/stream")
    cameras = tuple(
        CameraConfig(
            camera, camera.title(), source=address, login=None, model="motion", fps=None,
            worker=WORKER if camera == UNSEEN else None, scene=scene(camera),
        )
        for camera in (OWN, FOREIGN, UNSEEN)
    )  # fmt: skip
    return City("Makassar", (), None, cameras)


def told() -> Alerting:
    """Who is told of what."""
    return Alerting(
        channels=(Channel(name=CHANNEL, kind="webhook", url="https://example.com/told"),),
        sites=(
            Site(name=SITE, cameras=(OWN, FOREIGN)),
            Site(name=FOREIGN, cameras=(FOREIGN,)),
        ),
        advice=tuple(
            Advice(match=Matcher(cameras=(camera,)), text=f"what to do at {camera}")
            for camera in (OWN, FOREIGN)
        ),
    )


def shut(port: int) -> dict[str, str]:
    """What the browser of somebody sends who has come in by nothing."""
    return {
        "cookie": f"matakota_{port}_form=nothing",
        "origin": f"http://127.0.0.1:{port}",
        "sec-fetch-site": "same-origin",
        "x-csrf-token": form_token("nothing"),
    }


@dataclass
class World:
    """The store of a server that listens on ``port``, in ``folder``."""

    store: Store
    folder: Path
    port: int
    held: dict[str, Mapping[str, str]] = field(default_factory=dict)
    links: dict[str, Kind] = field(default_factory=dict)
    made: dict[str, str] = field(default_factory=dict)
    users: dict[str, int] = field(default_factory=dict)
    spare: dict[str, str] = field(default_factory=dict)
    silences: dict[str, int] = field(default_factory=dict)
    pieces: dict[str, int] = field(default_factory=dict)
    handled: dict[tuple[str, int], str] = field(default_factory=dict)
    group: int = 0

    def fill(self) -> None:
        """Everything there is, and everybody."""
        now = time.time()
        self.store.configuration.apply(city(), TESTER)
        for camera in (OWN, FOREIGN):
            words: dict[str, Any] = {
                "camera": camera,
                "place": f"{camera}-place",
                "details": {"why": camera},
            }
            self.store.record([alert(ALERTS[camera], **words)])
            line = f"{camera}-line"
            counts = {(line, "in", "car"): 3}
            lines = dict.fromkeys((line, f"{camera}-gate"), ("in", "out"))
            self.store.record([counted(0, counts, camera=camera, lines=lines)])
        self._evidence()
        self.store.alerting.apply(told(), TESTER)
        self.state(PART, OWN)
        self.store.cases.merge(PART, ALERTS[FOREIGN], TESTER, edit=0, only=None)
        for camera in (OWN, FOREIGN):
            self.silence(camera)
            self._piece(camera)
        self.group = self.store.groups.add("first group", [OWN, UNSEEN], TESTER).id
        self.store.groups.add(f"{FOREIGN} group", [FOREIGN], TESTER)
        for name in PEOPLE:
            self._person(name)
        self._over(now)
        self.links = {"link": "link", "setup_link": "setup", "password_link": "password"}
        for name in self.links:
            self.held[name] = shut(self.port)
        self.held["nobody"] = shut(self.port)
        self._keys()
        self._ways()
        assert set(self.held) == set(TABLE_CALLERS)

    def _evidence(self) -> None:
        room = EvidenceRoom.open(self.store, self.folder, {})
        for camera in (OWN, FOREIGN):
            name = ALERTS[camera]
            everything = {**SENT, **COPIED}
            room.take(head(name, "snapshot", camera, parts=everything), everything.values())
            room.take(head(name, "clip", camera, parts=SENT), SENT.values())

    def _piece(self, camera: str) -> None:
        """A piece of video of a camera that somebody counted."""
        # an own line has the name of one that was validated at a foreign camera
        line = f"{OWN}-gate" if camera == FOREIGN else f"{OWN}-line"
        made = piece(
            camera=camera, line=line, model=camera, source=camera, sha256=camera, size=len(COPY)
        )
        number = self.store.validations.add(made, TESTER)
        self.store.validations.save(number, {("in", "car"): 1}, TESTER, only=None)
        folder = self.folder / FOLDER
        folder.mkdir(exist_ok=True)
        path_of(folder, made.sha256).write_bytes(COPY)
        self.pieces[camera] = number

    def _person(self, name: str) -> None:
        role = OTHER_ROLES[name] if name in OTHER_ROLES else Role(name)
        every = role is Role.ADMINISTRATOR
        groups = frozenset[int]() if every or name == "no_cameras" else frozenset({self.group})
        rights = Rights(role, every_camera=every, groups=groups)
        self.users[name] = self.store.people.add(f"the {name}", rights, TESTER).id
        self.again(name)

    def again(self, name: str) -> None:
        """A new session for somebody whose old one a request may have ended."""
        if name in self.users:
            headers = person_headers(self.port, add_session(self.store, self.users[name]))
            if name == "other_site":
                headers |= {"origin": "http://evil.example", "sec-fetch-site": "cross-site"}
            if name == "no_token":
                del headers["x-csrf-token"]
            self.held[name] = headers

    def _over(self, now: float) -> None:
        """Sessions of administrators that open nothing, or not any more."""
        rights = Rights(Role.ADMINISTRATOR, every_camera=True)
        for name in ("disabled", "ended", "expired", "forged_session"):
            user = self.store.people.add(f"the {name}", rights, TESTER).id
            token = new_token("session")
            lasts_s = -1.0 if name == "expired" else 3600.0
            begun = NewSession(token.id, token.hash, lasts_s)
            assert self.store.keys.begin(user, begun, "test") is not None
            text = token.reveal()
            if name == "ended":
                self.store.keys.end(token.id, TESTER)
            if name == "forged_session":
                text = text[:-4] + ("0000" if not text.endswith("0000") else "1111")
            if name == "disabled":
                # whose session was left open: that alone has to shut it
                with closing(sqlite3.connect(self.folder / "matakota.db")) as raw, raw:
                    raw.execute("UPDATE users SET disabled_at = ? WHERE id = ?", (now, user))
            self.held[name] = person_headers(self.port, text)

    def _keys(self) -> None:
        keys = {"worker": add_key(self.store, "a worker", scopes=(), cameras=[OWN], worker=True)}
        for scope in SCOPES:
            name = f"key_{scope.replace(':', '_')}"
            keys[name] = add_key(self.store, name, scopes=[scope], cameras=[OWN])
        revoked, known = new_token(), new_token()
        for name, token in (("revoked_key", revoked), ("forged_key", known)):
            grant = Grant(scopes=SCOPES, every_camera=True)
            self.store.keys.add(token.id, name, token.hash, grant, TESTER)
            keys[name] = token.reveal()
        self.store.keys.revoke(revoked.id, TESTER)
        end = keys["forged_key"][-4:]
        keys["forged_key"] = keys["forged_key"][:-4] + ("0000" if end != "0000" else "1111")
        for name, text in keys.items():
            self.held[name] = {"authorization": f"Bearer {text}"}
        both = {"authorization": f"Bearer {keys['worker']}", "x-api-key": keys["worker"]}
        self.held["two_keys"] = both
        self.held["other_scheme"] = {"authorization": f"Basic {keys['worker']}"}

    def _ways(self) -> None:
        """What is sent by an administrator's browser, in a way that is not its own."""
        mine = self.held["administrator"]
        session = mine["cookie"]
        self.held["two_sessions"] = {**mine, "cookie": f"{session}; {session}"}
        # of a proxy on this machine that nobody has named
        self.held["relayed"] = {**mine, "x-forwarded-for": "192.0.2.7"}

    def link_of(self, name: str, *, new: bool) -> str:
        """A link of somebody who asks with one, ``new`` where the one before may be used up by
        now; nothing for others."""
        kind = self.links.get(name)
        if kind is None:
            return ""
        if new or name not in self.made:
            token = new_token(kind)
            user = None if kind == "setup" else self.users["viewer"]
            self.store.keys.add_link(
                token.id, token.hash, lasts_s=600, by=TESTER, kind=kind, user=user
            )
            self.made[name] = token.reveal()
        return self.made[name]

    def state(self, name: str, camera: str) -> None:
        """An alert of a camera, older than those that pages begin with."""
        words: dict[str, Any] = {"camera": camera, "place": f"{camera}-place"}
        earlier = DAY - 3600
        self.store.record([alert(name, **words, start_ts=earlier, raised_ts=earlier)])

    def give(self, name: str, to: str) -> None:
        """Assign an alert, also to somebody who does not see its camera, as after a group that
        shrank."""
        with closing(sqlite3.connect(self.folder / "matakota.db")) as raw, raw:
            wanted = "UPDATE alerts SET status = 'assigned', assigned_to = ? WHERE id = ?"
            raw.execute(wanted, (to, name))

    def silence(self, camera: str) -> int:
        """A silence of a camera that holds, by its number."""
        if camera == ABSENT:
            return NONE
        holding = {each.id for each in self.store.alerting.silences(only=None)}
        if self.silences.get(camera) not in holding:
            made = self.store.alerting.silence(
                Matcher(cameras=(camera,)), f"nobody is told of {camera}",
                starts_at=0, ends_at=time.time() + 3600, by=TESTER,
            )  # fmt: skip
            self.silences[camera] = made.id
        return self.silences[camera]

    def alert_at(self, edit: int, camera: str) -> str:
        """An alert of a camera at an ``edit``, by its id: 0 as it came, 1 resolved."""
        if camera == ABSENT:
            return f"{ABSENT}-new-0"
        name = self.handled.get((camera, edit), "")
        known = self.store.alerts.get(name, only=None)
        if known is None or known.edit != edit:
            name = self.handled[camera, edit] = f"{camera}-new-{time.monotonic_ns()}"
            self.state(name, camera)
            if edit:
                self.store.cases.resolve(name, "false", "", TESTER, edit=0, only=None)
        return name

    def renew(self) -> dict[str, str]:
        """A user, a group and a key that nobody needs, for whoever may change or remove them: by
        the name of the part of a path that names them."""
        number = len(self.spare) + 1
        made = f"spare {number} {time.monotonic_ns()}"
        user = self.store.people.add(made, Rights(Role.VIEWER), TESTER).id
        group = self.store.groups.add(made, [], TESTER).id
        token = new_token()
        grant = Grant(scopes=SCOPES[:1], every_camera=True)
        self.store.keys.add(token.id, made, token.hash, grant, TESTER)
        return {"user": str(user), "group": str(group), "key": token.id}
