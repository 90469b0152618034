"""What is shown with the alert that is opened of what it rests on: masked copies, and why there is
none."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from api.access import Caller, Permission
from api.evidence.masks import Wanted
from api.i18n import N_, Texts
from api.services import Services
from api.store import StoredAlert
from api.store.evidence_items import Item
from api.times import local
from streams.evidenceform import FORMS, Form, PartName
from streams.messages import NO_NUL, SYSTEM_CAMERA
from vision.errors import EvidenceError, StoreError

GLANCE_MS: Final = 5000
"""An alert that is opened is looked at so often while something of it is still to come."""
MASKING_MS: Final = 2000
COMING_S: Final = 900.0
"""What has not come so long after its alert is not waited for."""
_NAMED: Final[Mapping[Form, str]] = {
    "snapshot": N_("Picture, %(span)s"),
    "clip": N_("Clip, %(span)s"),
}
_NONE: Final[Mapping[Form, str]] = {"snapshot": N_("No picture"), "clip": N_("No clip")}
_GONE: Final[Mapping[Form, str]] = {
    "snapshot": N_("The picture was deleted"),
    "clip": N_("The clip was deleted"),
}
_ASK: Final[Mapping[Form, str]] = {"snapshot": N_("Show the picture"), "clip": N_("Show the clip")}


class _Wish(BaseModel):
    """What a browser sends; it may be anybody's."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: Annotated[str, Field(max_length=200, pattern=NO_NUL)]
    form: Form


def evidence_texts(_: Texts) -> dict[str, Any]:
    """What stands beside all of it."""
    return {
        "evidence": _("What was seen"),
        "original": _("Original, not masked (who opens it stands in the record)"),
    }


async def want_copy(served: Services, asked: Any, now: Caller) -> str:
    """Have the copy made that a page asked for; why it cannot be now, if that is no matter of the
    copy itself, which its item tells."""
    try:
        wish = _Wish.model_validate(asked)
        items = await run_in_threadpool(_items_of, served, wish.id, now)
    except ValidationError:
        return ""
    except (StoreError, EvidenceError) as error:
        return str(error)
    item = next((each for each in items if each.form == wish.form), None)
    if item is None or item.state != "stored" or item.copied is not None:
        return ""
    wanted = served.masks.want(item)
    return wanted.why if wanted.state == "waits" else ""


def _items_of(served: Services, alert_id: str, now: Caller) -> Sequence[Item]:
    alert = served.store.alerts.get(alert_id, only=now.cameras)
    return () if alert is None else served.room.items(alert_id)


def evidence_of(served: Services, alert: StoredAlert, now: Caller, _: Texts) -> dict[str, Any]:
    """What is shown of an alert's evidence to who looks. Raises StoreError."""
    return shown_evidence(
        alert,
        served.room.items(alert.id),
        served.masks.known,
        _,
        originals=now.may(Permission.EVIDENCE_ORIGINAL),
        now=time.time(),
    )


def shown_evidence(
    alert: StoredAlert,
    items: Sequence[Item],
    wanted: Callable[[str, Form], Wanted | None],
    _: Texts,
    *,
    originals: bool,
    now: float,
) -> dict[str, Any]:
    """The items of an alert as JSON values, by form; ``wanted`` says how it is with a copy that is
    not there, ``originals`` whether whoever looks may see those, ``now`` is UTC seconds."""
    found = {item.form: item for item in items}
    has_some = alert.camera != SYSTEM_CAMERA and alert.opened_by is None
    comes = has_some and now - alert.start_ts < COMING_S
    shown, glance_ms = [], 0
    for form in FORMS:
        item = found.get(form)
        if item is None or item.state == "missing":
            glance_ms = GLANCE_MS if comes and not glance_ms else glance_ms
        if item is None:
            continue
        mask = wanted(alert.id, form) if item.state == "stored" and item.copy != "ready" else None
        if mask is not None and mask.state == "asked":
            glance_ms = MASKING_MS
        shown.append(_item(alert.id, item, mask, _, originals=originals))
    return {
        "evidence": shown,
        "no_evidence": "" if shown else _(_why_none(has_some=has_some, comes=comes)),
        "glance_ms": glance_ms,
    }


def _why_none(*, has_some: bool, comes: bool) -> str:
    if not has_some:
        return N_("Of such an alert there is no picture and no clip.")
    if comes:
        return N_("Picture and clip have not come yet: they appear here by themselves.")
    return N_("No picture and no clip came: see the log of its camera's worker.")


def _item(
    alert_id: str, item: Item, mask: Wanted | None, _: Texts, *, originals: bool
) -> dict[str, Any]:
    form, stored = item.form, item.state == "stored"
    ready = stored and item.copy == "ready"
    said = [item.note, item.why] if stored else [item.why]
    if stored and not ready:
        said.append(item.copy_why if mask is None else mask.why)
    if stored and item.hold:
        said.append(N_("It is held: nothing deletes it."))
    return {
        "form": form,
        "name": _name(item, _),
        "said": [_(each) for each in said if each],
        "src": _path(alert_id, form, "copy") if ready else "",
        "ask": _(_ASK[form]) if stored and not ready and not _asked(mask) else "",
        "original": _path(alert_id, form, "original") if stored and originals else "",
    }


def _path(alert_id: str, form: Form, part: PartName) -> str:
    return f"/api/v1/alerts/{alert_id}/evidence/{form}/{part}"


def _asked(mask: Wanted | None) -> bool:
    return mask is not None and mask.state == "asked"


def _name(item: Item, _: Texts) -> str:
    if item.state == "missing" or item.from_ts is None or item.to_ts is None:
        return _(_NONE[item.form])
    if item.state == "deleted":
        return _(_GONE[item.form])
    return _(_NAMED[item.form]) % {"span": _span(item.from_ts, item.to_ts)}


def _span(from_ts: float, to_ts: float) -> str:
    first, last = local(from_ts), local(to_ts)
    begins = f"{first:%Y-%m-%d %H:%M:%S}"
    return begins if to_ts - from_ts < 1 else f"{begins} – {last:%H:%M:%S}"
