"""What holds of every decision, whatever the settings, the alerts and the facts are."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st

from api.alerting.decide import Decider
from api.alerting.matching import SITE_DOWN, concerns
from api.alerting.settings import (
    CANARY_CHANNEL,
    Alerting,
    Channel,
    Escalation,
    Inhibition,
    Matcher,
    Route,
    Site,
    Storm,
)
from api.store.facts import Change, Facts, NewNotice, Silence
from streams.messages import CANARY, SYSTEM_CAMERA
from tests.api.alerting.made import Outbox, channel, letters, silence, stored
from tests.api.served import DAY

CAMERAS = ("gate", "quay", "plaza")
KINDS = ("intrusion", "queue", "camera_moved", "camera_down")
SEVERITIES = ("low", "high", "critical")
NAMES = ("room1", "room2", "room3")
SITES = (Site(name="port", cameras=("gate", "quay")),)
NIGHT = {"from": "22:00", "to": "05:00"}


def some(values: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(values), unique=True, max_size=2).map(tuple)


matchers = st.builds(
    Matcher, severities=some(SEVERITIES), kinds=some(KINDS), cameras=some(CAMERAS),
    sites=st.sampled_from(((), (), ("port",))),
)  # fmt: skip
named = st.lists(st.sampled_from(NAMES), unique=True, min_size=1, max_size=2).map(tuple)
routes = st.builds(
    Route, name=st.just("r"), match=st.just(Matcher()) | matchers, channels=named,
    schedule=st.sampled_from((None, None, NIGHT)),
    group=st.sampled_from((None, "camera", "site")), group_s=st.sampled_from((5.0, 60.0, 300.0)),
    escalate=st.lists(
        st.builds(Escalation, after_min=st.sampled_from((1, 5)), channels=named), max_size=2
    ).map(tuple),
)  # fmt: skip
inhibitions = st.builds(
    Inhibition, name=st.just("i"), target=matchers, same=st.sampled_from(("camera", "site")),
    source=st.builds(Matcher, kinds=st.sampled_from(KINDS).map(lambda kind: (kind,))),
)  # fmt: skip


def channels(flags: list[tuple[bool, bool]]) -> tuple[Channel, ...]:
    return tuple(
        channel(name, enabled=enabled, closed=closed)
        for name, (enabled, closed) in zip(NAMES, flags, strict=False)
    )


usings = st.builds(
    Alerting,
    channels=st.lists(
        st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=3
    ).map(channels),
    sites=st.sampled_from(((), SITES)),
    routes=st.lists(routes, max_size=3).map(tuple),
    inhibitions=st.lists(inhibitions, max_size=2).map(tuple),
    inhibit_bad_views=st.booleans(),
    storm=st.builds(
        Storm, alone=st.sampled_from((1, 3, 12)), digest_s=st.sampled_from((5.0, 20.0))
    ),
)  # fmt: skip
WHATS = (
    ("opened",), ("severity:high",), ("closed",), ("opened", "closed"),
    ("severity:critical", "closed"), (),
)  # fmt: skip


@st.composite
def changes(draw: st.DrawFn, count: int = 12) -> list[Change]:
    found = []
    for i in range(draw(st.integers(1, count))):
        values: dict[str, Any] = {
            "camera": draw(st.sampled_from(CAMERAS)),
            "kind": draw(st.sampled_from(KINDS)),
            "severity": draw(st.sampled_from(SEVERITIES)),
            "status": draw(st.sampled_from(("new", "new", "acknowledged", "resolved"))),
            "merged_into": draw(st.sampled_from((None, None, None, "other"))),
            "raised_ts": DAY + draw(st.sampled_from((0.0, 1.0, 55_000.0))),
        }
        if draw(st.integers(0, 9)) == 0:
            values |= {"camera": SYSTEM_CAMERA, "kind": draw(st.sampled_from((SITE_DOWN, CANARY)))}
            values |= {"place": "port"}
        whats = draw(st.sampled_from(WHATS))
        state = "closed" if "closed" in whats else "open"
        found.append(Change(stored(f"a{i}", state=state, **values), whats))
    return found


silences = st.lists(
    st.builds(silence, matchers, ends_at=st.sampled_from((DAY + 1, DAY + 90_000.0))), max_size=1
).map(tuple)


def expected(using: Alerting, change: Change) -> set[tuple[str, str]]:
    """Channel and what of each notice that must be there, by the words of the documentation."""
    alert = change.alert
    if alert.kind == CANARY:
        return {(CANARY_CHANNEL, f"opened:{alert.version}")}
    whats = change.whats
    if alert.merged_into is not None:
        whats = tuple(what for what in whats if what == "severity:critical")
    # NIGHT is from 14:00 to 21:00 UTC: of the times above, the last one
    names = {
        name
        for route in using.routes
        if concerns(route.match, alert, using)
        and (route.schedule is None or alert.raised_ts == DAY + 55_000)
        for name in route.channels
    }
    ends = {each.name for each in using.channels if each.closed}
    return {(name, what) for what in whats for name in names if what != "closed" or name in ends}


def keys(notices: list[NewNotice]) -> list[tuple[str | None, str, str]]:
    return [
        (each.alert, each.channel, each.what)
        for each in notices
        if not each.what.startswith("escalated")
    ]


@trying(max_examples=150)
@given(usings, changes(), silences)
def test_nobody_is_forgotten_and_nobody_told_twice(
    using: Alerting, some_changes: list[Change], holding: tuple[Silence, ...]
) -> None:
    facts = Facts(DAY + 60_000, holding)
    found = Decider(using).decide(some_changes, facts)
    assert found == Decider(using).decide(some_changes, facts)
    wanted = {
        (change.alert.id, *each) for change in some_changes for each in expected(using, change)
    }
    assert Counter(keys(found)) == Counter(wanted)
    everything = Counter((each.alert, each.channel, each.what) for each in found)
    assert set(everything.values()) <= {1}
    enabled = {each.name for each in using.channels if each.enabled} | {CANARY_CHANNEL}
    critical = {each.alert.id for each in some_changes if each.alert.severity == "critical"}
    for each in found:
        assert (each.state == "suppressed") == (each.why is not None)
        assert each.why is None or (each.why == each.why.strip() and "\n" not in each.why)
        assert each.state != "held" or (each.group is not None and each.due_at >= facts.now)
        assert each.state != "held" or (each.alert not in critical and not each.urgent)
        assert each.urgent or each.alert not in critical or each.channel == CANARY_CHANNEL
        if each.channel not in enabled:
            assert each.state == "suppressed"
        elif each.alert in critical:
            assert each.state == "waiting" or holding or "resolved" in (each.why or "")


@trying(max_examples=80)
@given(usings, changes(), silences, st.randoms(use_true_random=False), st.data())
def test_neither_order_nor_batches_change_who_is_told(
    using: Alerting,
    some_changes: list[Change],
    holding: tuple[Silence, ...],
    random: Any,
    data: st.DataObject,
) -> None:
    """Given that what may hide others is among the facts, as it is from the store."""
    everything = tuple(change.alert for change in some_changes if change.alert.state == "open")
    facts = Facts(DAY + 60_000, holding, everything)

    def outcome(found: list[NewNotice]) -> set[tuple[Any, ...]]:
        return {(each.alert, each.channel, each.what, each.why) for each in found}

    whole = Decider(using).decide(some_changes, facts)
    shuffled = [*some_changes]
    random.shuffle(shuffled)
    assert outcome(Decider(using).decide(shuffled, facts)) == outcome(whole)
    cut = data.draw(st.integers(0, len(shuffled)))
    outbox = Outbox(using)
    for part in (shuffled[:cut], shuffled[cut:]):
        outbox.decide(*part, now=facts.now, silences=facts.silences, open=facts.open)
    assert outcome(outbox.notices) == outcome(whole)


@trying(max_examples=60, deadline=None)
@given(
    usings,
    st.lists(st.tuples(st.sampled_from((0.0, 0.5, 3.0, 20.0, 70.0)), changes(30)), max_size=25),
)
def test_no_minute_has_more_than_a_person_can_read(
    using: Alerting, batches: list[tuple[float, list[Change]]]
) -> None:
    outbox, now = Outbox(using), DAY + 60_000
    for i, (passed, batch) in enumerate(batches):
        now += passed
        renamed = [
            Change(stored(f"{i}-{each.alert.id}", camera=each.alert.camera, kind=each.alert.kind,
                          severity=each.alert.severity), each.whats)
            for each in batch
        ]  # fmt: skip
        outbox.decide(*renamed, now=now)
    storm = using.storm
    most = storm.alone + 60 / storm.digest_s
    for name in NAMES:
        times = sorted(due for to, due, _, urgent in letters(outbox.notices)
                       if to == name and not urgent)  # fmt: skip
        for start in times:
            assert sum(1 for due in times if start <= due < start + 60) <= most
