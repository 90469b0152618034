"""What a report is made from, out of the store or of a recorded survey."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePath
from typing import Final

from api.store import Store
from api.store.validations import Validation
from api.traffic.values import BASE_S, Recorded
from streams.citydocument import CameraDocument
from streams.config import MOTION
from streams.survey import Survey
from vision.bins import Interval, Key
from vision.merging import binned

HOUR_S: Final = 3600


def recorded(
    store: Store, cameras: Collection[str], *, from_ts: int, to_ts: int, seconds: int
) -> list[Recorded]:
    """What these cameras saw in whole hours, and with what; one that is not configured any more
    has no model."""
    city = store.configuration.current()
    known: Mapping[str, CameraDocument] = (
        {} if city is None else {camera.id: camera for camera in city.cameras}
    )
    found = []
    for camera in cameras:
        document = known.get(camera)
        found.append(
            Recorded(
                camera=camera,
                name=camera if document is None else document.name,
                model=None if document is None else model_of(document),
                position=None if document is None else document.position,
                intervals=store.counts.intervals(
                    camera,
                    from_ts=from_ts // HOUR_S * HOUR_S,
                    to_ts=-(-to_ts // HOUR_S) * HOUR_S,
                    seconds=min(seconds, BASE_S),
                ),
                validated=_validated(store, camera),
                drawn=sorted(store.counts.passages(camera)),
            )
        )
    return found


def _validated(store: Store, camera: str) -> dict[str, Validation]:
    return {each.line: each for each in store.validations.all(only=frozenset({camera}))}


def surveyed(store: Store, survey: Survey, *, seconds: int) -> Recorded:
    """What a recorded survey saw, and how right it was counted; nobody knows where its camera
    stood."""
    return Recorded(
        camera=survey.camera,
        name=survey.camera,
        model=PurePath(survey.model).name,
        position=None,
        intervals=binned(survey.intervals, min(seconds, BASE_S)),
        validated=_validated(store, survey.camera),
        drawn=sorted({key for each in survey.intervals for key in _keys(each)}),
    )


def _keys(interval: Interval) -> Iterator[Key]:
    for line, ways in interval.lines.items():
        yield from ((line, way, name) for way in ways for name in interval.classes)


def model_of(camera: CameraDocument) -> str:
    """What finds objects there: its name, or that of its file, as class maps have it."""
    if camera.scene is not None and camera.scene.get("detector") == MOTION:
        return MOTION
    return PurePath(camera.model).name
