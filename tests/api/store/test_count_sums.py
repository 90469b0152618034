"""Quarters of an hour, hours and days are always what their minutes add up to."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.store import Store
from streams.messages import CountsMessage
from tests.api.served import CLASSES, DAY, LINES, counted, sqlite_url
from tests.api.store.older import make_older
from vision.bins import Interval
from vision.merging import binned

START = int(DAY)
LENGTHS = (60, 300, 900, 3600, 86_400)
DAY_S, EAST_S = 86_400, 8 * 3600
KEYS = [(line, way, name) for line, ways in LINES.items() for way in ways for name in CLASSES]
IN_CAR = ("gate", "in", "car")


def read(store: Store, seconds: int, camera: str = "plaza") -> list[Interval]:
    """Everything that there is of two days around DAY."""
    return store.counts.intervals(
        camera, from_ts=START - 2 * DAY_S, to_ts=START + 2 * DAY_S, seconds=seconds
    )


def added(messages: Sequence[CountsMessage], seconds: int) -> list[Interval]:
    """What the newest versions of these messages add up to."""
    newest: dict[Any, CountsMessage] = {}
    for message in messages:
        key = message.camera, message.start_ts, message.seconds, message.revision
        if key not in newest or message.version > newest[key].version:
            newest[key] = message
    some = sorted(newest.values(), key=lambda each: each.start_ts)
    return binned(
        [each.interval for each in some if each.camera == "plaza" and seconds % each.seconds == 0],
        seconds,
        EAST_S if seconds == DAY_S else 0,
    )


def told(intervals: Sequence[Interval]) -> list[Any]:
    """All that they say; sums of parts of a second are not quite the same in every order."""

    def near(values: dict[Any, float]) -> dict[Any, Any]:
        return {key: pytest.approx(value, abs=2e-3) for key, value in values.items() if value}

    return [
        (
            each.start_ts, each.seconds, each.revision, each.synthetic, each.frames,
            {line: set(ways) for line, ways in each.lines.items()}, set(each.classes),
            dict(each.counts), dict(each.late),
            {key: pace.measured for key, pace in each.paces.items()},
            near({key: pace.s_per_m for key, pace in each.paces.items()}),
            near({line: each.observed_of(line) for line in each.lines}),
            near(dict(each.occupied)),
            near({"observed": each.observed_s, "blind": each.blind_s}),
        )
        for each in intervals
    ]  # fmt: skip


@st.composite
def stated(draw: st.DrawFn) -> CountsMessage:
    passed = draw(st.dictionaries(st.sampled_from(KEYS), st.integers(1, 30), max_size=3))
    paces = [
        {
            "line": key[0], "direction": key[1], "class_name": key[2],
            "measured": draw(st.integers(1, n)), "s_per_m": draw(st.integers(1, 99)) / 10,
        }
        for key, n in passed.items()
        if draw(st.booleans())
    ]  # fmt: skip
    late = [{"line": "gate", "direction": "in", "count": draw(st.integers(1, 3))}]
    observed_s = draw(st.sampled_from([0.0, 12.5, 41.125, 60.0]))
    return counted(
        # around midnight in the city, and around that of UTC
        draw(st.sampled_from([0, DAY_S - EAST_S])) + 60 * draw(st.integers(-20, 20)),
        passed,
        camera=draw(st.sampled_from(["plaza", "plaza", "north"])),
        revision=draw(st.integers(1, 2)),
        version=draw(st.integers(1, 3)),
        synthetic=draw(st.booleans()),
        observed_s=observed_s,
        frames=draw(st.integers(0, 300)),
        blind_s=draw(st.sampled_from([0.0, 7.75])),
        paces=paces,
        late=late if draw(st.booleans()) else [],
        lines=draw(st.sampled_from([LINES, LINES | {"pier": ("on", "off")}])),
        classes=draw(st.sampled_from([CLASSES, CLASSES[:1]])),
        observed={"gate": observed_s / 2} if draw(st.booleans()) else {},
        occupied={"gate": observed_s / 4} if draw(st.booleans()) else {},
    )


@settings(max_examples=25)
@given(st.lists(stated(), max_size=14, unique_by=lambda each: each.key), st.integers(0, 1000))
def test_late_lost_and_repeated_minutes_change_no_sum(
    messages: list[CountsMessage], seed: int
) -> None:
    """Whatever comes in whatever order, twice or amended: what stands is the sum of the newest."""
    dice = random.Random(seed)
    sent = messages + dice.choices(messages, k=4) if messages else []
    dice.shuffle(sent)
    with TemporaryDirectory() as folder, Store.open(sqlite_url(Path(folder))) as store:
        while sent:
            size = dice.randint(1, 5)
            store.record(sent[:size])
            del sent[:size]
        for seconds in LENGTHS:
            assert told(read(store, seconds)) == told(added(messages, seconds)), seconds
        store.record(messages)
        for seconds in LENGTHS:
            assert told(read(store, seconds)) == told(added(messages, seconds)), "replayed"
        # what the API gives is the same
        for seconds in LENGTHS[:-1]:
            rows = store.counts.sums(
                "plaza", line=None, from_ts=START - DAY_S, to_ts=START + DAY_S, seconds=seconds
            )
            passed = sum(row.count or 0 for row in rows)
            assert passed == sum(sum(each.counts.values()) for each in added(messages, seconds))


def test_a_minute_that_comes_late_amends_its_quarter_hour_and_day(store: Store) -> None:
    minutes = [counted(60 * n, {IN_CAR: 1}) for n in range(15)]
    store.record(minutes[:4] + minutes[5:])
    for seconds in LENGTHS[2:]:
        (made,) = read(store, seconds)
        assert (made.counts[IN_CAR], made.observed_s) == (14, 840.0)
    store.record(minutes[4:5])
    store.record([counted(60 * 9, {IN_CAR: 5}, version=2, observed_s=30.0)])
    for seconds in LENGTHS[2:]:
        (made,) = read(store, seconds)
        assert (made.counts[IN_CAR], made.observed_s, made.seconds) == (19, 870.0, seconds)


def test_a_gap_is_none_of_them(store: Store) -> None:
    """Nothing is known of 20 minutes; of the one after them, that pictures showed nothing."""
    blind = counted(60 * 40, observed_s=0.0, frames=0, blind_s=60.0)
    store.record([counted(60 * n, {IN_CAR: 2}) for n in range(20)] + [blind])
    quarters = read(store, 900)
    assert [each.start_ts - START for each in quarters] == [0, 900, 1800]
    assert [each.observed_s for each in quarters] == [900.0, 300.0, 0.0]
    assert [each.blind_s for each in quarters] == [0.0, 0.0, 60.0]
    assert all(each.count == 0 for each in quarters[2].bins())


def test_days_begin_at_midnight_in_the_city(store: Store) -> None:
    midnight = DAY_S - EAST_S
    store.record([counted(midnight - 60, {IN_CAR: 1}), counted(midnight, {IN_CAR: 2})])
    assert [(each.start_ts - START, each.counts[IN_CAR]) for each in read(store, DAY_S)] == [
        (-EAST_S, 1),
        (midnight, 2),
    ]
    # only days that begin in the time that is asked for
    span = {"from_ts": START - EAST_S + 1, "to_ts": START + midnight + 1}
    (day,) = store.counts.intervals("plaza", **span, seconds=DAY_S)
    assert day.counts[IN_CAR] == 2
    five = store.counts.intervals(
        "plaza", from_ts=START + midnight - 240, to_ts=START + midnight + 1, seconds=300
    )
    assert [each.start_ts - START for each in five] == [midnight]


def test_a_camera_that_turns_out_to_be_made_up_is_no_street(store: Store) -> None:
    store.record([counted(0, {IN_CAR: 3})])
    store.record([counted(0, {IN_CAR: 3}, version=2, synthetic=True)])
    for seconds in LENGTHS:
        assert [each.synthetic for each in read(store, seconds)] == [True]


def test_since_when_and_until_when_there_is_anything(store: Store) -> None:
    assert store.counts.stated() == {}
    store.record([
        counted(60 * 70, {IN_CAR: 1}),
        counted(DAY_S, {IN_CAR: 1}),
        counted(120, camera="north"),
        counted(180, camera="harbour's \"gate\""),
    ])  # fmt: skip
    hour = 3600
    assert store.counts.stated() == {
        "plaza": (START + hour, START + DAY_S + hour),
        "north": (START, START + hour),
        'harbour\'s "gate"': (START, START + hour),
    }
    assert store.counts.stated(frozenset({"north", "nobody"})) == {"north": (START, START + hour)}
    assert store.counts.stated(frozenset()) == {}


def test_a_database_of_the_version_before_is_added_up(blank: str) -> None:
    """Two layouts in one quarter, a line that was watched for less, and who came late."""
    minute = "INSERT INTO count_intervals (id, camera, start_ts, seconds, revision, version,"
    minute += " observed_s, frames, layout, synthetic) VALUES "
    statements = [
        """INSERT INTO layouts (id, digest, lines, classes)
        VALUES (1000, 'd', '{"gate": ["in", "out"]}', '["car", "bus"]'),
        (1001, 'e', '{"gate": ["in", "out"], "pier": ["on", "off"]}', '["car"]')""",
        f"{minute} (2001, 'plaza', {START}, 60, 1, 1, 60, 300, 1000, false)",
        f"{minute} (2002, 'plaza', {START + 60}, 60, 1, 1, 30.5, 200, 1001, false)",
        f"{minute} (2003, 'plaza', {START + 3600}, 60, 1, 1, 60, 300, 1001, false)",
        f"{minute} (2004, 'plaza', {START + 120}, 60, 2, 1, 20, 100, 1000, true)",
        f"{minute} (2005, 'north', {START}, 60, 1, 1, 60, 300, 1000, false)",
        # longer than a quarter of an hour: in no sum
        f"{minute} (2006, 'plaza', {START}, 3600, 1, 1, 3600, 300, 1000, false)",
        """INSERT INTO counts VALUES (2001, 'gate', 'in', 'car', 3),
        (2002, 'gate', 'in', 'car', 4), (2002, 'pier', 'on', 'car', 1),
        (2003, 'gate', 'out', 'bus', 2), (2005, 'gate', 'in', 'car', 9),
        (2006, 'gate', 'in', 'car', 99)""",
        "INSERT INTO late_counts VALUES (2002, 'gate', 'in', 2)",
        "INSERT INTO watched_lines VALUES (2002, 'pier', 10.25)",
    ]
    make_older(blank, "0011", statements)
    with Store.open(blank) as store:
        migrated = {seconds: told(read(store, seconds)) for seconds in LENGTHS}
        quarter, other, _ = read(store, 900)
        assert (quarter.counts[IN_CAR], quarter.observed_s, quarter.frames) == (7, 90.5, 500)
        assert quarter.observed_of("pier") == 10.25
        assert quarter.late == {("gate", "in"): 2}
        assert set(quarter.classes) == {"car", "bus"}
        assert (other.synthetic, other.observed_s) == (True, 20.0)
        # the same as this version makes of it
        for seconds in LENGTHS:
            assert migrated[seconds] == told(
                binned(read(store, 60), seconds, EAST_S if seconds == DAY_S else 0)
            )
        assert read(store, 900, "north")[0].counts == {IN_CAR: 9}
        # a minute that comes now finds what was there
        store.record([counted(180, {IN_CAR: 1})])
        assert read(store, 900)[0].counts[IN_CAR] == 8
        assert read(store, DAY_S)[0].counts[IN_CAR] == 8
