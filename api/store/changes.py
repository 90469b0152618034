"""What the record keeps of a change of the configuration: what differs, before and after."""

from __future__ import annotations

import json
import re
from typing import Final

from api.store.audit import Values
from streams.citydocument import CameraDocument, CityDocument
from vision.types import JsonValue

MAX_CHARS: Final = 64_000
"""Of JSON, before and after together: beyond it, cameras are only named."""
_SECRET: Final = re.compile(r"[?&=].*", re.DOTALL)
"""What of an address may hold a login, where a camera wants it so."""


def what_changes(before: CityDocument | None, after: CityDocument) -> tuple[Values | None, Values]:
    """The fields of the city that differ; of each camera that is new, changed or removed, those
    that differ, by its id in ``cameras``; in ``more_cameras`` the ids of those for which there
    was no room. A scene is told by its ``revision``. There is no ``before`` of the first one."""
    old = {} if before is None else {camera.id: _fields(camera) for camera in before.cameras}
    new = {camera.id: _fields(camera) for camera in after.cameras}
    # what cannot be read elsewhere any more comes first
    changed = [name for name in old if name in new and old[name] != new[name]]
    removed = [name for name in old if name not in new]
    added = [name for name in new if name not in old]
    was, now = dict[str, JsonValue](), dict[str, JsonValue]()
    room, more = MAX_CHARS, list[JsonValue]()
    for name in (*changed, *removed, *added):
        said = _differing(old.get(name, {}), new.get(name, {}))
        room -= len(json.dumps([name, said]))
        if room < 0:
            more.append(name)
            continue
        for into, what in zip((was, now), said, strict=True):
            if what:
                into[name] = what
    said_before, said_after = _differing({} if before is None else _top(before), _top(after))
    if [name for name in old if name in new] != [name for name in new if name in old]:
        said_after["reordered"] = True
    if was:
        said_before["cameras"] = was
    if now:
        said_after["cameras"] = now
    if more:
        said_after["more_cameras"] = more
    return None if before is None else said_before, said_after


def _top(document: CityDocument) -> Values:
    return document.model_dump(mode="json", exclude={"number", "cameras"})


def _fields(camera: CameraDocument) -> Values:
    return camera.model_dump(mode="json", exclude={"id", "scene"})


def _differing(before: Values, after: Values) -> tuple[Values, Values]:
    """What differs, where there are both; otherwise all of one that says something."""
    names = [name for name in before | after if before.get(name) != after.get(name)]
    was = {name: _shown(name, before[name]) for name in names if name in before}
    now = {name: _shown(name, after[name]) for name in names if name in after}
    if "source" in was and was["source"] == now.get("source"):
        now["source"] = f"{now['source']} (another one)"
    return was, now


def _shown(name: str, value: JsonValue) -> JsonValue:
    if name != "source" or not isinstance(value, str):
        return value
    return _SECRET.sub("…", value)
