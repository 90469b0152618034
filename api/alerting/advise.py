"""What to do about an alert, and whom to call."""

from __future__ import annotations

from api.alerting.matching import concerns
from api.alerting.settings import Advice, Alerting
from api.store.alerts import StoredAlert


def advice_for(settings: Alerting, alert: StoredAlert) -> Advice | None:
    """Of those that fit, the one whose matcher names the most fields; of several the first."""
    fitting = [each for each in settings.advice if concerns(each.match, alert, settings)]
    return max(fitting, key=lambda advice: advice.match.named, default=None)
