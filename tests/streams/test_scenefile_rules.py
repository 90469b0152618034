"""What every rule may say beside its kind's settings: severity, cooldown, schedule, enabled."""

from __future__ import annotations

import json
import re
from datetime import date, time
from pathlib import Path
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import pytest

from streams.scenefile import load_scene, scene_schema
from streams.schedulefile import SCHEDULE_FIELDS, SPAN_FIELDS
from tests.needs import REPO
from tests.streams.scenes import HEAD, RULE, load, problem
from vision.scene import RuleConfig
from vision.schedule import EVERY_DAY, Schedule, Span

Table: TypeAlias = list[tuple[str, str]]

MAKASSAR = ZoneInfo("Asia/Makassar")
WORKDAYS = frozenset(range(5))
WHOLE = (time(0), time(0))


def rule(tmp_path: Path, *lines: str) -> RuleConfig:
    """The one rule, with these lines in it."""
    return load(tmp_path, RULE + "".join(f"    {line}\n" for line in lines)).rules[0]


def test_a_rule_says_nothing_of_these_unless_it_is_told(tmp_path: Path) -> None:
    plain = rule(tmp_path)
    assert (plain.severity, plain.cooldown_s, plain.schedule, plain.enabled) == (
        None,
        None,
        None,
        True,
    )
    told = rule(tmp_path, "severity: low", "cooldown_s: 90.5", "enabled: false", "dwell_s: 3")
    assert (told.severity, told.cooldown_s, told.enabled) == ("low", 90.5, False)
    assert told.settings.dwell_s == 3


@pytest.mark.parametrize(
    ("written", "schedule"),
    [
        ("{days: mon-fri}", Schedule((Span(WORKDAYS, *WHOLE),), MAKASSAR)),
        (
            '{from: "22:00", to: "05:30"}',
            Schedule((Span(EVERY_DAY, time(22), time(5, 30)),), MAKASSAR),
        ),
        (
            '{days: [fri-mon, wed], from: "08:00", to: "24:00", time_zone: Europe/Berlin}',
            Schedule(
                (Span(frozenset({4, 5, 6, 0, 2}), time(8), time(0)),), ZoneInfo("Europe/Berlin")
            ),
        ),
        ('{from: "00:00", to: "24:00"}', Schedule((Span(EVERY_DAY, *WHOLE),), MAKASSAR)),
        ("{days: sun-sun}", Schedule((Span(frozenset({6}), *WHOLE),), MAKASSAR)),
        ("{days: tue-mon}", Schedule((Span(EVERY_DAY, *WHOLE),), MAKASSAR)),
        (
            '{spans: [{days: mon-fri, from: "18:00", to: "06:00"}, {days: [sat, sun]}]}',
            Schedule(
                (Span(WORKDAYS, time(18), time(6)), Span(frozenset({5, 6}), *WHOLE)), MAKASSAR
            ),
        ),
        (
            '{days: mon-fri, holidays: ["2026-12-24", ID, "2027-01-02"], on_holidays: none}',
            Schedule(
                (Span(WORKDAYS, *WHOLE),),
                MAKASSAR,
                frozenset({date(2026, 12, 24), date(2027, 1, 2)}),
                "none",
                ("ID",),
            ),
        ),
        (
            "{holidays: ID/government, on_holidays: none}",
            Schedule((Span(EVERY_DAY, *WHOLE),), MAKASSAR, frozenset(), "none", ("ID/government",)),
        ),
        ("{days: mon, on_holidays: same}", Schedule((Span(frozenset({0}), *WHOLE),), MAKASSAR)),
    ],
)
def test_schedules(tmp_path: Path, written: str, schedule: Schedule) -> None:
    assert rule(tmp_path, f"schedule: {written}").schedule == schedule


AT = "8: rules[0].schedule"
MISTAKES: Table = [
    ("severity: hihg", "8: rules[0].severity: unknown value 'hihg', did you mean 'high'?"),
    ("severity: 3", "8: rules[0].severity: YAML does not read 3 as text; put it in quotes"),
    ("cooldown_s: -1", "8: rules[0].cooldown_s: -1 is below 0; write seconds from 0 on"),
    ("cooldown_s: soon", "8: rules[0].cooldown_s: soon is not a finite number"),
    ("enabled: off", "8: rules[0].enabled: expected true or false, found off"),
    ("sevrity: low", "8: rules[0]: unknown field 'sevrity', did you mean 'severity'?"),
    ("schedule: nights", f"{AT}: expected a mapping of fields, found nights"),
    ("schedule: {}", f"{AT}: it names no time; add 'days: mon-fri', or 'from' and 'to', or"),
    ("schedule: {time_zone: UTC}", f"{AT}: it names no time"),
    ("schedule: {day: mon}", f"{AT}: unknown field 'day', did you mean 'days'?"),
    ("schedule: {days: []}", f"{AT}.days: the list is empty; name one or leave the field out"),
    (
        "schedule: {days: [mon, thr]}",
        f"{AT}.days[1]: unknown day 'thr', did you mean 'thu'?; write a day or a range like mon-f",
    ),
    (
        "schedule: {days: weekdays}",
        f"{AT}.days: unknown day 'weekdays' (days are mon, tue, wed, thu, fri, sat, sun); write a",
    ),
    ("schedule: {days: mon-}", f"{AT}.days: unknown day ''"),
    ("schedule: {days: {mon: 1}}", f"{AT}.days: expected text, found a mapping"),
    ("schedule: {from: 22:00, to: 05:00}", f"{AT}.from: YAML does not read 22:00 as text; put it"),
    (
        'schedule: {from: "22:00"}',
        f"{AT}: 'from' is given without 'to'; add 'to: \"05:00\"', say",
    ),
    ('schedule: {to: "05:00"}', f"{AT}: 'to' is given without 'from'; add"),
    (
        'schedule: {from: "9:00", to: "10:00"}',
        f"{AT}.from: '9:00' is no time of day; write hours and minutes such as \"22:00\"",
    ),
    ('schedule: {from: "24:00", to: "10:00"}', f"{AT}.from: '24:00' is no time of day"),
    ('schedule: {from: "09:00", to: "24:01"}', f"{AT}.to: '24:01' is no time of day"),
    (
        'schedule: {from: "09:00", to: "09:00"}',
        f"{AT}.to: it is 'from' again; leave both out for the whole day",
    ),
    ("schedule: {spans: []}", f"{AT}.spans: found 0 spans; write 1 to 50 of them"),
    ("schedule: {spans: [mon]}", f"{AT}.spans[0]: expected a mapping of fields, found mon"),
    (
        "schedule: {spans: [{days: mon, time_zone: UTC}]}",
        f"{AT}.spans[0]: unknown field 'time_zone'; known are days, from, to",
    ),
    (
        "schedule: {days: mon, spans: [{days: tue}]}",
        f"{AT}.days: the spans have days and hours of their own; put it into one of them",
    ),
    (
        "schedule: {days: mon, time_zone: Asia/Makasar}",
        f"{AT}.time_zone: unknown time zone 'Asia/Makasar', did you mean 'Asia/Makassar'?",
    ),
    (
        "schedule: {days: mon, time_zone: ../etc/passwd}",
        f"{AT}.time_zone: unknown time zone '../etc/passwd'",
    ),
    ("schedule: {days: mon, time_zone: Asia}", f"{AT}.time_zone: unknown time zone 'Asia'"),
    (
        "schedule: {days: mon, time_zone: x}",
        f"{AT}.time_zone: unknown time zone 'x'; write a name such as Asia/Makassar",
    ),
    (
        "schedule: {days: mon, on_holidays: all}",
        f"{AT}.on_holidays: no holidays are named; add 'holidays: [ID]', say",
    ),
    (
        "schedule: {days: mon, holidays: ID}",
        f"{AT}.holidays: nothing says what they change; add 'on_holidays: all' or",
    ),
    (
        "schedule: {days: mon, holidays: [QQ], on_holidays: all}",
        f"{AT}.holidays[0]: the holidays of 'QQ' are not known; write the dates themselves",
    ),
    (
        "schedule: {days: mon, holidays: [DE/government], on_holidays: all}",
        f"{AT}.holidays[0]: no days are known on which only offices are closed in 'DE'; write the",
    ),
    (
        'schedule: {days: mon, holidays: ["2026-02-30"], on_holidays: all}',
        f"{AT}.holidays[0]: '2026-02-30' is no date and no country; write \"2026-12-24\", or ID",
    ),
    (
        'schedule: {days: mon, holidays: ["20261224"], on_holidays: all}',
        f"{AT}.holidays[0]: '20261224' is no date and no country",
    ),
    (
        "schedule: {days: mon, holidays: [2026-12-24], on_holidays: all}",
        f"{AT}.holidays[0]: YAML does not read 2026-12-24 as text; put it in quotes",
    ),
    ("schedule: {days: mon, on_holidays: never}", f"{AT}.on_holidays: unknown value 'never'"),
]


@pytest.mark.parametrize(("line", "expected"), MISTAKES)
def test_a_mistake_is_named_with_line_and_field(tmp_path: Path, line: str, expected: str) -> None:
    assert problem(tmp_path, f"{RULE}    {line}\n").startswith(f"scene.yaml:{expected}")


def test_a_rule_about_the_camera_takes_these_fields_and_no_place(tmp_path: Path) -> None:
    path = tmp_path / "scene.yaml"

    def real(fields: str) -> RuleConfig:
        path.write_text(f"{HEAD}classes: [person]\nrules:\n- {{kind: camera_dark{fields}}}\n")
        return load_scene(path).rules[0]

    found = real(", severity: low, cooldown_s: 60, enabled: false, schedule: {days: sun}")
    assert (found.name, found.place, found.classes) == ("camera_dark", "", ())
    assert (found.severity, found.cooldown_s, found.enabled) == ("low", 60, False)
    assert found.schedule == Schedule((Span(frozenset({6}), *WHOLE),), MAKASSAR)
    for field in ("zone: gate", "line: gate", "classes: [person]"):
        name = field.split(":")[0]
        with pytest.raises(Exception, match=rf"\]\.{name}: kind 'camera_dark' watches the camera"):
            real(f", {field}")


def test_the_schema_describes_them() -> None:
    schema: Any = scene_schema()
    for branch in schema["properties"]["rules"]["items"]["oneOf"]:
        fields = branch["properties"]
        assert fields["severity"]["enum"] == ["low", "medium", "high", "critical"]
        assert fields["severity"]["default"] in fields["severity"]["enum"]
        assert fields["cooldown_s"]["type"] == "number"
        assert fields["schedule"] == {"$ref": "#/$defs/schedule"}
        assert fields["enabled"]["default"] is True
    schedule = schema["$defs"]["schedule"]
    assert set(schedule["properties"]) == set(SCHEDULE_FIELDS)
    assert set(schedule["properties"]["spans"]["items"]["properties"]) == set(SPAN_FIELDS)
    assert json.dumps(schema)


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("days", ["mon", "fri-mon"], ["Mon", "mon-", "mon-fri-sun", ""]),
        ("from", ["00:00", "22:59"], ["24:00", "9:00", "22:60"]),
        ("to", ["24:00", "05:00"], ["24:01", "5:00"]),
        ("holidays", ["2026-12-24", "ID", "ID/government"], ["id", "ID/bank", "24.12.2026"]),
    ],
)
def test_the_schema_s_patterns_are_what_is_read(
    tmp_path: Path, field: str, good: list[str], bad: list[str]
) -> None:
    schema: Any = scene_schema()
    described = schema["$defs"]["schedule"]["properties"][field]
    pattern = described.get("pattern") or described["anyOf"][0]["pattern"]
    rest = {
        "days": "",
        "from": ', to: "23:30"',
        "to": ', from: "23:30"',
        "holidays": ", on_holidays: none",
    }[field]
    for text in good:
        assert re.search(pattern, text)
        assert rule(tmp_path, f'schedule: {{{field}: "{text}"{rest}}}').schedule is not None
    for text in bad:
        assert not re.search(pattern, text)
        assert problem(tmp_path, f'{RULE}    schedule: {{{field}: "{text}"{rest}}}\n')


def test_the_documented_schedule_is_valid(tmp_path: Path) -> None:
    text = (REPO / "docs/scenes.md").read_text("utf-8")
    part = text.split("## Schedules")[1].split("```yaml\n")[1].split("```")[0]
    path = tmp_path / "scene.yaml"
    zone = "zones:\n  - {name: yard, polygon: [[20, 90], [300, 90], [300, 240], [20, 240]]}\n"
    path.write_text(HEAD + zone + part, "utf-8")
    first, second = load_scene(path).rules
    assert first.schedule is not None
    assert first.schedule.countries == ("ID/government",)
    assert not second.enabled
