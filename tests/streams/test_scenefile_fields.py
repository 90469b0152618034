"""What finds objects, the region that is analysed, and movements: their fields and mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import pytest

from streams.messages import MAX_NAME_CHARS
from tests.needs import REPO
from tests.streams.scenes import HEAD, LINE, MOVEMENT, load, problem
from vision.movements import direction
from vision.scene import Movement, Region
from vision.scene_check import check_scene

Table: TypeAlias = list[tuple[str, str]]

BAD_DETECTORS: Table = [
    (HEAD + "detector: modle\n", "2: detector: unknown value 'modle', did you mean 'model'?"),
    (HEAD + "detector: x\n", "2: detector: unknown value 'x'; write one of model, motion, fused"),
    (HEAD + "detector: [model]\n", "2: detector: expected text, found a list"),
    (HEAD + "detail: fein\n", "2: detail: unknown value 'fein', did you mean 'fine'?"),
    (HEAD + "detail: x\n", "2: detail: unknown value 'x'; write one of usual, fine, finest"),
    (HEAD + "detail: 640\n", "2: detail: YAML does not read 640 as text; put it in quotes"),
    (
        HEAD + "detail: fine\ndetector: motion\n",
        "2: detail: what moves is looked for in pictures of one size; remove this field",
    ),
]

BAD_REGIONS: Table = [
    (
        HEAD + "region: auto\n",
        "2: region: 'auto' is around what is drawn, and nothing is; draw a line or a zone",
    ),
    (
        LINE + "region: all\n",
        "5: region: expected [x, y, width, height] or auto, found all; write one of these",
    ),
    (HEAD + "region:\n", "2: region: expected [x, y, width, height] or auto, found an empty"),
    (HEAD + "region: 5\n", "2: region: expected [x, y, width, height] or auto, found 5"),
    (HEAD + "region: {x: 1}\n", "2: region: expected [x, y, width, height] or auto, found a map"),
    (HEAD + "region: [0, 0, 99]\n", "2: region: expected [x, y, width, height] or auto, found 3 v"),
    (HEAD + "region: [0, a, 99, 99]\n", "2: region[1]: a is not a finite number"),
    (HEAD + "region: [0, 0, '99', 99]\n", "2: region[2]: '99' is text; write the number without"),
    (
        HEAD + "region: [0, 0, 99, 15.5]\n",
        "2: region: 99x15.5 is too small to find anything in; make it at least 16 pixels wide and",
    ),
    (HEAD + "region: [0, 0, -99, 99]\n", "2: region: -99x99 is too small to find anything in"),
    (
        HEAD + "region: [600, 0, 40.5, 99]\n",
        "2: region: it runs from (600, 0) to (640.5, 99), beyond the picture of 640x352; keep it",
    ),
    (HEAD + "region: [0, 300, 16, 53]\n", "2: region: it runs from (0, 300) to (16, 353), beyond"),
    (HEAD + "region: [-1, 0, 99, 99]\n", "2: region: it runs from (-1, 0) to (98, 99), beyond"),
    (HEAD + "region: [0, -0.5, 99, 99]\n", "2: region: it runs from (0, -0.5) to (99, 98.5), "),
]

BAD_MOVEMENTS: Table = [
    (HEAD + "movements: junction\n", "2: movements: expected a list, found junction"),
    (HEAD + "movements:\n- junction\n", "3: movements[0]: expected a mapping of fields, found"),
    (
        MOVEMENT.replace("    exits: [south]\n", ""),
        "6: movements[0]: field 'exits' is missing; add",
    ),
    (
        MOVEMENT.replace("    entries: [north, south]\n", ""),
        "6: movements[0]: field 'entries' is missing; add 'entries: [north, south]'",
    ),
    (MOVEMENT.replace("name: junction", "exit: []"), "6: movements[0]: unknown field 'exit', did"),
    (
        MOVEMENT.replace("- name: junction\n    e", "- e"),
        "6: movements[0]: field 'name' is missing",
    ),
    (MOVEMENT.replace("[south]", "south"), "8: movements[0].exits: expected a list, found south"),
    (MOVEMENT.replace("[south]", "[]"), "8: movements[0].exits: the list is empty; name a zone"),
    (
        MOVEMENT.replace("[south]", "[sout]"),
        "8: movements[0].exits[0]: there is no zone 'sout' (zones are north, south), did you mean",
    ),
    (
        MOVEMENT.replace("[south]", "[yard]"),
        "8: movements[0].exits[0]: there is no zone 'yard' (zones are north, south); draw it under",
    ),
    (
        HEAD + "movements:\n- {name: a, entries: [b], exits: [c]}\n",
        "3: movements[0].entries[0]: there is no zone 'b'; draw it under 'zones'",
    ),
    (
        MOVEMENT.replace("[south]", "\n    - south\n    - south"),
        "10: movements[0].exits[1]: zone 'south' is listed twice; remove one of them",
    ),
    (
        MOVEMENT.replace("[north, south]", "[south]"),
        "6: movements[0]: zone 'south' alone is no movement, which leads from one zone to another;",
    ),
    (
        MOVEMENT.replace("north", "unknown"),
        "7: movements[0].entries[0]: a zone of a movement is not called 'unknown', since 'unknown'",
    ),
    (
        MOVEMENT.replace("north", "a → b"),
        "7: movements[0].entries[0]: a zone of a movement is not called 'a → b', since 'unknown'",
    ),
    (
        MOVEMENT.replace("north", "n" * 59),
        "7: movements[0].entries[0]: the name of a zone of a movement has at most 58 characters, n",
    ),
    (
        MOVEMENT + "  - {name: junction, entries: [north], exits: [south]}\n",
        "9: movements[1]: a movement named 'junction' is in line 6 already; give this one another",
    ),
    (
        MOVEMENT + "lines:\n  - {name: junction, points: [[0, 0], [9, 9]]}\n",
        "6: movements[0]: a line is called 'junction' too, and both are counted under their name; ",
    ),
]


@pytest.mark.parametrize(("text", "expected"), BAD_DETECTORS + BAD_REGIONS + BAD_MOVEMENTS)
def test_a_mistake_is_named_with_line_and_field(tmp_path: Path, text: str, expected: str) -> None:
    assert problem(tmp_path, text).startswith(f"scene.yaml:{expected}")


@pytest.mark.parametrize("detector", ["model", "motion", "fused"])
def test_a_scene_says_what_finds_its_objects(tmp_path: Path, detector: str) -> None:
    assert load(tmp_path, HEAD).detector == "model"
    assert load(tmp_path, f"{HEAD}detector: {detector}\n").detector == detector


@pytest.mark.parametrize("detail", ["usual", "fine", "finest"])
def test_a_scene_says_how_closely_to_look(tmp_path: Path, detail: str) -> None:
    assert load(tmp_path, HEAD).detail == "usual"
    scene = load(tmp_path, f"{HEAD}detail: {detail}\ndetector: fused\n")
    assert scene.detail == detail
    assert load(tmp_path, f"{HEAD}detail: usual\ndetector: motion\n").detail == "usual"


@pytest.mark.parametrize(
    ("written", "region"),
    [
        ("auto", "auto"),
        ("[0, 0, 640, 352]", (0, 0, 640, 352)),
        ("[624, 336, 16, 16]", (624, 336, 16, 16)),
        ("[10.5, 20, 99.25, 30]", (10.5, 20, 99.25, 30)),
    ],
)
def test_the_region_that_is_analysed(tmp_path: Path, written: str, region: Region) -> None:
    assert load(tmp_path, LINE).region is None
    assert load(tmp_path, f"{LINE}region: {written}\n").region == region


def test_a_movement_leads_between_zones_and_is_what_watches_them(tmp_path: Path) -> None:
    scene = load(tmp_path, MOVEMENT)
    assert scene.movements == (Movement("junction", ("north", "south"), ("south",)),)
    assert not [text for text in check_scene(scene) if "watched by no rule" in text]
    alone = load(tmp_path, MOVEMENT.split("movements:")[0])
    assert len([text for text in check_scene(alone) if "watched by no rule" in text]) == 2


def test_the_movements_of_a_scene_have_only_so_many_pairs(tmp_path: Path) -> None:
    zones = "".join(f"- {{name: z{i}, polygon: [[0, 0], [9, 0], [9, 9]]}}\n" for i in range(19))
    names = [f"z{i}" for i in range(19)]
    text = f"{HEAD}zones:\n{zones}movements:\n"
    text += f"- {{name: most, entries: [{', '.join(names)}], exits: [{', '.join(names)}]}}\n"
    assert len(load(tmp_path, text).movements[0].exits) == 19
    assert problem(tmp_path, text + "- {name: more, entries: [z1], exits: [z2]}\n") == (
        "scene.yaml:24: movements[1]: the movements make 404 pairs of an origin and a destination "
        "with this one, and a scene has at most 400; use fewer entries and exits"
    )


def test_the_longest_way_has_a_name_that_counts_can_have(tmp_path: Path) -> None:
    scene = load(tmp_path, MOVEMENT.replace("north", "n" * 58).replace("south", "s" * 58))
    (movement,) = scene.movements
    assert len(direction(movement.entries[0], movement.exits[0])) <= MAX_NAME_CHARS


def test_the_documented_movement_is_valid_and_without_a_warning(tmp_path: Path) -> None:
    blocks = (REPO / "docs/scenes.md").read_text("utf-8").split("```yaml\n")[1:]
    (text,) = [block.split("```")[0] for block in blocks if "movements:" in block]
    scene = load(tmp_path, text)
    assert [len(movement.entries) for movement in scene.movements] == [3]
    assert check_scene(scene) == []
