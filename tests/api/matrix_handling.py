"""What the access matrix says of what people do about alerts: whoever does not see a camera changes
nothing of its alerts and silences, over the API, the forms and the room's page, and hears nothing
of them. Each check yields what is wrong."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlencode

from api.alerting.settings import Matcher
from api.store import StoredAlert
from tests.api.matrix import ACTS, GUARD_S, SPAN, Answer, Running
from tests.api.matrix_contents import Check, state
from tests.api.matrix_endings import SHOWN
from tests.api.matrix_open import V1, Page, room
from tests.api.matrix_world import ABSENT, ALERTS, FOREIGN, OWN, PART, SITE
from tests.api.served import TESTER

REFUSED: Final = ("operator", "key_alerts_handle", "viewer", "analyst", "worker")
"""Whoever may do nothing about an alert of the foreign camera."""
HANDLING: Final = ("operator", "key_alerts_handle")
ANSWERED: Final = re.compile(r'\\"(?:done|refused)\\"')
"""What a page hears of each thing that is done in an opened alert."""
FOREIGN_NOTE: Final = "zznote"
"""What people said of the foreign camera."""


def post(running: Running, caller: str, path: str, sent: Mapping[str, Any]) -> Answer:
    headers = {**running.world.held[caller], "content-type": "application/json"}
    return running.send("POST", path, headers, json.dumps(sent).encode())


def kept(running: Running, name: str) -> StoredAlert:
    """The alert as it is, but for when and where in the feed it changed."""
    found = running.world.store.alerts.get(name, only=None)
    assert found is not None
    return replace(found, position=0, updated_at=0.0)


def stated(running: Running, camera: str) -> str:
    """A new alert of a camera, older than those that pages begin with; its id."""
    running.number += 1
    name = f"{camera}-news-{running.number}"
    running.world.state(name, camera)
    return name


def resolved(running: Running, camera: str) -> str:
    """A new alert of a camera that was resolved."""
    name = stated(running, camera)
    cases = running.world.store.cases
    cases.resolve(name, "true", FOREIGN_NOTE, TESTER, edit=0, only=None)
    return name


def numbered(running: Running, camera: str) -> set[str]:
    """The ids of the newest alerts of a camera."""
    found = running.world.store.alerts.find(only=None, camera=camera, limit=1000)
    return {alert.id for alert in found.alerts}


def acts(running: Running) -> Iterator[str]:
    """Whoever does not see a camera assigns, resolves, re-opens and merges none of its alerts,
    opens none, and is told nothing but that there is none."""
    for caller in REFUSED:
        wanted = 404 if caller in HANDLING else 403
        for act, sent in ACTS.items():
            foreign = resolved(running, FOREIGN) if act == "reopen" else stated(running, FOREIGN)
            before = kept(running, foreign)
            # of another edit, it would be told who was first
            for edit in (before.edit, before.edit + 1):
                answer = post(
                    running, caller, f"{V1}/alerts/{foreign}/{act}", {**sent, "edit": edit}
                )
                yield from _refused(f"{act} as {caller}", answer, wanted)
            if kept(running, foreign) != before:
                yield f"{caller} did {act} with an alert of the foreign camera"
        foreign, own = stated(running, FOREIGN), stated(running, OWN)
        post(running, caller, f"{V1}/alerts/acknowledge", {"ids": [foreign]})
        if kept(running, foreign).edit:
            yield f"{caller} acknowledged an alert of the foreign camera among others"
        before_ids = numbered(running, FOREIGN)
        seen = {"camera": FOREIGN, "kind": "intrusion"}
        yield from _refused(
            f"by-hand as {caller}", post(running, caller, f"{V1}/alerts/by-hand", seen), wanted
        )
        if numbered(running, FOREIGN) != before_ids:
            yield f"{caller} opened an alert of the foreign camera by hand"
        answers = [
            post(running, caller, f"{V1}/alerts/{own}/merge", {"into": into, "edit": 0})
            for into in (foreign, f"{ABSENT}-1")
        ]
        if kept(running, own).merged_into is not None or kept(running, own).edit:
            yield f"{caller} merged an own alert into one of the foreign camera"
        if len({(answer.status, answer.body) for answer in answers}) != 1:
            yield f"{caller} hears which alerts to merge into there are: {answers}"


def _refused(what: str, answer: Answer, wanted: int) -> Iterator[str]:
    said = answer.body.decode()
    if answer.status != wanted:
        yield f"{what}: {answer.status}, not {wanted}"
    for word in ("intrusion", TESTER.name, FOREIGN_NOTE, "edit "):
        if word in said:
            yield f"{what}: hears {word}"


def bulk(running: Running) -> Iterator[str]:
    """Of many that are acknowledged at once, those of other cameras are as those that are not."""
    for caller in HANDLING:
        foreign, own = stated(running, FOREIGN), stated(running, OWN)
        sent = {"ids": [foreign, own, f"{ABSENT}-1"]}
        answer = post(running, caller, f"{V1}/alerts/acknowledge", sent)
        wanted = {"acknowledged": [own], "already": [], "unknown": [foreign, f"{ABSENT}-1"]}
        if answer.status != 200 or json.loads(answer.body) != wanted:
            yield f"many, acknowledged by {caller}: {answer.status} {answer.body.decode()[:300]}"
        if kept(running, foreign).edit or not kept(running, own).edit:
            yield f"{caller} acknowledged others than the own ones"


def parts(running: Running) -> Iterator[str]:
    """An own alert that is a part of a foreign one is not told to be one of it."""
    for caller in ("viewer", "operator", "key_alerts_read", "administrator"):
        held = dict(running.world.held[caller])
        for path in ("", "/history"):
            answer = running.send("GET", f"{V1}/alerts/{PART}{path}", held)
            told = FOREIGN in answer.body.decode()
            if answer.status != 200 or told != (caller == "administrator"):
                yield f"{path or 'a part'} as {caller}: {answer.status} {answer.body.decode()}"
    for caller in ("worker", "key_alerts_state"):
        again = {"id": PART, "camera": OWN, "kind": "intrusion", "start": SPAN["from"]}
        answer = post(running, caller, f"{V1}/alerts", {**again, "version": 2})
        if answer.status != 200 or FOREIGN in answer.body.decode():
            yield f"a part, stated again as {caller}: {answer.status} {answer.body.decode()}"
    name = stated(running, OWN)
    running.world.store.cases.merge(name, ALERTS[FOREIGN], TESTER, edit=0, only=None)
    for caller in HANDLING:
        for act in ("assign", "resolve", "merge", "acknowledge"):
            sent = {**ACTS.get(act, {}), "edit": 1} if act in ACTS else {}
            answer = post(running, caller, f"{V1}/alerts/{name}/{act}", sent)
            if FOREIGN in answer.body.decode():
                yield f"{act} of a part as {caller}: {answer.body.decode()}"


def silences(running: Running) -> Iterator[str]:
    """Silences of other cameras are neither shown nor made nor ended, nor those of all."""
    store = running.world.store.alerting
    end = time.time() + 3600
    wider = [
        store.silence(match, f"{FOREIGN} too", starts_at=0, ends_at=end, by=TESTER)
        for match in (
            Matcher(cameras=(OWN, FOREIGN)), Matcher(kinds=("crowd",)), Matcher(sites=(SITE,))
        )
    ]  # fmt: skip
    text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(end))
    try:
        for caller in ("operator", "key_alerts_handle", "viewer", "key_alerts_read"):
            before = holding(running)
            for path in (f"{V1}/silences", f"{V1}/silences?ended=true", "/silences"):
                said = running.send("GET", path, _reading(running, caller)).body.decode()
                if FOREIGN in said.lower():
                    yield f"{path} as {caller}: shows a silence of the foreign camera"
                if (f"of {OWN}" in said) != (caller != "key_alerts_handle"):
                    yield f"{path} as {caller}: no silence of an own camera"
            for match in (
                {"cameras": [FOREIGN]}, {"cameras": [OWN, FOREIGN]}, {"sites": [SITE]},
                {"kinds": ["crowd"]}, {"severities": ["low"]},
            ):  # fmt: skip
                sent = {"match": match, "reason": "tried", "end": text}
                answer = post(running, caller, f"{V1}/silences", sent)
                if match != {"sites": [SITE]} and answer.status < 400:
                    yield f"{caller} silenced {match}: {answer.status}"
            answers = [
                post(
                    running, caller, f"{V1}/silences",
                    {"match": {"sites": [name]}, "reason": "tried", "end": text},
                )
                for name in (FOREIGN, ABSENT)
            ]  # fmt: skip
            if answers[0].body.decode() != answers[1].body.decode().replace(ABSENT, FOREIGN):
                yield f"{caller} hears which sites there are: {answers}"
            for each in wider:
                post(running, caller, f"{V1}/silences/{each.id}/end", {})
                form(running, caller, f"/silences/{each.id}/end", {})
            for fields in ({"cameras": [FOREIGN]}, {"cameras": [OWN, FOREIGN]},
                           {"every_camera": ["1"], "kinds": ["crowd"]}):  # fmt: skip
                answer = form(
                    running, caller, "/silences", {**fields, "reason": ["tried"], "length": ["1h"]}
                )
                if answer.status in {200, 303} or FOREIGN in answer.body.decode().lower():
                    yield f"the form for {fields} as {caller}: {answer.status}"
            for number, made in holding(running).items():
                if number not in before and set(made.cameras) != {OWN}:
                    yield f"{caller} silenced {made}"
            if set(before) - set(holding(running)):
                yield f"{caller} ended a silence of other cameras"
        for caller, may in (("viewer", False), ("operator", True)):
            said = running.send("GET", "/silences", _reading(running, caller)).body.decode()
            if ('action="/silences' in said) != may:
                yield f"the form for silences, shown to {caller}"
    finally:
        for each in wider:
            store.end_silence(each.id, TESTER, only=None)


def _reading(running: Running, caller: str) -> dict[str, str]:
    return {name: v for name, v in running.world.held[caller].items() if name != "origin"}


def holding(running: Running) -> dict[int, Matcher]:
    found = running.world.store.alerting.silences(only=None)
    return {each.id: each.match for each in found}


def form(running: Running, caller: str, path: str, fields: Mapping[str, list[str]]) -> Answer:
    kind = {"content-type": "application/x-www-form-urlencoded"}
    headers = {**running.world.held[caller], **kind}
    return running.send("POST", path, headers, urlencode(fields, doseq=True).encode())


# --- the room's page


def shown(page: Page, event: str, *args: Any, word: str) -> str:
    """What comes of what a person does, until a word comes; nothing where it does not."""
    before = len(page.heard.text())
    page.emit(event, *args)
    until_s = time.monotonic() + GUARD_S
    while word not in page.heard.text()[before:]:
        if time.monotonic() > until_s or page.heard.ended.is_set():
            return ""
        time.sleep(0.01)
    return page.heard.text()[before:]


def opened(running: Running) -> Iterator[str]:
    """An alert that is opened on a page, what it may be merged into, and where one may be opened by
    hand: of the cameras of who looks, and with the people only for who handles alerts."""
    state(running, FOREIGN)
    given = state(running, FOREIGN)
    running.world.give(given, "the operator")
    for caller in ("viewer", "operator", "administrator"):
        everything = caller == "administrator"
        with room(running, caller) as page:
            own = stated(running, OWN)
            said = shown(page, "look", own, word=SHOWN)
            if not said:
                yield f"{caller} cannot open an own alert"
            if ("the operator" in said.partition("people")[2]) == (caller == "viewer"):
                yield f"to whom an alert may be given, as {caller}: {said[-500:]}"
            said = shown(page, "look", PART, word=SHOWN)
            if (ALERTS[FOREIGN] in said) != everything:
                yield f"a part that {caller} opens: {said[-500:]}"
            # a notice says that there is none, and the list hears which one that is
            word = SHOWN if everything else echo(ALERTS[FOREIGN])
            if not shown(page, "look", ALERTS[FOREIGN], word=word):
                yield f"the foreign alert, opened by {caller}"
            if caller != "viewer":
                said = shown(page, "compose", None, word="compose")
                if not said or (FOREIGN in said) != everything:
                    yield f"where {caller} may open an alert by hand: {said[-500:]}"
            for number, name in enumerate(("new", "mine", "open", "all")):
                wish = {"number": number, "show": name}
                if not shown(page, "filter", wish, word=f'refill\\", [{number}'):
                    yield f"what is {name} does not come to {caller}"
                if not shown(page, "older", [4e9, "z"], word="append"):
                    yield f"what is older and {name} does not come to {caller}"
            for number, wish in enumerate(({"camera": FOREIGN}, {"text": FOREIGN}), start=4):
                sent = {"number": number, "show": "all", **wish}
                if not shown(page, "filter", sent, word=f'refill\\", [{number}'):
                    yield f"what is searched for does not come to {caller}"
            # the id that it sent comes back, for it to know which one it cannot open
            text = page.heard.text().lower().replace(echo(ALERTS[FOREIGN]), "")
            if (FOREIGN in text) != everything:
                yield f"the page of {caller}, with what was opened: the foreign camera"


def echo(alert: str) -> str:
    """How a page is told that it cannot open an alert."""
    return f'missed\\", [\\"{alert.lower()}\\"'


def evidence(running: Running) -> Iterator[str]:
    """The original of what an opened alert shows is offered to whoever may see it, and a page has
    copies made of its own cameras only."""
    for caller in ("viewer", "operator", "administrator"):
        everything = caller == "administrator"
        with room(running, caller) as page:
            said = shown(page, "look", ALERTS[OWN], word=SHOWN)
            if "/snapshot/copy" not in said:
                yield f"no picture in an own alert that {caller} opens: {said[-500:]}"
            if ("/original" in said) != everything:
                yield f"the original of what {caller} is shown: {said[-500:]}"
            for camera in (OWN,) if everything else (FOREIGN, OWN):
                shown(page, "mask", {"id": ALERTS[camera], "form": "clip"}, word="renew")
            if masked(running, FOREIGN) != "none":
                yield f"the page of {caller} had a foreign clip masked"
            if masked(running, OWN) == "none":
                yield f"the page of {caller} had no own clip masked"


def masked(running: Running, camera: str) -> str:
    """How it is with the masked copy of an alert's clip."""
    path = f"{V1}/alerts/{ALERTS[camera]}/evidence"
    answer = running.send("GET", path, _reading(running, "administrator"))
    found = {item["form"]: item["copy"] for item in json.loads(answer.body)["items"]}
    return str(found["clip"])


def page_acts(running: Running) -> Iterator[str]:
    """What is done in an opened alert is decided on like any request."""
    for caller, may in (("viewer", False), ("operator", True)):
        with room(running, caller) as page:
            for act, sent in ACTS.items():
                made = resolved if act == "reopen" else stated
                own, foreign = made(running, OWN), made(running, FOREIGN)
                before = kept(running, own), kept(running, foreign)
                note = {"note": ""} if act in {"resolve", "reopen"} else {}
                said: list[Mapping[str, Any]] = [
                    {**sent, **note, "id": name} for name in (own, foreign)
                ]
                if not _answered(page, act, said, may=may):
                    yield f"the page of {caller} does not answer {act}"
                if (kept(running, own) != before[0]) != may:
                    yield f"an own alert, after {act} on the page of {caller}"
                if kept(running, foreign) != before[1]:
                    yield f"{caller} did {act} with the foreign alert on the page"
            own, foreign = stated(running, OWN), stated(running, FOREIGN)
            into = {"id": own, "into": foreign, "edit": 0}
            if not _answered(page, "merge", [into], may=may) or kept(running, own).edit:
                yield f"{caller} merged an own alert into a foreign one on the page"
            ids = {camera: numbered(running, camera) for camera in (OWN, FOREIGN)}
            seen: dict[str, Any] = {"kind": "intrusion", "severity": "low", "note": "", "edit": 0}
            said = [{**seen, "camera": camera} for camera in ids]
            if not _answered(page, "open", said, may=may):
                yield f"the page of {caller} does not answer who opens an alert"
            if (numbered(running, OWN) != ids[OWN]) != may:
                yield f"alerts of the own camera, after {caller} opened one on the page"
            if numbered(running, FOREIGN) != ids[FOREIGN]:
                yield f"{caller} opened an alert of the foreign camera by hand on the page"


def _answered(page: Page, event: str, said: Sequence[Mapping[str, Any]], *, may: bool) -> bool:
    """Whether each is answered on the page, in whichever way; who ``may`` not is not answered."""
    before = len(page.heard.text())
    for each in said:
        page.emit(event, each)
    until_s = time.monotonic() + 20
    while may and len(ANSWERED.findall(page.heard.text()[before:])) < len(said):
        if time.monotonic() > until_s:
            return False
        time.sleep(0.01)
    if not may:
        time.sleep(0.2)
    return True


CHECKS: Final[tuple[Check, ...]] = (acts, bulk, parts, silences, opened, evidence, page_acts)
