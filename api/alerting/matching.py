"""Whether an alert is one of those that a matcher names."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from api.alerting.settings import Alerting, Matcher
from api.store.alerts import StoredAlert
from streams.messages import SYSTEM_CAMERA
from vision.policy import CAMERA_DOWN

SITE_DOWN: Final = "site_down"
"""The kind of the alert that stands for the ``camera_down`` of all cameras of a site, whose name is
its ``place``; its camera is ``SYSTEM_CAMERA``."""


def site_of(alert: StoredAlert, settings: Alerting) -> str | None:
    """The site that an alert is about, or to which its camera belongs."""
    return alert.place if is_of_site(alert) else settings.site_of(alert.camera)


def fits(matcher: Matcher, alert: StoredAlert, settings: Alerting) -> bool:
    """Whether it fits every field that names something. One about a site fits ``cameras`` where all
    of the site's are among them."""
    return _fits(matcher, alert, settings, (alert.kind,), (alert.rule,)) and (
        # no set is made of them: silences may name hundreds, and are asked for every alert
        not matcher.cameras
        or all(camera in matcher.cameras for camera in _cameras(alert, settings))
    )


def concerns(matcher: Matcher, alert: StoredAlert, settings: Alerting) -> bool:
    """As ``fits``, for whoever is to be told or advised: one about a site goes wherever that a
    camera of it is down would have gone, since it hides that."""
    as_camera = (CAMERA_DOWN,) if is_of_site(alert) else ()
    return _fits(matcher, alert, settings, (alert.kind, *as_camera), (alert.rule, *as_camera)) and (
        not matcher.cameras or not _cameras(alert, settings).isdisjoint(matcher.cameras)
    )


def _fits(
    matcher: Matcher,
    alert: StoredAlert,
    settings: Alerting,
    kinds: Collection[str],
    rules: Collection[str],
) -> bool:
    """For every field but ``cameras``."""
    return (
        (not matcher.severities or alert.severity in matcher.severities)
        and (not matcher.kinds or not {*kinds}.isdisjoint(matcher.kinds))
        and (not matcher.rules or not {*rules}.isdisjoint(matcher.rules))
        and (not matcher.places or alert.place in matcher.places)
        and (not matcher.sites or site_of(alert, settings) in matcher.sites)
    )


def is_of_site(alert: StoredAlert) -> bool:
    """Whether it says that a site is down. What others state of a camera of theirs by that kind
    says so of no site."""
    return alert.kind == SITE_DOWN and alert.camera == SYSTEM_CAMERA


def _cameras(alert: StoredAlert, settings: Alerting) -> frozenset[str]:
    """The cameras that it is about."""
    if is_of_site(alert):
        for site in settings.sites:
            if site.name == alert.place:
                return frozenset(site.cameras)
    return frozenset({alert.camera})
