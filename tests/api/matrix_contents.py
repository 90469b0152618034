"""What the access matrix' table cannot say: what comes through streams, sockets and the page, and
what a request does. Each check yields what is wrong."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from websockets.exceptions import ConnectionClosed

from tests.api.matrix import GUARD_S, Running
from tests.api.matrix_open import SOCKET_IO, V1, events, room, socket, wall
from tests.api.matrix_world import ALERTS, FOREIGN, OWN, REASON, WORKER
from tests.api.served import DAY, alert

SCREEN_S: Final = 1.5
"""Longer than what is new takes to come to the wall."""
Check = Callable[[Running], Iterator[str]]


def state(running: Running, camera: str, **more: Any) -> str:
    """A new alert of a camera, as the ingest stores it; its id."""
    running.number += 1
    name = f"{camera}-news-{running.number}"
    stated = alert(name, camera=camera, place=f"{camera}-place", **more)
    running.world.store.record([stated])
    return name


def urgent(running: Running, camera: str) -> str:
    """The same, more urgent than any other before, so that the wall shows it."""
    return state(running, camera, severity="critical", start_ts=DAY + running.number)


def streams(running: Running) -> Iterator[str]:
    """An event stream has the alerts of its reader's cameras and no others, from wherever it
    begins."""
    for caller in ("viewer", "operator", "key_alerts_read", "administrator"):
        with events(running, caller) as new, events(running, caller, 0) as old:
            state(running, FOREIGN)
            own = state(running, OWN)
            for heard in (new, old):
                if not heard.wait(own):
                    yield f"the stream of {caller}: no alert of an own camera came"
                if (FOREIGN in heard.text()) != (caller == "administrator"):
                    yield f"the stream of {caller}: {heard.text()[-300:]}"
            if not old.wait(ALERTS[OWN]):
                yield f"the stream of {caller} from its begin: no alert of an own camera"


def pictures(running: Running) -> Iterator[str]:
    """The socket of live pictures shows its reader's cameras and says of others nothing that it
    would not say of none."""
    for caller in ("viewer", "key_pictures_see", "no_cameras", "administrator"):
        sees = {"administrator": {OWN, FOREIGN}, "no_cameras": set()}.get(caller, {OWN})
        with wall(running, caller) as heard:
            until_s = time.monotonic() + 30
            while time.monotonic() < until_s:
                text = heard.text()
                told = [line for line in text.splitlines() if line.startswith("{")]
                shown = [text.count(f"picture of {camera}\n") for camera in sees]
                if len(told) >= 3 and all(count >= 5 for count in shown):
                    break
                time.sleep(0.05)
        shown_of = set(re.findall(r"picture of (\S+)", text))
        if shown_of != sees:
            yield f"the pictures of {caller}: {shown_of}"
        last = json.loads(told[-1])["cameras"]
        for camera in (OWN, FOREIGN):
            if (last.get(camera) != last.get("zzabsent")) != (camera in sees):
                yield f"what {caller} is told of {camera}: {last}"


def pages(running: Running) -> Iterator[str]:
    """The operations room shows its reader's cameras and alerts, also those that come later, and
    those that its buttons ask for."""
    for caller in ("viewer", "analyst", "no_cameras", "administrator"):
        sees = caller == "administrator"
        alerts = caller in {"viewer", "administrator"}
        account = running.send("GET", "/account", running.world.held[caller]).body.decode()
        with room(running, caller) as page:
            # where the door lets nobody in who is no administrator, no way leads either
            if {"/people" in account, "/people" in page.first} != {sees}:
                yield f"the ways that {caller} is shown"
            acts = {
                element["props"]["acts"]
                for element in page.elements.values()
                if "acts" in element.get("props", {})
            }
            # a viewer reads alerts and handles none; an analyst reads none, and sees no pictures
            if acts != (set() if caller == "analyst" else {sees}):
                yield f"what the page of {caller} offers: {acts}"
            if (f"{V1}/live" in page.first) != (caller != "analyst"):
                yield f"the pictures on the page of {caller}"
            for word in (WORKER, REASON):
                if (word in page.first) and not sees:
                    yield f"the page of {caller} says {word}"
            if (OWN in page.first.lower()) == (caller == "no_cameras"):
                yield f"the page of {caller}: its own camera"
            if (FOREIGN in page.first.lower()) != sees:
                yield f"the page of {caller}: the foreign camera"
            if (ALERTS[OWN] in page.first) != alerts:
                yield f"the page of {caller}: its alerts"
            state(running, FOREIGN)
            own = state(running, OWN)
            if alerts:
                if not page.heard.wait(own):
                    yield f"the page of {caller}: no new alert"
                before = page.heard.text().count(ALERTS[OWN])
                page.emit("older", [4e9, "z"])
                until_s = time.monotonic() + 20
                while page.heard.text().count(ALERTS[OWN]) == before:
                    if time.monotonic() > until_s:
                        yield f"the page of {caller}: no older alerts"
                        break
                    time.sleep(0.01)
            for word in (WORKER, REASON):
                if (word in page.heard.text()) and not sees:
                    yield f"the page of {caller} hears {word}"
            if (FOREIGN in page.heard.text().lower()) != sees:
                yield f"the page of {caller}: {_around(page.heard.text(), FOREIGN)}"


def screens(running: Running) -> Iterator[str]:
    """The wall shows its reader's cameras with their alerts, and hears of no others."""
    for caller in ("viewer", "no_cameras", "administrator"):
        sees = caller == "administrator"
        with room(running, caller, "/room/wall") as page:
            urgent(running, FOREIGN)
            own = urgent(running, OWN)
            for word, shown in ((OWN, caller != "no_cameras"), (FOREIGN, sees)):
                if (word in page.first.lower()) != shown:
                    yield f"the wall of {caller} begins with {word}: {not shown}"
            if caller == "no_cameras":
                time.sleep(SCREEN_S)
            elif not page.heard.wait(own):
                yield f"the wall of {caller}: no new alert"
            if (FOREIGN in page.heard.text().lower()) != sees:
                yield f"the wall of {caller}: {_around(page.heard.text(), FOREIGN)}"
            for word in (WORKER, REASON):
                if not sees and word in page.first + page.heard.text():
                    yield f"the wall of {caller} says {word}"


def drawings(running: Running) -> Iterator[str]:
    """The list of cameras has its reader's alone, and an editor is one for whoever may draw, with
    pictures for whoever sees them."""
    for caller in ("viewer", "analyst", "no_cameras", "administrator"):
        with room(running, caller, "/room/cameras") as page:
            sees = (caller != "no_cameras", caller == "administrator")
            for camera, shown in zip((OWN, FOREIGN), sees, strict=True):
                if (camera in page.first.lower()) != shown:
                    yield f"the list of {caller} begins with {camera}: {not shown}"
        if caller == "no_cameras":
            continue
        with room(running, caller, f"/room/cameras/{OWN}") as page:
            may = {"edits": caller == "administrator", "pictures": caller != "analyst"}
            for what, allowed in may.items():
                if bool(re.search(rf"\b{what}\W+true", page.first)) != allowed:
                    yield f"the editor of {caller} {what}: {not allowed}"


def traffic(running: Running) -> Iterator[str]:
    """The page of traffic has its reader's cameras alone, whichever one its address or its browser
    asks for."""
    for caller in ("viewer", "analyst", "no_cameras", "administrator"):
        sees = {OWN: caller != "no_cameras", FOREIGN: caller == "administrator"}
        with room(running, caller, "/room/traffic?day=2026-01-31") as page:
            for camera, shown in sees.items():
                if (camera in page.first.lower()) != shown:
                    yield f"the traffic of {caller} begins with {camera}: {not shown}"
            for turn, (camera, shown) in enumerate(sees.items(), 1):
                page.emit("ask", f"?camera={camera}&day=2026-01-31", turn)
                if not page.heard.wait(rf"turn\":{turn}"):
                    yield f"the traffic of {caller}: no answer"
                if (f"{camera}-line" in page.heard.text()) != shown:
                    yield f"the traffic of {caller} shows {camera}: {not shown}"


def acknowledged(running: Running, name: str) -> str | None:
    found = running.world.store.alerts.get(name, only=None)
    assert found is not None
    return found.acknowledged_by


def effects(running: Running) -> Iterator[str]:
    """Whoever is refused changes nothing."""
    for caller in ("operator", "viewer", "key_alerts_handle", "analyst", "worker"):
        foreign = state(running, FOREIGN)
        running.send("POST", f"{V1}/alerts/{foreign}/acknowledge", running.world.held[caller])
        if acknowledged(running, foreign) is not None:
            yield f"{caller} acknowledged an alert of the foreign camera"
    # an alert that there is belongs to its camera, whatever is said of it
    for caller in ("worker", "key_alerts_state"):
        foreign = state(running, FOREIGN)
        for camera in (OWN, FOREIGN):
            said = {"id": foreign, "version": 9, "camera": camera, "kind": "taken",
                    "start": "2026-01-31T00:00:00Z"}  # fmt: skip
            headers = {**running.world.held[caller], "content-type": "application/json"}
            answer = running.send("POST", f"{V1}/alerts", headers, json.dumps(said).encode())
            kept = running.world.store.alerts.get(foreign, only=None)
            if kept is None or (kept.camera, kept.kind) != (FOREIGN, "intrusion"):
                yield f"{caller} took over an alert of the foreign camera by naming {camera}"
            if answer.status not in {404, 409, 422}:
                yield f"{caller} was answered {answer.status} for another's alert"
            if "intrusion" in answer.body.decode():
                yield f"{caller} heard of another's alert"


def clicks(running: Running) -> Iterator[str]:
    """What a page's buttons say is decided on like any request."""
    for caller, may in (("viewer", False), ("operator", True), ("administrator", True)):
        with room(running, caller) as page:
            foreign, own = state(running, FOREIGN), state(running, OWN)
            if not page.heard.wait(own):
                yield f"the page of {caller}: no new alert"
            for name in (foreign, own):
                try:
                    page.emit("acknowledge", name)
                except AssertionError:
                    if may:
                        yield f"{caller} has no way to acknowledge"
            # what comes back after it says that it was looked at
            page.emit("older", [4e9, "z"])
            time.sleep(0.2)
            until_s = time.monotonic() + 20
            while may and acknowledged(running, own) is None:
                if time.monotonic() > until_s:
                    yield f"{caller} could not acknowledge an own alert"
                    break
                time.sleep(0.01)
            if (acknowledged(running, own) is not None) and not may:
                yield f"{caller} acknowledged on the page"
            if (acknowledged(running, foreign) is not None) != (caller == "administrator"):
                yield f"{caller}: the foreign alert, acknowledged on the page"


def other_pages(running: Running) -> Iterator[str]:
    """Nobody drives or reads the page of somebody else, whose id they were told."""
    with room(running, "operator") as page, room(running, "viewer") as mine:
        own = state(running, OWN)
        if not (page.heard.wait(own) and mine.heard.wait(own)):
            yield "no new alert on the pages"
        mine.socket.send(page.said("acknowledge", own))
        mine.socket.send("42" + json.dumps(["handshake", page.query]))
        try:
            with socket(running, f"{SOCKET_IO}&{urlencode(page.query)}", "viewer") as other:
                other.recv(GUARD_S)
                other.send("40")
                if not str(other.recv(GUARD_S)).startswith("44"):
                    yield "a viewer's socket was taken for the page of an operator"
        except ConnectionClosed:
            pass
        # what the viewer's socket sent was looked at by then
        late = state(running, OWN)
        if not (mine.heard.wait(late) and page.heard.wait(late)):
            yield "no later alert on the pages"
        if acknowledged(running, own) is not None:
            yield "a viewer's socket acknowledged through the page of an operator"
        if mine.heard.text().count(late) != page.heard.text().count(late):
            yield "a viewer's socket hears what the page of an operator is told"


def tokens(running: Running) -> Iterator[str]:
    """A page's form is taken with the token that stands in it, and with no other."""
    others = {"viewer": "operator", "administrator": "viewer"}
    pages_ = {"viewer": ("/account", "/account/end-session"), "administrator": ("/keys", "/keys")}
    for caller, (page, to) in pages_.items():
        held = dict(running.world.held[caller])
        del held["x-csrf-token"]
        found = re.search(
            r'name="token" value="([^"]+)"', running.send("GET", page, held).body.decode()
        )
        if found is None:
            yield f"no token in {page}"
            continue
        other = running.world.held[others[caller]]["x-csrf-token"]
        held["content-type"] = "application/x-www-form-urlencoded"
        for token, wanted in ((found[1], 422), (other, 403), ("0" * 64, 403), ("", 403)):
            sent = running.send("POST", to, held, urlencode({"token": token}).encode())
            if sent.status != wanted:
                yield f"{to} with a token of {len(token)} characters: {sent.status}, not {wanted}"


def reasons(running: Running) -> Iterator[str]:
    """Why something is not well is said to this machine and to whoever may read the system."""
    told = {"nobody": False, "viewer": False, "key_counts_read": False, "forged_session": False,
            "revoked_key": False, "administrator": True, "key_system_read": True}  # fmt: skip
    for caller, may in told.items():
        held = {name: value for name, value in running.world.held[caller].items()
                if name != "origin"}  # fmt: skip
        for host, here in ((f"127.0.0.1:{running.port}", True), ("city.example", False)):
            body = running.send("GET", "/readyz", held | {"host": host}).body.decode()
            if (REASON in body) != (here or may):
                yield f"/readyz as {caller} by the name of {host}: {body[:300]}"


def _around(text: str, word: str) -> str:
    at = text.lower().find(word)
    return text[max(0, at - 100) : at + 100]


CHECKS: Final[Sequence[Check]] = (
    streams,
    pictures,
    pages,
    screens,
    drawings,
    traffic,
    effects,
    clicks,
    other_pages,
    tokens,
    reasons,
)
