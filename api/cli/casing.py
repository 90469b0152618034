"""What ``matakota alerts case`` does: an alert becomes a folder that is replayed without worker and
bus."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from api.cli.clips import clip_of
from api.cli.replaying import NoAnswerError, answered, reached
from api.store import Store, StoredAlert
from streams.bus import Bus, Control
from streams.commands import MAX_TRACKS_S, Given, Tracks
from streams.replaycase import Expected, Outcome, replayed, save_case, scene_in
from streams.replaying import LEAD_S
from streams.settings import Settings
from streams.suggesting import LATER_S
from streams.yamlfile import quoted
from vision.errors import ConfigError
from vision.replay import patience_s, why_not
from vision.scene import Scene
from vision.trials import Incident, rule_of

GIVE_S: Final = 30.0
AFTER_S: Final = 10.0
"""So much longer than the incident, to see that it was over."""


def save(alert_id: str, folder: Path, store: Store, data: Path | None) -> tuple[Outcome, bool]:
    """Save the alert's case; what its own scene says of it, and whether there is a clip. Raises
    ConfigError where it cannot be one, NoAnswerError or BusError where no worker answers,
    SceneError or ExpectationError for a scene or tracks that cannot be used, OutputError."""
    alert = store.alerts.get(alert_id, only=None)
    if alert is None:
        raise ConfigError(f"there is no alert {quoted(alert_id)}: its page shows its id")
    expected = _expected(alert)
    document, scene = _scene(alert, store)
    with reached(data) as (bus, control):
        tracks = _tracks(alert, scene, bus, control)
    outcome = replayed(expected, scene, tracks, f"what is kept of alert {quoted(alert_id)}")
    if outcome.holds is not expected.told:
        raise ConfigError(
            f"alert {quoted(alert_id)} is not told of again by the scene that told of it, so it is "
            f"no case ({outcome.said}): its tracks may be gone in part"
        )
    clip = clip_of(alert_id, Settings.read(os.environ, data))
    save_case(folder, expected, document, tracks, clip)
    return outcome, clip is not None


def _expected(alert: StoredAlert) -> Expected:
    if alert.outcome is None:
        raise ConfigError(
            f"alert {quoted(alert.id)} was not closed as a true or a false alarm, so nothing is "
            "expected of it: resolve it first"
        )
    incident = Incident(
        alert.id, alert.start_ts, alert.raised_ts, alert.end_ts, frozenset(alert.track_ids)
    )
    return Expected(
        camera=alert.camera,
        kind=alert.kind,
        rule=alert.rule,
        place=alert.place,
        told=alert.outcome == "true",
        revision=alert.revision,
        incident=incident,
    )


def _scene(alert: StoredAlert, store: Store) -> tuple[dict[str, JsonValue], Scene]:
    """The scene that told of the alert."""
    stored = store.scenes.get(alert.camera, alert.revision)
    if stored is None:
        raise ConfigError(
            f"there is no revision {alert.revision} of the scene of camera {quoted(alert.camera)}, "
            "by which the alert was told: it is no case"
        )
    scene = scene_in(stored.document, alert.camera)
    config = rule_of(scene, alert.rule)
    why = "is not in its scene" if config is None else why_not(config)
    if why is not None:
        raise ConfigError(f"rule {quoted(alert.rule)} {why}, so its alerts are no cases")
    return stored.document, scene


def _tracks(alert: StoredAlert, scene: Scene, bus: Bus, control: Control) -> bytes:
    """What the camera's worker keeps of the time around it."""
    last_ts = alert.raised_ts + LATER_S
    end_ts = last_ts if alert.end_ts is None else min(max(alert.end_ts, alert.raised_ts), last_ts)
    to_ts = end_ts + AFTER_S
    lead_s = LEAD_S + 2 * patience_s(scene)
    from_ts = max(alert.start_ts - lead_s, to_ts - MAX_TRACKS_S, 0.0)
    wanted = Tracks(camera=alert.camera, from_ts=from_ts, to_ts=to_ts)
    given = Given.of(answered(wanted, GIVE_S, bus, control))
    if given.busy:
        raise NoAnswerError(given.message)
    if not given.ok:
        raise ConfigError(given.message)
    if not given.blocks:
        raise ConfigError(
            f"no tracks are kept any more of the time of alert {quoted(alert.id)}: a worker keeps "
            "them for as long as --keep-tracks-h says"
        )
    return given.blocks
