"""Every mistake in a scene file is one sentence that names file, line and field."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import pytest

from streams.scenefile import load_scene
from streams.yamlfile import MAX_BYTES, MAX_DEPTH
from tests.streams.scenes import HEAD, KINDS, LINE, RULE, ZONE, points, polygon, problem
from vision.errors import SceneError

Table: TypeAlias = list[tuple[str | bytes, str]]

BAD_FILES: Table = [
    ("", "1: the file is empty"),
    ("# nothing\n", "1: the file is empty"),
    ("- a\n", "1: expected a mapping of fields, found a list"),
    ("scene", "1: expected a mapping of fields, found scene"),
    ("---\n...\n", "2: expected a mapping of fields, found an empty value"),
    ("a: 1\nb: [1, 2\nc: 3\n", "3: not valid YAML, "),
    ("a: 1\n\tb: 2\n", "2: not valid YAML, "),
    ("a: 'open\n\n", "3: not valid YAML, found unexpected end of stream"),
    ("a: 1\n---\nb: 2\n", "2: a second document starts here; remove it"),
    ('a: "\\UFFFFFFFF"', "1: not valid YAML, an escape or a version is out of range"),
    (f"%YAML {'9' * 5000}.1\n---\na: 1", "1: not valid YAML, an escape or a version"),
    (b"a: 1\nb: \x00\n", "2: the file holds control characters; save it as text"),
    (b"a: 1\nb: \xff\n", "2: the file is not UTF-8 text; save it as UTF-8"),
    ("frame_size: [640, 352]".encode("utf-16"), "1: the file is not UTF-8 text"),
    (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "1: the file is not UTF-8 text"),
    ("a: 1\nb: &x [1]\nc: *x\n", "2: anchors and aliases (&name, *name) are not used here; write"),
    ("a: 1\nb: *x\n", "2: anchors and aliases (&name, *name) are not used here; write the"),
    ("a: !!python/object:os.system x\n", "1: tags (!name) are not used here; remove it"),
    ("a: !!int '5'\n", "1: tags (!name) are not used here; remove it"),
    ("a: " + "[" * 100_000, f"1: values nest deeper than {MAX_DEPTH}"),
    ("\n" + HEAD + HEAD, "3: field 'frame_size' was given in line 2 already; remove one"),
    (LINE + "    name: x\n", "5: lines[0]: field 'name' was given in line 3 already"),
    ("? [a]\n: 1\n", "1: a field's name is a list or a mapping; write a plain name"),
    (HEAD + "<<: {a: 1}\n", "2: unknown field '<<'; known are frame_size, stretch, detector,"),
    (HEAD + "zone: []\n", "2: unknown field 'zone', did you mean 'zones'?"),
    (HEAD + "12: []\n", "2: unknown field '12'; known are"),
]

BAD_PICTURES: Table = [
    ("lines: []\n", "1: field 'frame_size' is missing; add 'frame_size: [width, height]'"),
    ("frame_size: 640x352\n", "1: frame_size: expected a list, found 640x352"),
    ("frame_size: [640]\n", "1: frame_size: found 1 values; write [width, height] in pixels"),
    ("frame_size: [640, 352.5]\n", "1: frame_size[1]: expected a whole number, found 352.5"),
    ("frame_size: [640, '352']\n", "1: frame_size[1]: '352' is text; write the number without"),
    ("frame_size:\n- 640\n- true\n", "3: frame_size[1]: true is not a finite number"),
    ("frame_size: [0, -5]\n", "1: frame_size: 0x-5 is no picture's size; width and height run"),
    ("frame_size: [640, 99999]\n", "1: frame_size: 640x99999 is no picture's size"),
    (HEAD + "stretch: 1\n", "2: stretch: expected true or false, found 1"),
    (HEAD + "stretch: 'true'\n", "2: stretch: expected true or false, found 'true'"),
    (HEAD + "gate: 2\n", "2: gate: expected true or false, found 2"),
    (HEAD + "stretch: [true]\n", "2: stretch: expected true or false, found a list"),
    (HEAD + "classes: person\n", "2: classes: expected a list, found person"),
    (HEAD + "classes: []\n", "2: classes: the list is empty; name a class or leave the field"),
    (HEAD + "classes:\n- a\n- a\n", "4: classes[1]: class 'a' is listed twice; remove one"),
    (HEAD + "classes: [no]\n", "2: classes[0]: YAML does not read no as text; put it in quotes"),
    (HEAD + "classes: [[]]\n", "2: classes[0]: expected text, found a list"),
    (HEAD + "classes: ['']\n", "2: classes[0]: '' is empty, starts or ends with a blank"),
    (HEAD + 'classes: ["a\\nb"]\n', "2: classes[0]: 'a b' is empty, starts or ends"),
    (HEAD + f"classes: [{'x' * 81}]\n", "2: classes[0]: xxxxx"),
    (HEAD + "lines:\n", "2: lines: expected a list, found an empty value"),
]


BAD_LINES: Table = [
    (HEAD + "lines:\n- road\n", "3: lines[0]: expected a mapping of fields, found road"),
    (HEAD + "lines:\n- name: a\n", "3: lines[0]: field 'points' is missing; add 'points: [["),
    (HEAD + "lines:\n- points: []\n", "3: lines[0]: field 'name' is missing; add 'name: gate'"),
    (
        LINE.replace("points", "pionts"),
        "4: lines[0]: unknown field 'pionts', did you mean 'points'?",
    ),
    (points("[[0, 9]]"), "4: lines[0].points: a line has two points, found 1"),
    (points("[]"), "4: lines[0].points: a line has two points, found 0"),
    (points("[[0, 9], [1, 9], [2, 9]]"), "4: lines[0].points: a line has two points, found 3"),
    (points("[[0, 9], [0, 9.0]]"), "4: lines[0].points: both points are (0, 9); move one"),
    (points("[0, 9]"), "4: lines[0].points[0]: expected a list, found 0"),
    (points("[[0, 9, 1], [1, 9]]"), "4: lines[0].points[0]: a point is two numbers, found 3"),
    (points("[[0, '9'], [1, 9]]"), "4: lines[0].points[0][1]: '9' is text; write the number"),
    (points("[[0, on], [1, 9]]"), "4: lines[0].points[0][1]: on is not a finite number"),
    (points("[[0, .nan], [1, 9]]"), "4: lines[0].points[0][1]: .nan is not a finite number"),
    (points("[[0, .inf], [1, 9]]"), "4: lines[0].points[0][1]: .inf is not a finite number"),
    (points("[[0, 1e999], [1, 9]]"), "4: lines[0].points[0][1]: 1e999 is not a finite number"),
    (points("[[0, 010], [1, 9]]"), "4: lines[0].points[0][1]: 010 is not a finite number"),
    (points("[[0, 1:30], [1, 9]]"), "4: lines[0].points[0][1]: 1:30 is not a finite number"),
    (points("[[0, 0x1F], [1, 9]]"), "4: lines[0].points[0][1]: 0x1F is not a finite number"),
    (points("[[0, ], [1, 9]]"), "4: lines[0].points[0]: a point is two numbers, found 1"),
    (points("[[0, ~], [1, 9]]"), "4: lines[0].points[0][1]: an empty value is not a finite"),
    (
        points("\n    - [0, 9]\n    - [800, 20]"),
        "6: lines[0].points: (800, 20) lies outside the picture of 640x352; coordinates run from 0",
    ),
    (points("[[0, 9], [3, -0.5]]"), "4: lines[0].points: (3, -0.5) lies outside"),
    (points("[[0, 352.25], [3, 1]]"), "4: lines[0].points: (0, 352.25) lies outside"),
    (
        LINE + "    forward: a\n    backward: a\n",
        "6: lines[0].backward: both directions are called 'a'; give them different names",
    ),
    (
        LINE + "    forward: backward\n",
        "5: lines[0].forward: both directions are called 'backward'",
    ),
    (
        LINE + "  - {name: road, points: [[0, 0], [1, 1]]}\n",
        "5: lines[1]: a line named 'road' is in line 3 already; give this one another 'name'",
    ),
]


BAD_ZONES: Table = [
    (ZONE.replace("polygon", "points"), "4: zones[0]: unknown field 'points'"),
    (
        ZONE.replace("polygon", "poligon"),
        "4: zones[0]: unknown field 'poligon', did you mean 'poly",
    ),
    (
        polygon("[[0, 0], [9, 0]]"),
        "4: zones[0].polygon: a polygon has three points or more, found 2",
    ),
    (polygon("[[0, 0], [9, 0], [0, 0]]"), "4: zones[0].polygon: a polygon has three points"),
    (
        polygon("[[0, 0], [9, 0], [9, 0], [9, 9]]"),
        "4: zones[0].polygon: points 2 and 3 are both (9,",
    ),
    (polygon("[[0, 0], [9, 9], [5, 5]]"), "4: zones[0].polygon: the polygon has no area"),
    (polygon("[[0, 0], [0.1, 0.3], [0.3, 0.9]]"), "4: zones[0].polygon: the polygon has no area"),
    (
        polygon("[[0, 0], [100, 100], [100, 0], [0, 100]]"),
        "4: zones[0].polygon: the outline touches or crosses itself at (50, 50); give its corners",
    ),
    (
        polygon("[[0, 0], [90, 0], [90, 90], [45, 0], [0, 90]]"),
        "4: zones[0].polygon: the outline touches or crosses itself at (45, 0)",
    ),
    (polygon("[[0, 0], [9, 0], [9, 900]]"), "4: zones[0].polygon: (9, 900) lies outside"),
    (
        ZONE + "  - {name: gate, polygon: [[0, 0], [9, 0], [9, 9]]}\n",
        "5: zones[1]: a zone named 'gate' is in line 3 already",
    ),
]

BAD_RULES: Table = [
    (ZONE + "rules:\n- zone: gate\n", "6: rules[0]: field 'kind' is missing; add 'kind: dwell'"),
    (ZONE + "rules:\n- knid: dwell\n", "6: rules[0]: unknown field 'knid', did you mean 'kind'?"),
    (
        RULE.replace("dwell", "dwel"),
        "6: rules[0].kind: unknown kind 'dwel' (kinds are dwell, pass), did you mean 'dwell'?",
    ),
    (
        RULE.replace("dwell", "fire"),
        "6: rules[0].kind: unknown kind 'fire' (kinds are dwell, pass); write one of these",
    ),
    (
        RULE.replace("    zone: gate\n", ""),
        "6: rules[0]: kind 'dwell' watches a zone, but none is given; add 'zone: gate'",
    ),
    (
        RULE.replace("    zone", "    line"),
        "7: rules[0].line: kind 'dwell' watches a zone, but a line is given; write 'zone: gate'",
    ),
    (
        RULE + "    line: road\n",
        "8: rules[0].line: kind 'dwell' watches a zone, but a line is given as well; remove this",
    ),
    (
        RULE.replace("kind: dwell", "kind: pass"),
        "7: rules[0].zone: kind 'pass' watches a line, but a zone is given; write 'line: name'",
    ),
    (
        RULE.replace("zone: gate", "zone: gaet"),
        "7: rules[0].zone: there is no zone 'gaet' (zones are gate), did you mean 'gate'?",
    ),
    (
        RULE.replace("zone: gate", "zone: yard"),
        "7: rules[0].zone: there is no zone 'yard' (zones are gate); draw it under 'zones'",
    ),
    (
        HEAD + "rules:\n- {kind: pass, line: road}\n",
        "3: rules[0].line: there is no line 'road'; draw it under 'lines'",
    ),
    (RULE + "    dwell: 3\n", "8: rules[0]: unknown field 'dwell', did you mean 'dwell_s'?"),
    (RULE + "    direction: x\n", "8: rules[0]: unknown field 'direction'; known are name, kind,"),
    (RULE + "    dwell_s: soon\n", "8: rules[0].dwell_s: soon is not a finite number"),
    (RULE + "    dwell_s: '30'\n", "8: rules[0].dwell_s: '30' is text; write the number without"),
    (RULE + "    dwell_s: yes\n", "8: rules[0].dwell_s: yes is not a finite number"),
    (RULE + "    dwell_s:\n", "8: rules[0].dwell_s: an empty value is not a finite number"),
    (RULE + "    people: 1.5\n", "8: rules[0].people: expected a whole number, found 1.5"),
    (RULE + "    loud: 1\n", "8: rules[0].loud: expected true or false, found 1"),
    (RULE + "    note: 22:00\n", "8: rules[0].note: YAML does not read 22:00 as text; put it in"),
    (RULE + "    mode: fot\n", "8: rules[0].mode: unknown value 'fot', did you mean 'foot'?"),
    (RULE + "    mode: x\n", "8: rules[0].mode: unknown value 'x'; write one of foot, box"),
    (RULE + "    hours: a\n", "8: rules[0].hours: expected a list, found a"),
    (
        RULE + "    hours:\n    - a\n    - 3\n",
        "10: rules[0].hours[1]: YAML does not read 3 as text",
    ),
    (RULE + "    band_px: [1]\n", "8: rules[0].band_px: expected 2 values, found 1"),
    (RULE + "    speed_kmh: fast\n", "8: rules[0].speed_kmh: fast is not a finite number"),
    (
        RULE + "    dwell_s: 0\n",
        "8: rules[0].dwell_s: rule 'dwell@gate': dwell_s is more than 0 seconds, not 0.0",
    ),
    (
        RULE + "    people: 0\n    loud: true\n    name: n\n",
        "6: rules[0]: rule 'n': an empty room makes no noise",
    ),
    (
        LINE + "rules:\n- {kind: pass, line: road, name: p,\n   direction: up}\n",
        "7: rules[0].direction: rule 'p': direction is forward or backward",
    ),
    (
        RULE + "  - {kind: dwell, zone: gate}\n",
        "8: rules[1]: a rule named 'dwell@gate' is in line 6 already; give this one another 'name'",
    ),
    (
        RULE + "    classes: [cat]\nclasses: [person, car]\n",
        "8: rules[0].classes[0]: class 'cat' is not among the scene's classes (person, car); add",
    ),
    (RULE + "    classes: []\n", "8: rules[0].classes: the list is empty"),
]


@pytest.mark.parametrize(
    ("text", "expected"), BAD_FILES + BAD_PICTURES + BAD_LINES + BAD_ZONES + BAD_RULES
)
def test_a_mistake_is_named_with_line_and_field(
    tmp_path: Path, text: str | bytes, expected: str
) -> None:
    assert problem(tmp_path, text).startswith(f"scene.yaml:{expected}")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path, expected in (
        (tmp_path / "none.yaml", "there is no such file; check the path"),
        (tmp_path, "the file cannot be read (Is a directory); check it"),
        (tmp_path / ("x" * 5000), "the file cannot be read (File name too long); check it"),
    ):
        with pytest.raises(SceneError) as caught:
            load_scene(path, kinds=KINDS)
        assert str(caught.value) == f"{path}: {expected}"
    large = HEAD + "#" * MAX_BYTES
    assert "is larger than 1048576 bytes; is this the right file?" in problem(tmp_path, large)


def test_a_scene_has_only_so_many_lines(tmp_path: Path) -> None:
    rows = "".join(f"- {{name: l{i}, points: [[0, 0], [9, 9]]}}\n" for i in range(501))
    assert problem(tmp_path, f"{HEAD}lines:\n{rows}") == (
        "scene.yaml:503: lines[500]: a scene has at most 500 lines; remove the others"
    )


def test_a_long_list_of_names_stays_short_in_a_message(tmp_path: Path) -> None:
    zones = "".join(f"- {{name: z{i}, polygon: [[0, 0], [9, 0], [9, 9]]}}\n" for i in range(10, 40))
    text = f"{HEAD}zones:\n{zones}rules:\n- {{kind: dwell, zone: harbour}}\n"
    listed = ", ".join(f"z{i}" for i in range(10, 26))
    assert f"(zones are {listed}, …)" in problem(tmp_path, text)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (
            "{kind: loitering, zone: gate,\n   dwell_s: -1}",
            "9: rules[0].dwell_s: rule 'loitering@gate': dwell_s is -1.0, but",
        ),
        (
            "{kind: intrusion, zone: gate,\n   membership: boxes}",
            "9: rules[0].membership: unknown value 'boxes', did you mean 'box'?",
        ),
        (
            "{kind: line_crossing, line: road,\n   direction: up}",
            "9: rules[0].direction: rule 'line_crossing@road': direction is 'up', but",
        ),
        (
            "{kind: intrussion, zone: gate}",
            "8: rules[0].kind: unknown kind 'intrussion' (kinds are ",
        ),
    ],
)
def test_a_mistake_in_a_rule_of_a_real_kind(tmp_path: Path, rule: str, expected: str) -> None:
    drawn = LINE + "zones:\n- {name: gate, polygon: [[0, 0], [9, 0], [9, 9]]}\n"
    path = tmp_path / "scene.yaml"
    path.write_text(f"{drawn}rules:\n- {rule}\n", "utf-8")
    with pytest.raises(SceneError) as caught:
        load_scene(path)
    assert str(caught.value).startswith(f"{path}:{expected}")
