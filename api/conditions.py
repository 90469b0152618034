"""Why a rule was silent, for people: what it needed, what there was, and when it was nearest.

Rules say both in English, in short phrases; those that stand often are said in other languages too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from api.i18n import N_, Texts
from api.times import local
from streams.drawing import Met, Silent
from vision.replay import BOXES, PICTURE, STAGES

WHAT: Final[Mapping[str, str]] = {
    "class": N_("class"),
    "zone": N_("zone"),
    "dwell": N_("time inside"),
    "spot": N_("spot"),
    "seen": N_("seen"),
    "score": N_("score"),
    "time": N_("time"),
    "crossing": N_("crossing"),
    "direction": N_("direction"),
    "count": N_("number"),
    "density": N_("density"),
    "vehicles": N_("vehicles"),
    "occupancy": N_("part covered"),
    "mean speed": N_("mean speed"),
    "standing in a row": N_("standing in a row"),
    "length": N_("length"),
    "still": N_("standing still"),
    "alone": N_("alone"),
    "runners": N_("running"),
    "way": N_("way"),
    "votes": N_("votes for the class"),
    "on foot": N_("on foot"),
    "walked": N_("walked"),
    "schedule": N_("schedule"),
}
"""What conditions are called."""
PHRASES: Final = frozenset(
    {
        N_("inside"),
        N_("outside"),
        N_("has not crossed"),
        N_("outside, or moves on"),
        N_("keeps to one spot"),
        N_("on, in or behind a vehicle"),
    }
)
NAMED: Final = frozenset({"class", "direction"})
"""What is found there, and needed, are names, whatever they look like."""
PATTERNS: Final = (
    (re.compile(r"inside '(?P<place>.*)'", re.DOTALL), N_("inside '%(place)s'")),
    (re.compile(r"crosses '(?P<place>.*)'", re.DOTALL), N_("crosses '%(place)s'")),
    (re.compile(r"crossed (?P<s>[\d.]+) s ago"), N_("crossed %(s)s s ago")),
    (
        re.compile(r"within (?P<px>\d+) px of one spot in '(?P<place>.*)'", re.DOTALL),
        N_("within %(px)s px of one spot in '%(place)s'"),
    ),
    (re.compile(r"(?P<s>[\d.]+) s of it"), N_("%(s)s s of it")),
    (re.compile(r"(?P<part>\d+%) of it"), N_("%(part)s of it")),
    (re.compile(r"up to (?P<n>[\d.]+)"), N_("up to %(n)s")),
    (
        re.compile(r"looks for (?P<classes>.*), which was not looked for", re.DOTALL),
        N_("looks for %(classes)s, which was not looked for"),
    ),
    (
        re.compile(
            r"looks for (?P<classes>.*), which was not looked for in (?P<n>\d+) of (?P<all>\d+) "
            r"pictures",
            re.DOTALL,
        ),
        N_("looks for %(classes)s, which was not looked for in %(n)s of %(all)s pictures"),
    ),
    (
        re.compile(
            r"(?P<n>\d+) pictures show the view '(?P<view>.*)', which the scene does not have",
            re.DOTALL,
        ),
        N_("%(n)s pictures show the view '%(view)s', which the scene does not have"),
    ),
)
"""Phrases with something in them, and how they are said."""
UNKEPT: Final = frozenset({PICTURE, BOXES, *STAGES.values()})
"""Why a rule cannot be replayed."""
NOBODY: Final = N_("Nobody was followed whom it could have been about.")
TOLD: Final = N_("What it saw at %(time)s had been told before, and went on.")
ALL_MET: Final = N_("At %(time)s all that it needs was so; it is told again only once it was over.")
NEAREST: Final = N_(
    "Nearest at %(time)s, when %(met)d of %(all)d conditions were met; %(what)s: %(found)s, but it "
    "needs %(needed)s."
)


def why(silent: Silent, _: Texts) -> str:
    """Why the rule was silent, one sentence."""
    if silent.at_ts is None or not silent.conditions:
        return _(NOBODY)
    time = f"{local(silent.at_ts):%H:%M:%S}"
    lacking = next((each for each in silent.conditions if not each.met), None)
    if lacking is None:
        return _(TOLD if silent.told else ALL_MET) % {"time": time}
    said = in_words(lacking, _)
    met = sum(each.met for each in silent.conditions)
    return _(NEAREST) % {
        "time": time,
        "met": met,
        "all": len(silent.conditions),
        "what": said.what,
        "found": said.found,
        "needed": said.needed,
    }


def in_words(condition: Met, _: Texts) -> Met:
    """The condition as it is said in a language, as far as that knows its words."""
    what = _(WHAT.get(condition.what, condition.what))
    if condition.what in NAMED:
        return condition.model_copy(update={"what": what})
    found, needed = phrase(condition.found, _), phrase(condition.needed, _)
    return condition.model_copy(update={"what": what, "found": found, "needed": needed})


def phrase(text: str, _: Texts) -> str:
    """What a rule says, as it is said in a language; as it is where that does not know it."""
    if text in PHRASES or text in UNKEPT:
        return _(text)
    for pattern, said in PATTERNS:
        if (found := pattern.fullmatch(text)) is not None:
            return _(said) % found.groupdict()
    return text
