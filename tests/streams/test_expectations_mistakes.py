"""Expectation files that are wrong: one sentence with file, line, field and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.expectations import load_expectations
from tests.streams.test_expectations import SCENE, load
from vision.errors import ExpectationError

COUNT = "counts:\n  - line: road\n    direction: north\n    count: 12\n"
EVENT = "events:\n  - kind: intrusion\n    zone: yard\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("only: true\n", "1: nothing is expected; add 'counts:' or 'events:'"),
        ("count: []\n", "1: unknown field 'count', did you mean 'counts'?"),
        ("counts: 12\n", "1: counts: expected a list, found 12; write '[a, b]' or one '- ' line"),
        ("events: [yard]\n", "1: events[0]: expected a mapping of fields, found yard; write"),
        (COUNT + "only: yes please\n", "5: only: expected true or false, found yes please; write"),
        # counts
        (COUNT + "    colour: red\n", "5: counts[0]: unknown field 'colour'; known are line, dir"),
        ("counts:\n  - count: 1\n", "2: counts[0]: field 'line' is missing; add 'line: gate'"),
        (
            COUNT.replace("    direction: north\n", ""),
            "2: counts[0]: field 'direction' is missing; add 'direction: north'",
        ),
        (
            COUNT.replace("    count: 12\n", ""),
            "2: counts[0]: field 'count' is missing; add 'count: 12'",
        ),
        (
            COUNT.replace("road", "raod"),
            "2: counts[0].line: 'raod' is unknown here, did you mean 'road'?",
        ),
        (
            COUNT.replace("road", "yard"),
            "2: counts[0].line: 'yard' is unknown here",
        ),
        (
            COUNT.replace("north", "west"),
            "3: counts[0].direction: 'west' is unknown here; known are north, south",
        ),
        (
            COUNT.replace("road", "path"),
            "3: counts[0].direction: 'north' is unknown here; known are forward, backward",
        ),
        (
            COUNT + "    class: persn\n",
            "5: counts[0].class: 'persn' is unknown here, did you mean 'person'?",
        ),
        (
            COUNT + "    class: truck\n",
            "5: counts[0].class: 'truck' is unknown here; known are person, car",
        ),
        (
            COUNT.replace("12", "-1"),
            "4: counts[0].count: -1 is below 0; write how many there should be",
        ),
        (
            COUNT.replace("12", "1.5"),
            "4: counts[0].count: expected a whole number, found 1.5; leave the fraction out",
        ),
        (
            COUNT.replace("12", "'12'"),
            "4: counts[0].count: '12' is text; write the number without quotes",
        ),
        (COUNT + "    tolerance: -2\n", "5: counts[0].tolerance: -2 is below 0; write how many"),
        # events
        (EVENT + "    raised: [0, 1]\n", "4: events[0]: unknown field 'raised', did you mean"),
        (
            EVENT.replace("intrusion", "intrussion"),
            "2: events[0].kind: 'intrussion' is unknown here, did you mean 'intrusion'?",
        ),
        (
            EVENT.replace("yard", "road"),
            "3: events[0].zone: 'road' is unknown here; known are yard, lawn",
        ),
        (
            "events: [{line: yard}]\n",
            "1: events[0].line: 'yard' is unknown here; known are road, path",
        ),
        (EVENT + "    rule: day\n", "4: events[0].rule: 'day' is unknown here; known are night, b"),
        (
            EVENT + "    line: road\n",
            "2: events[0]: an event happens at a zone or at a line; remove one of the two",
        ),
        (
            EVENT + "    none: true\n    count: 1\n",
            "2: events[0]: 'none: true' already says how many; remove 'count' and 'tolerance'",
        ),
        (
            EVENT + "    none: true\n    tolerance: 1\n",
            "2: events[0]: 'none: true' already says how many; remove 'count' and 'tolerance'",
        ),
        (
            EVENT + "    tolerance: 1\n",
            "2: events[0]: 'tolerance' is about 'count'; add 'count' or remove it",
        ),
        (
            EVENT + "    raised_s: [1]\n",
            "4: events[0].raised_s: a window is two numbers; write [from, to] in seconds since",
        ),
        (
            EVENT + "    start_s: [5, 2.5]\n",
            "4: events[0].start_s: the window ends at 2.5 s before it begins at 5 s; swap the two",
        ),
        (
            EVENT + "    end_s: [1, later]\n",
            "4: events[0].end_s[1]: later is not a finite number; write a decimal",
        ),
        (EVENT + "    end_s: 12\n", "4: events[0].end_s: expected a list, found 12; write"),
        (EVENT + "    none: 1\n", "4: events[0].none: expected true or false, found 1; write one"),
    ],
)
def test_mistakes_name_line_and_field(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ExpectationError) as caught:
        load(tmp_path, text)
    said = str(caught.value)
    assert said.isprintable(), "one line"
    assert said.removeprefix(f"{tmp_path}/expect.yaml:").startswith(message)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ExpectationError, match=r"no.yaml: there is no such file; check the path$"):
        load_expectations(tmp_path / "no.yaml", SCENE)
